from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pointillist.points.suspicious import on_edge, rare_classes, too_near
from pointillist.points.table import Point

POINTS = st.lists(
    st.builds(Point, st.just("a"), st.floats(0, 12), st.floats(0, 12), st.sampled_from("AB")), max_size=12
)


@given(POINTS)
@settings(max_examples=100, deadline=None)
def test_near_pairs_as_counted_one_by_one(points: list[Point]) -> None:
    expected = [
        (i, j)
        for j in range(len(points))
        for i in range(j)
        if points[i].label != points[j].label and np.hypot(points[i].x - points[j].x, points[i].y - points[j].y) <= 3.0
    ]
    assert too_near(points) == sorted(expected)


def test_points_on_an_edge() -> None:
    image = np.full((40, 40, 3), 40, np.uint8)
    image[:, 20:] = 200
    points = [Point("a", x, 10.5, "A") for x in (5.5, 19.5, 20.5, 35.5)]
    assert on_edge(points, image) == [1, 2]
    assert on_edge(points, np.full((40, 40, 3), 90, np.uint8)) == []
    assert on_edge([], image) == []
    assert on_edge([Point("a", 39.999, 39.999, "A")], image) == []


def test_rare_classes() -> None:
    assert rare_classes(Counter(soil=9, berry=4), ["soil", "berry", "leaf"]) == {"berry": 4, "leaf": 0}
