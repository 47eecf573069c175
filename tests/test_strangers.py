"""Folders and files of strangers: links in our own folders, wrong types in records, names in other letters."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pointillist.annotator.folder import open_folder
from pointillist.annotator.labels.store import Store
from pointillist.annotator.model.runs import find_runs
from pointillist.annotator.session import Session
from pointillist.data.layouts import load_dataset
from pointillist.errors import ConfigError, DatasetError, RunError, SaveError
from pointillist.locks import MARKER, in_use
from pointillist.points.formats.native import NativeCsv
from pointillist.sealed import checksum, read_sealed, read_sealed_figures, sealed
from pointillist.training.config import make_config
from pointillist.training.run_directory import RunDirectory
from pointillist.training.start import Start, read_history
from tests.annotator.conftest import Hand, write_images
from tests.conftest import Cli, write_tiny

RUN = Path(__file__).parent / "fixtures" / "version_0_1" / "run"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_images(tmp_path / "berries" / "images")
    return tmp_path / "berries"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RUN, tmp_path / "run"))


# Links in our own folders.


@pytest.mark.parametrize(
    "name",
    ["points.written.csv", "annotator.sqlite", MARKER, "runs/0001.log", "runs/0001.labels", "cache/predictions", "a/b"],
)
def test_no_link_below_the_annotators_folder_is_followed(data: Path, tmp_path: Path, name: str) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").write_text("mine")
    link = data / ".pointillist" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(theirs if Path(name).suffix in ("", ".labels") and name != MARKER else theirs / "file")
    (data / "points.csv").write_text("image,x,y,class\ni0.png,1,1,$(touch x)\n")
    with pytest.raises(DatasetError, match="is a link"):
        Session(open_folder(data))
    assert [path.name for path in theirs.iterdir()] == ["file"]
    assert (theirs / "file").read_text() == "mine"


def test_a_marker_that_is_a_link_empties_nothing(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MARKER).symlink_to(tmp_path / "theirs")
    with pytest.raises(SaveError), in_use(tmp_path / "out", "predicting"):
        pass
    assert (tmp_path / "theirs").read_text() == "mine"


def test_a_training_goes_on_in_no_folder_with_links(run: Path, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "theirs").mkdir()
    shutil.rmtree(run / "snapshots", ignore_errors=True)
    (run / "snapshots").symlink_to(tmp_path / "theirs")
    done = cli("train", write_tiny(tmp_path / "tiny"), "--resume", "--out", run)
    assert (done.code, "is a link" in done.err) == (2, True)
    assert not list((tmp_path / "theirs").iterdir())


# Records.


def record(data: Path, **changed: Any) -> None:
    one = {"number": 1, "started": 1.0, "class_ids": ["a"], "class_names": ["b"], "settings": {}, "state": "done"}
    home = data / ".pointillist" / "runs"
    home.mkdir(parents=True, exist_ok=True)
    (home / "0001.json").write_text(json.dumps(one | changed).replace("Infinity", "1e999"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("number", value) for value in ("x", 1.5, [1], 2, -1)],
        *[("class_ids", value) for value in ([[1], {}], "ab", 3)],
        *[("started", value) for value in ("x", float("inf"))],
        *[("seconds", "y"), ("settings", [1]), ("state", "away"), ("masks", [1])],
    ],
)
def test_the_record_of_a_training_has_types(data: Path, field: str, value: object) -> None:
    record(data)
    assert [one.name for one in find_runs(open_folder(data))] == ["0001"]
    record(data, **{field: value})
    with pytest.raises(RunError, match=rf"0001\.json, field '{field}"):
        find_runs(open_folder(data))


@pytest.mark.parametrize("model", ['{"sha256": "a", "protocol": {"steps": 1e999}}', "[" * 100_000])
def test_a_damaged_model_of_a_training_is_none(data: Path, model: str) -> None:
    record(data)
    folder = data / ".pointillist" / "runs" / "0001" / "model"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(model)
    (one,) = find_runs(open_folder(data))
    assert one.model_facts() is None


@pytest.mark.parametrize("row", ["1,x", "1,1e999", "1,nan", "0,1", "1.5,1", ",1", "1,", "1,1e99"])
def test_figures_are_numbers(tmp_path: Path, row: str) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text("epoch,seconds\n1,2.5\n")
    assert read_sealed_figures(file, RunError) == [{"epoch": "1", "seconds": "2.5"}]
    file.write_text(f"epoch,seconds\n{row}\n")
    with pytest.raises(RunError, match=r"metrics\.csv, line 2, field .* is no number here"):
        read_sealed_figures(file, RunError)
    file.write_text("epoch,loss\n1,2\n")
    with pytest.raises(RunError, match="this column is missing"):
        read_sealed_figures(file, RunError)


@pytest.mark.parametrize(
    "changed",
    ["images: many", "images: {a: 1}", "images: -1", "clicks: null", "path: [1, 2]", "more: 1"],
)
def test_what_a_run_says_of_its_data_has_types(run: Path, cli: Cli, changed: str) -> None:
    key = changed.partition(":")[0]
    lines = (run / "config.yaml").read_text().splitlines()
    start = lines.index("dataset:")
    kept = [line for line in lines if not line.startswith(f"  {key}:") or lines.index(line) < start]
    kept.insert(kept.index("dataset:") + 1, f"  {changed}")
    (run / "config.yaml").write_text("\n".join(kept) + "\n")
    done = cli("info", run)
    assert (done.code, f"dataset.{key}" in done.err) == (2, True), done.err


@pytest.mark.parametrize("models", [[], [{}], [{"name": 5}], "x", [{"name": "a"}] * 2000])
def test_a_history_has_models(run: Path, models: object) -> None:
    (run / "history.json").write_text(sealed({"models": models}))
    with pytest.raises(RunError, match=r"history\.json, field 'models'"):
        read_history(RunDirectory(run))


def test_a_beginning_without_its_history_is_refused_at_once(run: Path) -> None:
    shutil.copytree(run / "model", run / "start")
    with pytest.raises(RunError, match=r"history\.json: is missing"):
        Start.kept(RunDirectory(run))


def test_what_is_nested_deep_is_refused_with_a_right_checksum(tmp_path: Path) -> None:
    inner: Any = 1
    for _ in range(200):
        inner = [inner]
    content = {"format": 1, "a": inner}
    (tmp_path / "a.json").write_text(json.dumps(content | {"checksum": checksum(content)}))
    with pytest.raises(RunError, match="nested more than 32 deep"):
        read_sealed(tmp_path / "a.json", RunError, "x")


def test_a_garbled_store_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "annotator.sqlite"
    Store(path).close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xaa" * (len(content) - 4096)
    path.write_bytes(bytes(content))
    with pytest.raises(SaveError, match=r"annotator\.sqlite"):
        Store(path)


# Settings and paths.


def test_settings_without_end(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.threads"):
        make_config(None, {"trainer.threads": 1_000_000})
    write_images(tmp_path / "images")
    (tmp_path / "dataset.yaml").write_text(f"classes: [a, b]\nignore_index: 0x{'f' * 9000}\n")
    with pytest.raises(DatasetError, match="a number of thousands of digits"):
        load_dataset(tmp_path)
    (tmp_path / "dataset.yaml").write_text("classes: [{name: a, value: 99999999999999999999}, {name: b, value: 1}]\n")
    with pytest.raises(DatasetError, match=r"classes\.0\.value"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("command", [["info"], ["train"], ["predict", RUN], ["data", "check"]])
def test_names_that_are_too_long(cli: Cli, command: list[Any]) -> None:
    more = ["--out", "out"] if command[0] == "predict" else []
    done = cli(*command, "a" * 300, *more)
    assert done.code == 2, done.err
    assert "too long" in done.err.replace("\n", " ")


def test_names_that_look_like_markup(data: Path, cli: Cli) -> None:
    (data / "dataset.yaml").write_text("classes: ['a[/b]', '[bold]c']\n")
    done = cli("info", data)
    assert done.code == 0, done.err
    assert "a[/b]" in done.out
    assert "[bold]c" in done.out


# One class, written in two ways.

NFC, NFD = "caf\u00e9", "cafe\u0301"


def test_the_same_letters_are_one_class(data: Path) -> None:
    hand = Hand(Session(open_folder(data)))
    hand.do("class-add", class_="class-no-1", name=NFC)
    hand.do("class-add", class_="class-no-2", name=NFD)
    hand.do("class-add", class_="class-no-3", name="soil")
    assert hand.do("class-rename", class_="class-no-3", name=NFD).status == "rejected"
    hand.do("add", point="point-01", image=hand.image(), x=1.5, y=2.5, class_="class-no-2")
    hand.session.files.flush()
    with (data / "points.csv").open("a") as file:
        file.write(f"i1.png,3.5,4.5,{NFD}\n")
    (data / "dataset.yaml").write_text(f"classes: [{NFD}, soil]\n")
    hand.session.files.flush()
    assert {row.name for row in hand.session.store.reading().classes()} == {NFC, "soil"}
    hand.session.close()
    assert {point.label for point in NativeCsv().read(data / "points.csv")} == {NFC}
    assert len(load_dataset(data).points) == 2
    Session(open_folder(data)).close()
