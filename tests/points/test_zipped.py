"""Label files in a zip, as annotation tools give them out, and zips that mean ill."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pointillist.errors import PointsError
from pointillist.points.formats import choose_format, formats, recognise_format, zipped
from pointillist.points.table import Point
from tests.points.format_contract import context, made, table

XML = '<annotations><image name="a.png"><points label="cat" points="1,2"/></image></annotations>'


def packed(path: Path, content: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["labelme", "coco", "cvat", "label-studio", "qupath", "napari", "via"])
def test_a_zip_is_recognised_by_what_it_holds(name: str, tmp_path: Path) -> None:
    kind = formats()[name]
    made(kind).write(table(kind), tmp_path / "a.zip", context(kind))
    assert recognise_format(tmp_path / "a.zip").name == name


def test_images_and_leftovers_in_a_zip_stay_there(tmp_path: Path) -> None:
    junk = {"images/a.png": b"no picture", "__MACOSX/annotations.xml": b"no xml", ".hidden.xml": b"", "notes.csv": ""}
    path = packed(tmp_path / "task.zip", {"annotations.xml": XML, **junk})
    assert list(choose_format(path).read(path)) == [Point("a.png", 1.0, 2.0, "cat")]


def test_errors_name_the_zip_and_the_file_inside(tmp_path: Path) -> None:
    path = packed(tmp_path / "task.zip", {"deep/annotations.xml": "<annotations>"})
    with pytest.raises(PointsError, match="not valid XML") as caught:
        choose_format(path).read(path)
    assert caught.value.where == str(path / "deep" / "annotations.xml")
    assert caught.value.line == 1


def test_several_files_of_a_format_with_one_are_not_merged(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"one.xml": XML, "two.xml": XML})
    with pytest.raises(PointsError, match=r"2 label files: 'one.xml' and 'two.xml'"):
        choose_format(path).read(path)


def test_zips_that_mean_ill_or_are_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = packed(tmp_path / "whole.zip", {"a.xml": XML}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:-30])
    (tmp_path / "bits.zip").write_bytes(whole[:40] + bytes(20) + whole[60:])
    (tmp_path / "text.zip").write_text("hello")
    packed(tmp_path / "empty.zip", {})
    packed(tmp_path / "above.zip", {"../evil.xml": XML})
    packed(tmp_path / "elsewhere.zip", {str(tmp_path / "evil.xml"): XML})
    packed(tmp_path / "bomb.zip", {"a.xml": bytes(2000)})
    monkeypatch.setattr(zipped, "MAX_BYTES", 1000)
    names = sorted(path.name for path in tmp_path.glob("*.zip") if path.name != "whole.zip")
    assert len(names) == 7
    for name in names:
        with pytest.raises(PointsError) as caught:
            choose_format(tmp_path / name, "cvat").read(tmp_path / name)
        assert caught.value.where == str(tmp_path / name)
        assert caught.value.hint
    assert not list(tmp_path.parent.rglob("evil.xml"))
