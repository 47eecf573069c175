"""A label file meets a data set: images, classes and indices are matched, and every point is accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointillist.points.check import Checked, Reason
from pointillist.points.formats import get_format
from pointillist.points.matching import read_matched
from tests.points.tool_files import LABELME, write

SIZES = {"a.png": (60, 90), "b.png": (60, 90)}


def read(file: Path, format_name: str = "csv", **said: object) -> Checked:
    kind = get_format(format_name, {"order": "xy"} if format_name == "id-text" else {})
    images = {"images": SIZES, "size_of": SIZES.__getitem__}
    return read_matched(file, kind, classes=["soil", "berry"], **images, **said)  # type: ignore[arg-type]


def test_images_classes_and_places_are_matched(tmp_path: Path) -> None:
    checked = read(write(tmp_path / "a.json", LABELME), "labelme")
    assert [(point.image, point.label) for point in checked.points] == [("a.png", "berry")]
    assert checked.reasons() == {Reason.OUTSIDE: 1}
    assert checked.total == 2


def test_new_classes_are_accepted_by_whoever_may_add_them(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "image,x,y,class\nb.png,1,1,leaf\nb.png,5,5,weed\nb.png,9,9,soil\n")
    assert read(file).unknown_classes() == {"leaf": 1, "weed": 1}
    checked = read(file, may_add_class=lambda label: label == "leaf")
    assert [point.label for point in checked.points] == ["leaf", "soil"]
    assert checked.unknown_classes() == {"weed": 1}
    renamed = read(file, rename={"weed": "kraut"}, may_add_class=lambda label: label == "kraut")
    assert [point.label for point in renamed.points] == ["kraut", "soil"]


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        ({}, ["soil", "berry"]),
        ({"file_classes": ["berry", "soil"]}, ["berry", "soil"]),
        ({"rename": {"1": "soil"}}, ["soil", "soil"]),
    ],
)
def test_classes_by_index(tmp_path: Path, said: dict[str, object], labels: list[str]) -> None:
    checked = read(write(tmp_path / "a.txt", "b 0,1,2 1,3,4\n"), "id-text", **said)
    assert [point.label for point in checked.points] == labels


def test_none_that_fits_is_an_error_only_where_there_are_points(tmp_path: Path) -> None:
    empty = read(write(tmp_path / "a.csv", "image,x,y,class\n"))
    empty.raise_if_none_fits(tmp_path)
    lost = read(write(tmp_path / "b.csv", "image,x,y,class\nc.png,1,1,soil\n"))
    with pytest.raises(Exception, match="none of the 1 points fits"):
        lost.raise_if_none_fits(tmp_path)
