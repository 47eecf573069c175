from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pointillist.points.border import border_points

SIZES = st.tuples(st.integers(1, 90), st.integers(1, 90))


@given(SIZES, st.lists(st.tuples(st.floats(0, 90), st.floats(0, 90)), max_size=6))
@settings(max_examples=100, deadline=None)
def test_they_are_centres_of_border_pixels_far_from_every_click(
    size: tuple[int, int], clicks: list[tuple[float, float]]
) -> None:
    height, width = size
    points = np.array(clicks, dtype=np.float64).reshape(-1, 2)
    found = border_points(points, size)
    assert found.shape[1] == 2
    columns, rows = np.floor(found).T
    np.testing.assert_array_equal(found % 1, 0.5)
    assert ((columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)).all()
    assert ((columns == 0) | (columns == width - 1) | (rows == 0) | (rows == height - 1)).all()
    assert len(np.unique(found, axis=0)) == len(found)
    for x, y in found:
        assert all(np.hypot(x - px, y - py) >= max(size) / 5 for px, py in points)


@given(SIZES)
@settings(max_examples=50, deadline=None)
def test_without_clicks_they_go_all_around_with_the_corners(size: tuple[int, int]) -> None:
    height, width = size
    found = {(x, y) for x, y in border_points(np.zeros((0, 3)), size)}
    assert {(0.5, 0.5), (width - 0.5, 0.5), (0.5, height - 0.5), (width - 0.5, height - 0.5)} <= found
    step = max(1, round(max(size) / 12))
    for x, y in found:  # the next one is never further than the spacing
        others = [abs(x - u) + abs(y - v) for u, v in found if (u, v) != (x, y)]
        assert not others or min(others) <= step


@given(SIZES)
@settings(max_examples=30, deadline=None)
def test_mirroring_the_click_keeps_the_rule(size: tuple[int, int]) -> None:
    height, width = size
    middle = np.array([[width / 2, height / 2]])
    found = border_points(middle, size)
    gaps = np.hypot(found[:, 0] - width / 2, found[:, 1] - height / 2)
    assert (gaps >= max(size) / 5).all()


def test_a_click_in_the_middle_of_a_small_image_leaves_nothing() -> None:
    assert border_points(np.array([[1.0, 1.0]]), (2, 2), clearance=1.0).shape == (0, 2)


def test_further_columns_are_ignored() -> None:
    np.testing.assert_array_equal(
        border_points(np.array([[3.0, 4.0, 2.0]]), (30, 40)), border_points(np.array([[3.0, 4.0]]), (30, 40))
    )
