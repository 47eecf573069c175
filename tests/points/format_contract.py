"""What every label format must do; a format is tried by being registered, without a line about it here.

Each check takes a format and an empty folder, and raises when the format breaks its word.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pointillist.errors import PointsError, PointsWarning, SaveError
from pointillist.points.formats import PointFormat, ReadContext
from pointillist.points.names import ImageNames
from pointillist.points.places import Place
from pointillist.points.questions import ANSWERS, COLUMNS
from pointillist.points.table import Point, PointTable

with suppress(ImportError):
    from pyproj import CRS

Kind = type[PointFormat]
Check = Callable[[Kind, Path], None]

SIZES = {"a.png": (60, 90), "ä_2.png": (120, 64), "count_3_x.png": (64, 64)}
NAMES = ImageNames(SIZES)
GEO = find_spec("rasterio") and find_spec("pyogrio") and find_spec("pyproj") and find_spec("shapely")
PLACES = {
    name: Place(CRS(32632).to_wkt() if GEO else "", (30.0, 0.0, 500_000.0 + 9000 * index, 0.0, -30.0, 5_300_000.0))
    for index, name in enumerate(SIZES)
}
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Add a check to the contract."""
    CHECKS.append(function)
    return function


def example_options(kind: Kind) -> dict[str, Any]:
    """The required options of a format, each with a value that it takes."""
    values = {info.name: info.values for info in kind.option_infos() if info.required}
    return {name: 255 if value == "number" else value.split(" or ")[0] for name, value in values.items()}


def made(kind: Kind, **options: Any) -> PointFormat:
    """The format with its required options; skips where its libraries are not installed."""
    if kind.name == "gis" and not GEO:
        pytest.skip("the extra 'geo' is not installed")
    return kind(kind.Options(**{**example_options(kind), **options}))


def labels(kind: Kind, wanted: tuple[str, str, str] = ("cat", "dog", "Röte 樹 <&\"'>,;")) -> tuple[str, ...]:
    """Three classes that the format can hold."""
    return (*kind.only_classes, *kind.only_classes)[:3] or wanted


def context(kind: Kind) -> ReadContext:
    """All that a data set knows."""

    def size_of(name: str) -> tuple[int, int] | None:
        return SIZES.get(NAMES.find(name, kind.images_by) or "")

    def path_of(name: str) -> Path:
        return Path("/images", name)

    return ReadContext(dict(enumerate(labels(kind))), size_of, path_of, tuple(SIZES), PLACES.get)


def target(kind: Kind, folder: Path) -> Path:
    """Where a format writes to."""
    return folder / ("labels" if kind.one_per_image else f"points{kind.suffixes[0]}")


def table(kind: Kind, images: tuple[str, ...] = tuple(SIZES)) -> PointTable:
    """Points far from each other and from the border, at all parts of a pixel."""
    points = [
        Point(image, 12 + 15 * i + 0.37 * i, 14 + 13.125 * j, labels(kind)[(i + j) % 3])
        for image in images
        for i in range(3)
        for j in range(3)
    ]
    return PointTable(points, listed=images)


def sort_key(point: Point) -> tuple[str, str, int, int]:
    return NAMES.find(point.image, "stem") or "?", point.label, round(point.x / 4), round(point.y / 4)


def assert_same(left: PointTable, right: PointTable, tolerance: float) -> None:
    """Both hold the same points in any order, up to `tolerance` pixels."""
    pairs = list(zip(sorted(left, key=sort_key), sorted(right, key=sort_key), strict=True))
    for a, b in pairs:
        assert sort_key(a)[:2] == sort_key(b)[:2]
        assert max(abs(a.x - b.x), abs(a.y - b.y)) <= tolerance, f"{a} came back as {b}"


def write_valid(kind: Kind, folder: Path, points: list[Point] | None = None) -> Path:
    """A label file with points in one image; the file itself, also of a format that has one per image."""
    path = target(kind, folder)
    made(kind).write(table(kind, ("a.png",)) if points is None else PointTable(points, COLUMNS), path, context(kind))
    return file_at(path)


def file_at(path: Path) -> Path:
    """The one file that was written."""
    return next(file for file in sorted(path.rglob("*")) if file.is_file()) if path.is_dir() else path


@check
def declares_itself(kind: Kind, _folder: Path) -> None:
    assert kind.name
    assert kind.title
    assert kind.__doc__
    assert kind.origin in ("corner", "pixel")
    assert all(ending.startswith(".") and ending == ending.lower() for ending in kind.suffixes)


@check
def options_are_documented(kind: Kind, _folder: Path) -> None:
    infos = {info.name: info for info in kind.option_infos()}
    assert {"origin", "size"} <= set(infos)
    assert set(kind.required) <= set(infos)
    for info in infos.values():
        assert info.description.endswith("."), f"{kind.name}.{info.name} does not say what it means"
        assert info.values


@check
def required_options_are_asked_for(kind: Kind, folder: Path) -> None:
    file = write_valid(kind, folder)
    for name in kind.required:
        rest = {key: value for key, value in example_options(kind).items() if key != name}
        incomplete = kind(kind.Options(**rest))
        for use in (
            lambda made=incomplete: made.read(file, context(kind)),
            lambda made=incomplete: made.write(table(kind), target(kind, folder / "new"), context(kind)),
        ):
            with pytest.raises(PointsError, match=f"--set {name}=") as caught:
                use()
            assert caught.value.field == name


@check
def gives_back_what_it_was_given(kind: Kind, folder: Path) -> None:
    given, path = table(kind), target(kind, folder)
    made(kind).write(given, path, context(kind))
    back = made(kind).read(path, context(kind))
    assert_same(given, back, kind.tolerance)
    # What came back once comes back for good: nothing wanders over many round trips.
    again = target(kind, folder / "again")
    again.parent.mkdir()
    renamed = [Point(NAMES.find(p.image, kind.images_by) or "?", p.x, p.y, p.label, p.extra) for p in back]
    made(kind).write(PointTable(renamed, back.columns, listed=given.listed), again, context(kind))
    assert_same(back, made(kind).read(again, context(kind)), min(kind.tolerance, 1e-9))


LINES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=6)


@st.composite
def with_attributes(draw: st.DrawFn, kind: Kind) -> PointTable:
    """Clicks, answers and questions without a class, with whatever the columns of questions may hold."""

    def filled(point: Point, label: str) -> Point:
        extra = {name: draw(LINES) for name in COLUMNS}
        if not label or draw(st.booleans()):
            chance, answer = draw(st.floats(0, 1, exclude_min=True)), draw(st.sampled_from(("", *ANSWERS)))
            extra |= {"source": "question", "inclusion": repr(chance), "answer": "" if label else answer}
        return Point(point.image, point.x, point.y, label, extra)

    rows = [filled(p, draw(st.sampled_from((p.label, "")))) for p in table(kind, ("a.png",))]
    named, unnamed = ([row for row in rows if bool(row.label) is wanted] for wanted in (True, False))
    return PointTable(named, COLUMNS, listed=["a.png"], unnamed=unnamed)


@check
def keeps_the_columns_that_it_declares_and_says_what_is_lost(kind: Kind, folder: Path) -> None:
    columns = [name for name in COLUMNS if kind.keeps == "all" or name in kind.keeps]

    def found(points: PointTable) -> list[Any]:
        rows = points.rows if kind.keeps_unnamed else points
        return [(*sort_key(p), [p.extra.get(name, "") for name in columns]) for p in sorted(rows, key=sort_key)]

    @settings(max_examples=15, deadline=None)
    @given(with_attributes(kind))
    def comes_back(points: PointTable) -> None:
        path = target(kind, folder / str(len(list(folder.iterdir()))))
        path.parent.mkdir()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made(kind).write(points, path, context(kind))
            back = made(kind).read(path, context(kind))
        assert found(back) == found(points)
        assert not {name for p in back.rows for name in COLUMNS if p.extra.get(name)} - set(columns)
        assert set(back.columns) >= {name for name in columns if any(p.extra.get(name) for p in back.rows)}
        said = " ".join(str(one.message) for one in caught if issubclass(one.category, PointsWarning))
        rows = points.rows if kind.keeps_unnamed else points
        lost = [name for name in COLUMNS if name not in columns and any(p.extra[name] for p in rows)]
        assert (f"no place for {', '.join(lost)}" in said) is bool(lost)
        answers = sum(p.extra["source"] == "question" for p in rows)
        assert (f"{answers} answer" in said and "plain click" in said) is bool(answers and "source" in lost)
        unnamed = 0 if kind.keeps_unnamed else len(points.unnamed)
        assert (f"{unnamed} question" in said and "left out" in said) is bool(unnamed)
        assert bool(said) is bool(lost or unnamed)

    comes_back()


@check
def refuses_a_broken_question(kind: Kind, folder: Path) -> None:
    if kind.keeps != "all" and "inclusion" not in kind.keeps:
        return
    for label, inclusion, answer, column in (
        (labels(kind)[0], "1.5", "", "inclusion"),
        ("cat", "1", "border", "answer"),
    ):
        extra = {"source": "question", "inclusion": inclusion, "answer": answer}
        broken = [Point("a.png", 20.0, 20.0, label, extra)]
        with pytest.raises(PointsError, match=repr(inclusion if column == "inclusion" else answer)) as refused:
            write_valid(kind, folder, broken)
        assert refused.value.field == column
        # As others could have written it.
        path = target(kind, folder)
        made(kind)._write(PointTable(broken, COLUMNS), path, context(kind))
        file = file_at(path)
        with pytest.raises(PointsError, match=repr(inclusion if column == "inclusion" else answer)) as caught:
            made(kind).read(file, context(kind))
        assert str(caught.value.field).endswith(column)
        assert caught.value.hint
    broken = [Point("a.png", 20.0, 20.0, labels(kind)[0], {"source": "question", "inclusion": "1", "seconds": "1\n2"})]
    if kind.keeps != "all":
        with pytest.raises(PointsError, match="no line of text"):
            write_valid(kind, folder, broken)


@check
def comes_back_from_a_zip(kind: Kind, folder: Path) -> None:
    path = folder / "labels.zip"
    made(kind).write(table(kind), path, context(kind))
    assert_same(table(kind), made(kind).read(path, context(kind)), kind.tolerance)
    with pytest.raises(SaveError, match="only written new"):
        made(kind).write(table(kind), path, context(kind))


@check
def takes_an_origin(kind: Kind, folder: Path) -> None:
    file = write_valid(kind, folder)
    here = made(kind, origin="pixel").read(file, context(kind))
    there = made(kind, origin="corner").read(file, context(kind))
    for pixel, corner in zip(here, there, strict=True):
        assert (pixel.x - corner.x, pixel.y - corner.y) == pytest.approx((0.5, 0.5), abs=1e-9)


@check
def holds_images_without_points_or_nothing(kind: Kind, folder: Path) -> None:
    path = target(kind, folder)
    made(kind).write(PointTable(listed=["a.png"]), path, context(kind))
    back = made(kind).read(path, context(kind))
    assert not len(back)
    # A table of points alone cannot name an image without any.
    assert [NAMES.find(name, kind.images_by) for name in back.listed] in ([], ["a.png"])


@check
def refuses_what_no_file_can_hold(kind: Kind, folder: Path) -> None:
    label = labels(kind)[0]
    for bad, words in (
        (Point("a.png", math.nan, 1.0, label), "no position"),
        (Point("a.png", 1.0, -math.inf, label), "no position"),
        (Point("a.png", 1.0, 1.0, "a\nb"), "cannot be seen"),
        (Point("a.png", 1.0, 1.0, " "), "with a blank"),
        (Point("a.png", 1.0, 1.0, "\ud800"), "cannot be seen"),
    ):
        with pytest.raises(PointsError, match=words) as caught:
            made(kind).write(PointTable([bad]), target(kind, folder), context(kind))
        assert caught.value.hint
    assert not list(folder.iterdir())


@check
def refuses_classes_it_cannot_hold(kind: Kind, folder: Path) -> None:
    if not kind.only_classes:
        return
    with pytest.raises(PointsError, match="'no such class'"):
        made(kind).write(PointTable([Point("a.png", 20.0, 20.0, "no such class")]), target(kind, folder), context(kind))


@check
def stays_in_its_folder(kind: Kind, folder: Path) -> None:
    if not kind.one_per_image:
        return
    sized = ReadContext(context(kind).classes, lambda _: (50, 50))
    for image in ("../../evil.png", "/etc/evil.png", "a\n.png", "..", "C:/evil.png"):
        with pytest.raises(PointsError, match=r"cannot become the name of a file|in its name"):
            made(kind).write(PointTable([Point(image, 20.0, 20.0, labels(kind)[0])]), folder / "out", sized)
    both = PointTable([Point("a.png", 20.0, 20.0, labels(kind)[0]), Point("a.jpg", 20.0, 20.0, labels(kind)[0])])
    with pytest.raises(PointsError, match="would share one file"):
        made(kind).write(both, folder / "shared", sized)


@check
def says_no_to_foreign_files(kind: Kind, folder: Path) -> None:
    for index, content in enumerate((b"", b"{}", b"[]", b"hello world", b"<html/>", b"\x89PNG\r\n\x1a\n", bytes(64))):
        for ending in (*kind.suffixes, ".doc"):
            path = folder / f"foreign{index}{ending}"
            path.write_bytes(content)
            # A format of low priority looks at the suffix alone, and says what is wrong when it reads.
            assert not kind().recognise(path) or (kind.priority < 0 and ending in kind.suffixes)
    picture = folder / "pictures" / "photo.png"
    picture.parent.mkdir()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(picture)
    (folder / "nothing").mkdir()
    for path in (picture, picture.parent, folder / "nothing"):
        assert not kind().recognise(path)


@check
def is_read_with_typed_errors_only(kind: Kind, folder: Path) -> None:
    content = write_valid(kind, folder).read_bytes()
    path = folder / f"a{kind.suffixes[0]}"
    broken = [content[: len(content) * part // 8] for part in range(8)]
    broken += [content.replace(b"1", b"\xff", 1), content[::-1], b"\x00" * 100, "ä".encode("utf-16"), b"[" * 100_000]
    for candidate in broken:
        path.write_bytes(candidate)
        read_or_typed_error(kind, path)


def read_or_typed_error(kind: Kind, path: Path) -> PointTable | None:
    """What a file gives: points that can be written down again, or the one kind of error, naming a place and a hint."""
    try:
        points = made(kind).read(path, context(kind), allow_non_finite=True)
    except PointsError as error:
        assert error.where, error
        assert error.found, error
        assert error.hint, error
        return None
    for point in points:
        f"{point.image}{point.label}".encode()
        assert point.label
    return points
