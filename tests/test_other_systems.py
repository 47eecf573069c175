"""Windows and macOS, as far as they can be acted out here: names without case, files that others hold open."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image

from pointillist import files
from pointillist.errors import PointsError, RunError, SaveError
from pointillist.files import replacing, write_text
from pointillist.inference.batch import collect_images
from pointillist.points.formats import ReadContext, get_format
from pointillist.points.table import Point, PointTable

ALIKE = [("Berry", "berry"), (normalize("NFC", "Käfer"), normalize("NFD", "Käfer"))]


@pytest.mark.parametrize(("one", "other"), ALIKE)
@pytest.mark.parametrize("system", ["win32", "darwin", "linux"])
def test_results_whose_names_differ_in_case_or_form_alone(
    one: str, other: str, system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (f"{one}.png", f"{other}.tif"):  # which are two files everywhere
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / name)
    table = PointTable([Point(name, 1.5, 1.5, "a") for name in (f"{one}.png", f"{other}.tif")])
    about = ReadContext(size_of=lambda _: (4, 4))
    monkeypatch.setattr(sys, "platform", system)
    if system == "linux":
        assert len(collect_images([tmp_path]).images) == 2
        get_format("labelme").write(table, tmp_path / "labels", about)
        return
    with pytest.raises(RunError, match="would both be written"):
        collect_images([tmp_path])
    with pytest.raises(PointsError, match="would share one file"):
        get_format("labelme").write(table, tmp_path / "labels", about)


def busy(monkeypatch: pytest.MonkeyPatch, times: int) -> list[Path]:
    """Windows while somebody holds a file open: renaming onto it fails so many times."""
    tries: list[Path] = []
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        tries.append(self)
        if len(tries) <= times:
            raise PermissionError(13, "The process cannot access the file because it is being used", str(target))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(files.sys, "platform", "win32")
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return tries


def test_a_file_that_is_looked_at_for_a_moment_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("old")
    tries = busy(monkeypatch, 3)
    write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert len(tries) == 4


def test_a_file_that_stays_open_is_one_clear_error_and_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("old")
    busy(monkeypatch, 1000)
    with pytest.raises(SaveError) as caught:
        write_text(tmp_path / "a.txt", "new")
    assert caught.value.where == str(tmp_path / "a.txt")
    assert caught.value.hint
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_what_others_write_meanwhile_is_kept_where_files_cannot_be_exchanged(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.sys, "platform", system)
    path = tmp_path / "points.csv"
    path.write_text("ours, before")

    def rewrite() -> None:
        with replacing(path, keep=True) as new:
            new.write_text("ours, after")
            path.write_text("theirs")

    with pytest.warns(UserWarning, match=r"is kept as points\.1\.kept\.csv"):
        rewrite()
    assert path.read_text() == "ours, after"
    assert (tmp_path / "points.1.kept.csv").read_text() == "theirs"


def test_paths_of_windows_in_a_points_csv(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("image,x,y,class\nfield 1\\a.png,1.0,1.0,berry\n")
    assert [point.image for point in get_format("csv").read(tmp_path / "points.csv")] == ["field 1/a.png"]
