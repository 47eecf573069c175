"""Formats with their options give back what they were given, at any place in an image.

What holds for every format is in `format_contract.py`.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointillist.errors import PointsError
from pointillist.points.formats import ReadContext, get_format, recognise_format
from pointillist.points.names import ImageNames
from pointillist.points.table import Point, PointTable

SIZES = {"a.png": (60, 90), "field 1/b.jpg": (120, 64), "ä_2.png": (48, 48), "count_3_x.png": (64, 64)}
CLASSES = {0: "background", 1: "cat", 2: "dog", 7: "sheep"}
ABOUT = ReadContext(CLASSES, SIZES.get, lambda name: Path("/images", name))
EXACT, ROUNDED, PIXEL = 0.0, 1e-9, 0.5


@dataclass(frozen=True)
class Case:
    """How a format is tried.

    Args:
        name: Of the format.
        target: Name of the file or folder written to.
        precision: Largest error of a coordinate.
        options: Of the format.
        images: Those it can name.
        classes: Those it can name.
        grid: Points lie on a grid of this many pixels, for formats where they cannot come closer.
    """

    name: str
    target: str
    precision: float
    options: dict[str, Any] = field(default_factory=dict)
    images: tuple[str, ...] = tuple(SIZES)
    classes: tuple[str, ...] = ("cat", "dog", "sheep")
    grid: int = 0


PLAIN = ("a.png", "count_3_x.png")
CRAID = {"berry": "cat", "background": "dog"}
CASES = [
    Case("csv", "points.csv", EXACT),
    Case("csv", "points.csv", ROUNDED, {"origin": "pixel"}),
    Case("labelme", "folder", EXACT),
    Case("cvat", "points.xml", EXACT),
    Case("label-studio", "points.json", ROUNDED),
    Case("coco", "points.json", ROUNDED),
    Case("coco", "points.json", EXACT, {"origin": "corner"}),
    Case("qupath", "folder", EXACT),
    Case("napari", "folder", ROUNDED),
    Case("napari", "folder", ROUNDED, {"column": "kind"}),
    Case("via", "points.json", ROUNDED),
    Case("via", "points.json", ROUNDED, {"attribute": "kind"}),
    Case("whats-the-point", "points.json", ROUNDED),
    Case("id-text", "points.txt", PIXEL, {"order": "yx"}, PLAIN),
    Case("id-text", "points.txt", PIXEL, {"order": "xy", "size": "130x130"}, PLAIN),
    Case("point-png", "folder", PIXEL, {"unlabelled": 255}, grid=1),
    Case("point-png", "folder", PIXEL, {"unlabelled": 3, "block": 3}, grid=4),
    Case("point-png", "folder", PIXEL, {"unlabelled": 300, "block": 6}, grid=8),
    Case("craid", "folder", PIXEL, CRAID, classes=("cat", "dog"), grid=5),
    Case("craid", "folder", PIXEL, {**CRAID, "layout": "split"}, classes=("cat", "dog"), grid=5),
]
IDS = [f"{case.name}-{index}" for index, case in enumerate(CASES)]


@st.composite
def tables(draw: st.DrawFn, case: Case) -> PointTable:
    """Points of one class per pixel; some images have none."""
    listed = draw(st.lists(st.sampled_from(case.images), unique=True, min_size=1))
    points = []
    for image in listed:
        height, width = SIZES[image]
        if case.grid:
            cells = st.tuples(st.integers(0, width // case.grid - 2), st.integers(0, height // case.grid - 2))
            inner = st.floats(0, 0.999)
            for column, row in draw(st.lists(cells, unique=True, max_size=8)):
                # Somewhere in one pixel of the cell, far enough from the border for its square.
                x = (column + 1) * case.grid + draw(inner) - (case.grid == 1)
                y = (row + 1) * case.grid + draw(inner) - (case.grid == 1)
                points.append(Point(image, x, y, draw(st.sampled_from(case.classes))))
        else:
            x, y = st.floats(0, width, exclude_max=True), st.floats(0, height, exclude_max=True)
            points += draw(st.lists(st.builds(Point, st.just(image), x, y, st.sampled_from(case.classes)), max_size=8))
    return PointTable(points, listed=listed)


def same(left: PointTable, right: PointTable, precision: float, names: ImageNames, by: Any) -> bool:
    """Whether both hold the same points, in any order, up to `precision`."""

    def sorted_points(table: PointTable) -> list[tuple[str, str, float, float]]:
        return sorted((names.find(p.image, by) or "?", p.label, round(p.y, 6), round(p.x, 6)) for p in table)

    if precision < PIXEL:
        pairs = zip(sorted_points(left), sorted_points(right), strict=True)
        return all(a[:2] == b[:2] and abs(a[2] - b[2]) < 2e-6 and abs(a[3] - b[3]) < 2e-6 for a, b in pairs)
    rest = list(right)
    for point in left:
        near = [
            other
            for other in rest
            if names.find(other.image, by) == names.find(point.image, by)
            and other.label == point.label
            # A click on the edge of two pixels is in the second: of the centres, only one is its own.
            and all(-precision < gap <= precision for gap in (other.x - point.x, other.y - point.y))
        ]
        if not near:
            return False
        rest.remove(near[0])
    return not rest


@pytest.mark.parametrize("case", CASES, ids=IDS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_export_then_import_is_the_identity(case: Case, data: st.DataObject) -> None:
    table = data.draw(tables(case))
    kind = get_format(case.name, case.options)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, case.target)
        kind.write(table, path, ABOUT)
        names = ImageNames(SIZES)
        seen = ReadContext(CLASSES, lambda name: SIZES.get(names.find(name, kind.images_by) or ""))
        back = kind.read(path, seen)
        assert len(back) == len(table)
        assert same(table, back, case.precision, names, kind.images_by)
        if case.precision == EXACT:
            assert Counter((p.x, p.y, p.label) for p in back) == Counter((p.x, p.y, p.label) for p in table)
        # What came back once comes back for good: nothing wanders over many round trips.
        renamed = [Point(names.find(p.image, kind.images_by) or "?", p.x, p.y, p.label, p.extra) for p in back]
        second = Path(folder, f"again_{case.target}")
        kind.write(PointTable(renamed, back.columns, listed=table.listed), second, ABOUT)
        again = kind.read(second, seen)
        assert same(back, again, ROUNDED, names, kind.images_by)


def test_wrong_names_and_options_are_met_with_the_nearest() -> None:
    with pytest.raises(PointsError, match="Did you mean 'labelme'"):
        get_format("labelmee")
    with pytest.raises(PointsError, match="no such setting"):
        get_format("labelme", {"order": "yx"})
    with pytest.raises(PointsError, match="'rank'"):
        get_format("whats-the-point", {"rank": 0})
    with pytest.raises(PointsError, match="1024x2048"):
        get_format("id-text", {"order": "yx", "size": "1024"})


def test_unknown_files_are_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match="no such file"):
        recognise_format(tmp_path / "nothing.json")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", '{"shape": [], "size": {"x": 1}}', 'JSON of no known label format; it has "shape", "size", "x"'),
        ("a.json", "[]", "no keys"),
        ("a.txt", "hello world", "no known label format"),
        ("a.txt", "0 0.5 0.25 0.125 1\n", "YOLO"),
        ("a.xml", "<html/>", "CVAT for images 1.1"),
        ("a.xml", "<annotation>\n<object/></annotation>", "Pascal VOC"),
        ("a.doc", "x", "no known label format"),
        ("a.geojson", "", "is empty"),
        ("a.xlsx", "PK", "Save the sheet as CSV"),
        ("a.png", "PNG", "name the format: point-png"),
    ],
)
def test_an_unknown_file_is_called_what_it_is(name: str, content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(PointsError) as caught:
        recognise_format(tmp_path / name)
    assert words in str(caught.value)
    (tmp_path / name).unlink()
    with pytest.raises(PointsError, match="folder without a label file"):
        recognise_format(tmp_path)


def test_reading_refuses_what_a_check_would_count(tmp_path: Path) -> None:
    path = tmp_path / "points.json"
    path.write_text(json.dumps({"2007_000032": [{"x": float("nan"), "y": 1, "cls": 8, "rank": 1}]}))
    with pytest.raises(PointsError, match=r"2007_000032\[0\].*no position"):
        recognise_format(path).read(path)
    (point,) = get_format("whats-the-point").read(path, allow_non_finite=True)
    assert point.x != point.x


def test_classes_by_index_need_a_table_to_be_written(tmp_path: Path) -> None:
    table = PointTable([Point("a.png", 1.0, 1.0, "cat")])
    kind = get_format("id-text", {"order": "xy"})
    with pytest.raises(PointsError, match="--classes"):
        kind.write(table, tmp_path / "a.txt")
    kind.write(PointTable([Point("a.png", 1.0, 1.0, "12")]), tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "a 12,1,1\n"


def test_origin_overrides_the_declared_convention(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("image,x,y,class\na.png,1,2,cat\n")
    (point,) = get_format("csv", {"origin": "pixel"}).read(path)
    assert (point.x, point.y) == (1.5, 2.5)


def test_neighbours_on_the_edges_of_pixels_stay_apart(tmp_path: Path) -> None:
    rows = [Point("a.png", 0.0, float(y), "cat") for y in range(44, 49)]
    kind = get_format("point-png", {"unlabelled": 255})
    kind.write(PointTable(rows), tmp_path / "folder", ABOUT)
    back = kind.read(tmp_path / "folder", ABOUT)
    assert sorted((point.x, point.y) for point in back) == [(0.5, y + 0.5) for y in range(44, 49)]
