from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointillist.classes import ClassSet
from pointillist.errors import PointsError
from pointillist.points.check import Checked, Reason, check_points, check_without_dataset
from pointillist.points.names import ImageNames
from pointillist.points.table import Point, PointTable

CLASSES = ClassSet.create(["soil", "berry", "leaf"])
SIZES = {"a.png": (10, 20), "sub/b.png": (30, 30)}


def check(*points: Point, **settings: object) -> Checked:
    names = ImageNames(SIZES)
    return check_points(PointTable(points), names=names, classes=CLASSES.names, size_of=SIZES.__getitem__, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        (Point("c.png", 1, 1, "soil"), Reason.UNKNOWN_IMAGE),
        (Point("c.png", math.nan, 1, "weed"), Reason.UNKNOWN_IMAGE),
        (Point("a.png", 1, 1, "weed"), Reason.UNKNOWN_CLASS),
        (Point("a.png", math.nan, 1, "soil"), Reason.NOT_FINITE),
        (Point("a.png", 1, -math.inf, "soil"), Reason.NOT_FINITE),
        (Point("a.png", 20.0, 1, "soil"), Reason.OUTSIDE),
        (Point("a.png", 1, 10.0, "soil"), Reason.OUTSIDE),
        (Point("a.png", -0.1, 1, "soil"), Reason.OUTSIDE),
        (Point("a.png", 19.999, 9.999, "soil"), None),
        (Point("a.png", 0.0, 0.0, "soil"), None),
    ],
)
def test_each_reason(point: Point, reason: Reason | None) -> None:
    checked = check(point)
    assert checked.total == 1
    assert [rejection.reason for rejection in checked.rejections] == ([] if reason is None else [reason])
    assert len(checked.points) == (reason is None)


def test_duplicates_keep_the_first_of_a_pixel() -> None:
    first, second = Point("a.png", 3.2, 4.9, "soil"), Point("a.png", 3.9, 4.1, "soil")
    checked = check(first, second, Point("sub/b.png", 3.2, 4.9, "soil"), Point("a.png", 4.0, 4.9, "soil"))
    assert [rejection.point for rejection in checked.rejections] == [second]
    assert checked.reasons() == {Reason.DUPLICATE: 1}
    assert list(checked.points.of("a.png")) == [first, Point("a.png", 4.0, 4.9, "soil")]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_two_classes_in_a_pixel_are_both_rejected_in_any_order(order: tuple[int, ...]) -> None:
    points = [Point("a.png", 3.1, 4, "soil"), Point("a.png", 3.5, 4, "berry"), Point("a.png", 3.9, 4, "soil")]
    checked = check(*(points[i] for i in order), Point("a.png", 8, 8, "leaf"))
    assert checked.reasons() == {Reason.CONFLICTING: 3}
    assert [point.label for point in checked.points] == ["leaf"]
    assert "berry and soil" in checked.rejections[0].found


def test_rejected_points_conflict_with_nobody() -> None:
    checked = check(Point("a.png", 3, 4, "soil"), Point("a.png", 3, 4, "weed"))
    assert checked.reasons() == {Reason.UNKNOWN_CLASS: 1}


POINTS = st.builds(
    Point,
    st.sampled_from(["a.png", "sub/b.png", "c.png", "b.png"]),
    st.floats(-2, 22) | st.sampled_from([math.nan, math.inf]),
    st.floats(-2, 12),
    st.sampled_from(["soil", "berry", "weed", "1"]),
)


@given(st.lists(POINTS, max_size=40), st.sampled_from(["path", "tail", "stem"]))
@settings(max_examples=150, deadline=None)
def test_imported_and_rejected_are_all(points: list[Point], by: str) -> None:
    checked = check(*points, images_by=by, rename={"1": "leaf"})
    assert len(checked.points) + len(checked.rejections) == checked.total == len(points)
    assert sum(checked.reasons().values()) == len(checked.rejections)
    pixels = {(point.image, int(point.x), int(point.y)) for point in checked.points}
    assert len(pixels) == len(checked.points)
    for point in checked.points:
        height, width = SIZES[point.image]
        assert 0 <= point.x < width
        assert 0 <= point.y < height
        assert point.label in CLASSES
    report = json.loads(json.dumps(checked.report(), allow_nan=False))
    assert report["imported"] + report["rejected"] == report["total"] == len(points)
    assert sum(report["reasons"].values()) == report["rejected"] == len(report["rejections"])
    assert set(report["reasons"]) == {reason.value for reason in Reason}


@given(st.lists(POINTS, max_size=30))
@settings(max_examples=60, deadline=None)
def test_without_a_data_set_too(points: list[Point]) -> None:
    checked = check_without_dataset(PointTable(points), SIZES.get)
    assert checked.total == len(points)
    assert not {Reason.UNKNOWN_IMAGE, Reason.UNKNOWN_CLASS} & set(checked.reasons())


def test_names_are_the_data_sets() -> None:
    given = Point("photos/sub/b.png", 3, 4, "fruit", {"rank": "1"}, 7, "there")
    (point,) = check(given, images_by="tail", rename={"fruit": "berry"}).points
    assert (point.image, point.label, point.extra, point.line, point.place) == (
        *("sub/b.png", "berry", {"rank": "1"}, 7, "there"),
    )


def test_unknown_classes_are_listed_with_counts() -> None:
    checked = check(*(Point("a.png", i, 1, name) for i, name in enumerate(["weed", "soil", "weed", "rock"])))
    assert checked.unknown_classes() == {"weed": 2, "rock": 1}
    assert checked.report()["unknown_classes"] == {"weed": 2, "rock": 1}


def test_a_limit_tells_misplaced_points_of_images_that_are_not_at_hand() -> None:
    checked = check(Point("c.png", 501, 1, "soil"), Point("c.png", 499, 1, "soil"), max_size=(500, 500))
    assert checked.reasons() == {Reason.OUTSIDE: 1, Reason.UNKNOWN_IMAGE: 1}
    assert "at most 500" in checked.rejections[0].found
    alone = check_without_dataset(PointTable([Point("c.png", 501, 1, "soil")]), lambda _: None, max_size=(500, 500))
    assert alone.reasons() == {Reason.OUTSIDE: 1}


def test_sizes_are_asked_once_per_image() -> None:
    asked: list[str] = []

    def size_of(name: str) -> tuple[int, int]:
        asked.append(name)
        return SIZES[name]

    points = [Point(name, i, 1, "soil") for i in range(3) for name in ("a.png", "b.png", "sub/b.png", "nothing.png")]
    check_points(PointTable(points), names=ImageNames(SIZES), classes=CLASSES.names, images_by="tail", size_of=size_of)
    assert sorted(asked) == ["a.png", "sub/b.png"]


def test_raise_first_names_line_and_field_and_spares_doubles() -> None:
    doubles = check(Point("a.png", 1, 1, "soil"), Point("a.png", 1, 1, "soil"), Point("a.png", 1, 1, "leaf"))
    doubles.raise_first(Path("points.csv"))
    wrong = check(
        Point("a.png", 1, 1, "berri", line=4),
        Point("a.png", 99, 1, "soil", line=5),
        Point("x.png", 1, 1, "soil", line=6),
    )
    with pytest.raises(PointsError) as caught:
        wrong.raise_first(Path("points.csv"))
    assert (caught.value.line, caught.value.field) == (4, "class")
    assert "2 more points" in caught.value.found
    assert "'berry'" in caught.value.hint
