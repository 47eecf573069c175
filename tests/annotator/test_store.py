"""The file of the store: versions, and classes that merge."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pointillist.annotator.labels.operations import OperationBatch
from pointillist.annotator.labels.store import Store
from pointillist.annotator.labels.tables import Tables
from pointillist.annotator.labels.writer import Writer
from pointillist.annotator.session import Session
from pointillist.errors import SaveError

VERSION_0_1 = Path(__file__).parents[1] / "fixtures" / "version_0_1" / "annotated"


def test_a_folder_of_version_0_1_goes_on(tmp_path: Path, opened: Callable[[Path], Session]) -> None:
    data = tmp_path / "annotated"
    shutil.copytree(VERSION_0_1, data)
    session = opened(data)
    before = session.store.reading().seq()
    name = "tiny_0.png"
    image = session.catalogue.id(name)
    here = session.points(name)["points"]
    label = next(entry["id"] for entry in session.project()["classes"] if entry["name"] == "square")
    assert any((p["x"], p["y"], p["class"]) == (5.5, 6.25, label) for p in here)
    assert sum(entry["points"] for entry in session.project()["classes"]) == 10
    click = {"id": "op-00001", "kind": "add", "point": "point-01", "image": image, "x": 1, "y": 1, "class": label}
    _, (applied,) = session.submit(OperationBatch.model_validate({"client": "tab-one-0", "ops": [click]})).result()
    assert (applied.status, applied.seq) == ("done", before + 1)
    session.files.flush()
    assert "tiny_0.png,5.5,6.25,square" in (data / "points.csv").read_text()
    assert "tiny_0.png,1.0,1.0,square" in (data / "points.csv").read_text()


def test_regions_and_versions_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "annotator.sqlite")
    with store.writing() as tables:
        tables.keep_region("a.png", "0001", 3, (0.5, 1, 2, 3, 4))
        tables.keep_region("a.png", "0002", 4, (0.25, 1, 2, 3, 4))
    assert store.reading().regions("0001") == []
    assert store.reading().regions("0002") == [("a.png", 4, (0.25, 1, 2, 3, 4))]
    store.close()


def test_a_store_that_sqlite_can_only_read_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite opens what it cannot open for writing for reading, without a word, even when the disk failed just once."""
    path = tmp_path / "annotator.sqlite"
    Store(path).close()
    connect = sqlite3.connect

    def reading(place: Path, **options: Any) -> sqlite3.Connection:
        return connect(f"file:{place}?mode=ro", uri=True, **options)

    monkeypatch.setattr(sqlite3, "connect", reading)
    with pytest.raises(SaveError, match="readonly"):
        Store(path)


def test_what_sqlite_says_of_one_change_is_an_error_of_ours(tmp_path: Path) -> None:
    store = Store(tmp_path / "annotator.sqlite")
    writer = Writer(store)

    def change(tables: Tables) -> None:
        tables.set_metadata("a", "1")
        raise sqlite3.OperationalError("attempt to write a readonly database")

    with pytest.raises(SaveError, match=r"annotator\.sqlite.*attempt to write a readonly database"):
        writer.submit(change).result(30)
    assert store.metadata("a") == ""
    writer.close()
    store.close()
