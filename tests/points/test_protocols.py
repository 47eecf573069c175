from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pointillist.classes import ClassSet
from pointillist.errors import ConfigError
from pointillist.points.protocols import PROTOCOLS, ClickOptions, draw_options
from pointillist.points.simulate import simulate_image
from pointillist.points.table import Point

CLASSES = ClassSet.create(["soil", "berry", "leaf"])
DOCS = Path(__file__).parents[2] / "docs" / "data-sets.md"


def field() -> np.ndarray:
    """300×400 pixels, of which 0.1 % are 120, on soil: berries of 49, 50, 119 and 120 px, leaves of 120 and 10,000."""
    mask = np.zeros((300, 400), np.uint8)
    mask[10:17, 10:17] = 1
    mask[10:15, 30:40] = 1
    mask[10:22, 50:60] = 1
    mask[10, 50] = 0
    mask[10:20, 80:92] = 1
    mask[10:20, 120:132] = 2
    mask[100:200, 100:200] = 2
    return mask


def clicks(protocol: str, classes: ClassSet = CLASSES, seed: int = 0, **own: object) -> list[Point]:
    options, _ = draw_options(protocol, ClickOptions(**own))  # type: ignore[typeddict-item]
    return simulate_image("a.png", field(), classes, seed=seed, **options)


@pytest.mark.parametrize(
    ("protocol", "own", "expected"),
    [
        ("seen", {}, {"berry": 1, "leaf": 2, "soil": 3}),
        ("components", {}, {"berry": 3, "leaf": 2, "soil": 1}),
        ("per-class", {}, {"berry": 1, "leaf": 1, "soil": 1}),
        ("craid", {}, {"berry": 3, "leaf": 2, "soil": 5}),
        ("seen", {"min_area": 121}, {"leaf": 1, "soil": 1}),  # the larger of both counts
        ("seen", {"min_share": 0.0}, {"berry": 4, "leaf": 2, "soil": 6}),
        ("seen", {"min_share": 0.5}, {"soil": 1}),  # nothing is seen, but there is background
        ("seen", {"equal_background": False}, {"berry": 1, "leaf": 2, "soil": 1}),
        ("craid", {"per_object": 3}, {"berry": 9, "leaf": 6, "soil": 15}),
        ("craid", {"per_class": 2}, {"berry": 2, "leaf": 2, "soil": 4}),
        ("per-class", {"per_class": 2}, {"berry": 2, "leaf": 2, "soil": 1}),
    ],
)
def test_exact_counts(protocol: str, own: dict[str, object], expected: dict[str, int]) -> None:
    points = clicks(protocol, **own)
    assert Counter(point.label for point in points) == expected
    mask = field()
    assert all(mask[int(point.y), int(point.x)] == CLASSES.index(point.label) for point in points)
    assert len({(point.x, point.y) for point in points}) == len(points)


@pytest.mark.parametrize("policy", ["border", "none"])
def test_background_that_is_not_clicked_is_like_any_class(policy: str) -> None:
    classes = CLASSES.with_policy(policy)  # type: ignore[arg-type]
    assert clicks("craid", classes) == clicks("components", classes)


def test_equal_background_of_another_index_and_of_few_pixels() -> None:
    classes = dataclasses.replace(CLASSES, background=2)
    assert Counter(point.label for point in clicks("craid", classes)) == {"soil": 1, "berry": 3, "leaf": 4}
    mask = np.ones((40, 40), np.uint8)
    mask[::2, 20] = mask[20] = 255
    mask[0, :3] = 0  # 3 px of background, 2 objects with 4 clicks each
    options, _ = draw_options("craid", {"per_object": 4})
    points = simulate_image("a.png", mask, CLASSES, seed=0, **options)
    assert sorted(point.x for point in points if point.label == "soil") == [0.5, 1.5, 2.5]
    everywhere = simulate_image("a.png", np.ones((40, 40), np.uint8), CLASSES, seed=0, **options)
    assert Counter(point.label for point in everywhere) == {"berry": 4}


def test_background_clicks_are_uniform_over_its_pixels() -> None:
    """Over both parts of background by their area, the small one as well, and up to the rim."""
    mask = np.full((60, 60), 255, np.uint8)
    mask[:20, :20], mask[40:44, 40:44] = 0, 0  # 400 px and 16 px
    mask[30:38, 10:18] = 1
    options, _ = draw_options("craid", {"per_object": 20})
    drawn = [point for seed in range(150) for point in simulate_image("a", mask, CLASSES, seed=seed, **options)]
    index = np.full(mask.shape, -1)
    index[mask == 0] = np.arange(416)
    found = np.bincount([index[int(p.y), int(p.x)] for p in drawn if p.label == "soil"], minlength=416)
    assert found.sum() == 150 * 20
    assert stats.chisquare(found).pvalue > 0.001


def test_one_per_class_takes_any_object_wherever_it_is_clicked() -> None:
    """Which object it is says nothing about where on it the click lies."""
    mask = np.zeros((100, 320), np.uint8)
    for column in range(10, 310, 60):
        mask[10:90, column : column + 20] = 1
    options, _ = draw_options("per-class", {"placement": "uniform"})
    drawn = [p for s in range(500) for p in simulate_image("a", mask, CLASSES, seed=s, **options) if p.label == "berry"]
    assert len(drawn) == 500
    taken, height = np.array([(p.x // 60, p.y) for p in drawn]).T
    assert stats.chisquare(np.bincount(taken.astype(int), minlength=5)).pvalue > 0.001
    assert stats.kruskal(*[height[taken == each] for each in range(5)]).pvalue > 0.001


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_same_image_and_seed_same_clicks(protocol: str) -> None:
    first = clicks(protocol, seed=1, jitter=2.0)
    simulate_image("b.png", field(), CLASSES, seed=1)
    assert clicks(protocol, seed=1, jitter=2.0) == first
    assert clicks(protocol, seed=2, jitter=2.0) != first


def test_one_s_own_options_go_first_and_are_said() -> None:
    assert draw_options("seen") == ({"min_area": 1, "min_share": 0.001, "equal_background": True}, "seen")
    options, said = draw_options("seen", {"min_share": 0.01, "jitter": 2.0})
    assert options["min_share"] == 0.01
    assert said == "seen with min_share 0.01, jitter 2.0"
    assert PROTOCOLS["seen"].options["min_share"] == 0.001
    with pytest.raises(ConfigError, match="Did you mean 'components'") as caught:
        draw_options("component")
    assert caught.value.field == "protocol"


def test_every_protocol_is_explained() -> None:
    page = DOCS.read_text(encoding="utf-8")
    for protocol in PROTOCOLS.values():
        assert f"| `{protocol.name}`" in page
        assert len(protocol.source) > 20
