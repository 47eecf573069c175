"""A label file meets a data set: images, classes and indices are matched, and every point is accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointillist.errors import PointsError
from pointillist.points.check import Checked, Reason
from pointillist.points.formats import get_format
from pointillist.points.matching import read_matched
from tests.points.tool_files import LABELME, write

SIZES = {"a.png": (60, 90), "b.png": (60, 90)}


def read(file: Path, format_name: str = "csv", *, options: dict[str, str] | None = None, **said: object) -> Checked:
    kind = get_format(format_name, {"order": "xy"} if format_name == "id-text" else options)
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


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "holds no points"),
        ("c.png,1,1,soil\n", "none of the 1 points fits"),
    ],
)
def test_that_nothing_fits_is_an_error(tmp_path: Path, content: str, words: str) -> None:
    checked = read(write(tmp_path / "a.csv", f"image,x,y,class\n{content}"))
    with pytest.raises(PointsError, match=words) as caught:
        checked.raise_if_none_fits(tmp_path)
    assert caught.value.hint


def test_an_entry_of_another_kind_is_named_where_there_are_no_points(tmp_path: Path) -> None:
    content = LABELME | {"shapes": LABELME["shapes"][1:2]}  # type: ignore[index]
    with pytest.raises(PointsError, match="1 × polygon"):
        read(write(tmp_path / "a.json", content), "labelme").raise_if_none_fits(tmp_path)


def test_entries_that_share_an_image_are_merged_only_when_told(tmp_path: Path) -> None:
    """Two tasks with an image of one name may be two images; and two folders may hold two images of one name."""
    for name, path in (("one", "a.png"), ("two", "a.png"), ("three", "b.png")):
        write(tmp_path / "same" / f"{name}.json", LABELME | {"imagePath": path})
    for name, path in (("one", "x/a.png"), ("two", "y/a.png"), ("three", "b.png")):
        write(tmp_path / "alike" / f"{name}.json", LABELME | {"imagePath": path})
    for folder in ("same", "alike"):
        checked = read(tmp_path / folder, "labelme")
        assert checked.reasons() == {Reason.AMBIGUOUS_IMAGE: 4, Reason.OUTSIDE: 1}
        assert checked.points.images == ("b.png",)
        assert "repeated=merge" in checked.rejections[0].hint
        merged = read(tmp_path / folder, "labelme", options={"repeated": "merge"})
        assert merged.reasons() == {Reason.OUTSIDE: 3, Reason.DUPLICATE: 1}
