from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from pointillist.classes import ClassSet
from pointillist.errors import ConfigError, MaskError
from pointillist.points.seeds import rng_for
from pointillist.points.simulate import PLACEMENTS, simulate, simulate_image

CLASSES = 4
IGNORE = 255


def blobs(seed: int, shape: tuple[int, int] = (40, 50), scale: float = 3.0, classes: int = CLASSES) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((classes, *shape))
    return ndimage.gaussian_filter(noise, (0, scale, scale)).argmax(0).astype(np.uint8)


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    """Smooth blobs or pixel noise, with ignored pixels."""
    if draw(st.booleans()):
        shape = (draw(st.integers(1, 40)), draw(st.integers(1, 40)))
        mask = blobs(draw(st.integers(0, 10_000)), shape, draw(st.floats(0.5, 4)))
        mask[draw(hnp.arrays(bool, shape, elements=st.booleans(), fill=st.just(False)))] = IGNORE
        return mask
    values = st.sampled_from([*range(CLASSES), IGNORE])
    return draw(
        hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12), elements=values)
    )


def components(mask: np.ndarray, min_area: int) -> list[tuple[int, np.ndarray]]:
    """Class and pixels of each object, found one by one: an independent reference."""
    found = []
    for label in range(CLASSES):
        labelled, count = ndimage.label(mask == label, structure=np.ones((3, 3)))
        objects = [labelled == index for index in range(1, count + 1)]
        objects.sort(key=lambda inside: int(np.flatnonzero(inside)[0]))
        found += [(label, inside) for inside in objects if inside.sum() >= min_area]
    return found


def pixels(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.floor(points[:, 1]).astype(int), np.floor(points[:, 0]).astype(int)


def draw(mask: np.ndarray, seed: int = 0, **settings: object) -> np.ndarray:
    given = {"num_classes": CLASSES, "min_area": 1, "rng": np.random.default_rng(seed)} | settings
    return simulate(mask, **given)  # type: ignore[arg-type]


@given(masks(), st.sampled_from(PLACEMENTS), st.integers(1, 20), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_one_point_per_object_on_the_object(mask: np.ndarray, placement: str, min_area: int, seed: int) -> None:
    points = draw(mask, seed, placement=placement, min_area=min_area)
    objects = components(mask, min_area)
    assert points.shape == (len(objects), 3)
    assert points.dtype == np.float64
    for (row, column, x, y, label), (expected, inside) in zip(
        zip(*pixels(points), *points.T, strict=True), objects, strict=True
    ):
        assert label == expected
        assert inside[row, column]
        assert (x % 1, y % 1) == (0.5, 0.5)


@given(masks(), st.sampled_from(["component", "uniform"]), st.integers(2, 5))
@settings(max_examples=60, deadline=None)
def test_k_points_are_distinct_pixels(mask: np.ndarray, placement: str, per_object: int) -> None:
    points = draw(mask, placement=placement, per_object=per_object)
    objects = components(mask, 1)
    assert len(points) == sum(min(per_object, int(inside.sum())) for _, inside in objects)
    rows, columns = pixels(points)
    assert (mask[rows, columns] == points[:, 2]).all()
    assert len(set(zip(rows, columns, strict=True))) == len(points)


@given(masks(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_component_clicks_lie_in_the_deeper_half(mask: np.ndarray, seed: int) -> None:
    points = draw(mask, seed)
    for row, column, (_, inside) in zip(*pixels(points), components(mask, 1), strict=True):
        alone = ndimage.distance_transform_cdt(np.pad(inside, 1), metric="taxicab")[1:-1, 1:-1]
        deeper = (alone[inside] > alone[row, column]).sum()
        assert deeper < (inside.sum() + 1) // 2


@given(masks(), st.floats(0.1, 30), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_jitter_keeps_class_and_count_and_stays_inside(mask: np.ndarray, jitter: float, seed: int) -> None:
    exact, moved = draw(mask, seed), draw(mask, seed, jitter=jitter)
    np.testing.assert_array_equal(exact[:, 2], moved[:, 2])
    height, width = mask.shape
    assert ((moved[:, 0] >= 0.5) & (moved[:, 0] <= width - 0.5)).all()
    assert ((moved[:, 1] >= 0.5) & (moved[:, 1] <= height - 0.5)).all()


def test_jitter_can_miss_and_has_its_size() -> None:
    mask = np.zeros((400, 400), np.uint8)
    mask[100:300, 100:300] = np.kron(np.indices((20, 20)).sum(0) % 2, np.ones((10, 10))).astype(np.uint8)
    exact, moved = draw(mask, instances=_tiles(mask, 10)), draw(mask, instances=_tiles(mask, 10), jitter=3.0)
    assert (moved - exact)[:, :2].std() == pytest.approx(3.0, rel=0.1)
    rows, columns = pixels(moved)
    assert 0.05 < (mask[rows, columns] != moved[:, 2]).mean() < 0.95


def _tiles(mask: np.ndarray, size: int) -> np.ndarray:
    rows, columns = np.indices(mask.shape) // size
    return rows * mask.shape[1] + columns + 1


def test_known_values() -> None:
    mask = np.zeros((7, 9), np.uint8)
    mask[1:6, 2:7] = 1  # a square with one deepest pixel: row 3, column 4
    np.testing.assert_array_equal(draw(mask, placement="centroid")[1], [4.5, 3.5, 1])
    mask[3, 4] = 2
    assert draw(mask, placement="centroid")[-1].tolist() == [4.5, 3.5, 2]


def test_centroid_of_a_ring_is_on_the_ring() -> None:
    mask = np.zeros((21, 21), np.uint8)
    rows, columns = np.indices(mask.shape) - 10
    mask[(np.hypot(rows, columns) > 6) & (np.hypot(rows, columns) < 9)] = 1
    for _, _, label in draw(mask, placement="centroid"):
        assert label in (0, 1)
    x, y, _ = draw(mask, placement="centroid")[-1]
    assert mask[int(y), int(x)] == 1


def test_inner_half_avoids_the_border_and_uniform_does_not() -> None:
    mask = np.zeros((20, 20), np.uint8)
    counts = {}
    for placement in ("component", "uniform"):
        points = np.concatenate([draw(mask, seed, placement=placement) for seed in range(300)])
        edge = np.minimum(np.minimum(points[:, 0], points[:, 1]), 20 - np.maximum(points[:, 0], points[:, 1]))
        counts[placement] = (edge < 1).sum()
    assert counts["component"] == 0
    assert counts["uniform"] == pytest.approx(300 * 76 / 400, abs=30)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_thin_objects_are_clicked_on_themselves(placement: str) -> None:
    mask = np.zeros((30, 30), np.uint8)
    mask[np.arange(30), np.arange(30)] = 1  # a diagonal wire: one object, for it is 8-connected
    points = draw(mask, placement=placement, min_area=30)
    wire = points[points[:, 2] == 1]
    assert len(wire) == 1
    assert np.floor(wire[0, 0]) == np.floor(wire[0, 1])


def test_small_objects_are_overlooked_and_so_is_a_class_of_them() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[2:5, 2:5] = 1
    mask[10:17, 10:17] = 2
    assert set(draw(mask, min_area=9)[:, 2]) == {0, 1, 2}
    assert set(draw(mask, min_area=10)[:, 2]) == {0, 2}
    assert draw(mask, min_area=401).shape == (0, 3)


def test_ignored_pixels_are_never_clicked_and_part_objects() -> None:
    mask = np.zeros((10, 21), np.uint8)
    mask[:, 10] = IGNORE
    points = draw(mask)
    assert len(points) == 2
    assert points[0, 0] < 10
    assert points[1, 0] > 11
    assert draw(np.full((5, 5), IGNORE, np.uint8)).shape == (0, 3)
    assert draw(np.full((5, 5), 1, np.uint8), ignore_index=1).shape == (0, 3)
    assert draw(np.full((5, 5), -1, np.int64), ignore_index=-1).shape == (0, 3)
    assert draw(np.zeros((0, 5), np.uint8)).shape == (0, 3)


def test_instances_replace_components() -> None:
    mask = np.zeros((10, 20), np.uint8)
    mask[2:8, 2:18] = 1
    touching = np.zeros(mask.shape, np.int32)
    touching[2:8, 2:10], touching[2:8, 10:18] = 7, 3
    points = draw(mask, instances=touching)
    assert points[:, 2].tolist() == [0, 1, 1]
    assert points[1, 0] < 10 < points[2, 0]  # by first pixel, not by id
    apart = np.where(np.indices(mask.shape)[1] < 3, 5, 0) + np.where(np.indices(mask.shape)[1] > 16, 5, 0)
    # Of each class: id 5, one object though it is in two parts, and what has no id, in connected components.
    assert draw(mask, instances=apart)[:, 2].tolist() == [0, 0, 0, 1, 1]


@given(masks())
@settings(max_examples=40, deadline=None)
def test_mask_as_instances_makes_one_object_of_each_class(mask: np.ndarray) -> None:
    points = draw(mask, instances=mask.astype(int) + 1)
    assert points[:, 2].tolist() == sorted(set(np.unique(mask).tolist()) - {IGNORE})


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_same_seed_same_points(placement: str) -> None:
    mask = blobs(3)
    before = mask.copy()
    first, second, other = (draw(mask, seed, placement=placement) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(mask, before)
    assert np.array_equal(first, other) == (placement == "centroid")


def test_dtype_and_memory_layout_do_not_matter() -> None:
    mask = blobs(4)
    expected = draw(mask)
    for same in (mask.astype(np.int64), np.asfortranarray(mask), mask.astype(np.uint16)):
        np.testing.assert_array_equal(draw(same), expected)


def test_frozen_draw() -> None:
    """Published protocols name a seed; the same seed must mean the same clicks in the next release."""
    rows, columns = np.indices((60, 80))
    points = simulate((rows // 15 * 3 + columns // 20) % 4, num_classes=4, rng=rng_for(0, "a.png"))
    assert points[:, 2].tolist() == [0, 1, 1, 2, 2, 3, 3]
    assert (points[:, 0] - 0.5).tolist() == [44, 32, 11, 63, 7, 69, 12]
    assert (points[:, 1] - 0.5).tolist() == [34, 9, 49, 23, 40, 6, 18]


def test_images_are_independent() -> None:
    classes = ClassSet.create(["soil", "berry", "leaf", "stone"])
    mask = blobs(5)
    alone = simulate_image("b.png", mask, classes, seed=7)
    simulate_image("a.png", mask, classes, seed=7)
    assert simulate_image("b.png", mask, classes, seed=7) == alone
    assert [(p.x, p.y) for p in simulate_image("c.png", mask, classes, seed=7)] != [(p.x, p.y) for p in alone]
    assert {point.image for point in alone} == {"b.png"}
    for point in alone:
        assert mask[int(point.y), int(point.x)] == classes.index(point.label)


def test_rng_for_separates_seeds_and_names() -> None:
    draws = {(seed, name): rng_for(seed, name).random() for seed in (0, 1, 11) for name in ("a", "1a", "ä/b.png")}
    assert len(set(draws.values())) == len(draws)
    with pytest.raises(ConfigError, match="-1"):
        rng_for(-1, "a")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"placement": "componet"}, "placement"),
        ({"per_object": -1}, "per_object"),
        ({"placement": "centroid", "per_object": 2}, "per_object"),
        ({"min_area": 0}, "min_area"),
        ({"per_class": -1}, "per_class"),
        ({"min_share": -0.1}, "min_share"),
        ({"min_share": 1.1}, "min_share"),
        ({"min_share": float("nan")}, "min_share"),
        ({"num_classes": 0}, "num_classes"),
        ({"jitter": -1.0}, "jitter"),
        ({"jitter": float("nan")}, "jitter"),
        ({"jitter": float("inf")}, "jitter"),
    ],
)
def test_impossible_settings(changed: dict[str, object], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        draw(np.zeros((5, 5), np.uint8), **changed)
    assert caught.value.field == field


def test_misspelt_placement_is_corrected() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'component'"):
        draw(np.zeros((5, 5), np.uint8), placement="componet")


@pytest.mark.parametrize(
    ("mask", "instances", "message"),
    [
        (np.zeros(5, int), None, "two-dimensional"),
        (np.zeros((5, 5, 3), int), None, "two-dimensional"),
        (np.zeros((5, 5)), None, "float64"),
        (np.zeros((5, 5), bool), None, "bool"),
        (np.full((5, 5), CLASSES), None, "value 4"),
        (np.full((5, 5), -1), None, "value -1"),
        (np.zeros((5, 5), int), np.zeros((5, 4), int), "instance map"),
        (np.zeros((5, 5), int), np.zeros((5, 5)), "instance map"),
        (np.zeros((5, 5), int), np.full((5, 5), -1), "instance map"),
    ],
)
def test_impossible_masks(mask: np.ndarray, instances: np.ndarray | None, message: str) -> None:
    with pytest.raises(MaskError, match=message):
        draw(mask, instances=instances)


def test_a_bad_mask_is_named() -> None:
    with pytest.raises(MaskError, match=r"a\.png, field 'mask': .* value 9"):
        simulate_image("a.png", np.full((5, 5), 9), ClassSet.create(["a", "b"]), seed=0)


def test_fast_enough_for_every_image_of_camvid() -> None:
    mask = blobs(1, (360, 480), 28, 11)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        simulate(mask, num_classes=11, rng=rng_for(0, "a"))
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.2  # about 0.015 on a quiet core; the bound only catches a pass per object and image
