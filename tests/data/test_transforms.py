from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pointillist.classes import IGNORE
from pointillist.data.transforms import (
    PADDING_VALUE,
    Geometry,
    Sample,
    crop_sample,
    fit_size,
    flip_sample,
    jitter_colors,
    resize_image,
    resize_labels,
    resize_sample,
)

CLASSES = 4


def make(seed: int, height: int, width: int, clicks: int = 5, with_distances: bool = True) -> Sample:
    """Every pixel another class than its neighbours, and an image that is a function of the class."""
    rng = np.random.default_rng(seed)
    mask = torch.from_numpy(rng.integers(0, CLASSES, (height, width)))
    xy = rng.random((clicks, 2)) * (width, height)
    labels = mask.numpy()[xy[:, 1].astype(int), xy[:, 0].astype(int)]
    points = torch.from_numpy(np.hstack([xy, labels[:, None]]).astype(np.float32))
    # Rounding to float32 may not carry a click over the far edge.
    points[:, 0].clamp_(max=np.nextafter(np.float32(width), np.float32(0)))
    points[:, 1].clamp_(max=np.nextafter(np.float32(height), np.float32(0)))
    points[:, 2] = mask[points[:, 1].long(), points[:, 0].long()].float()
    image = (mask.float() / CLASSES).expand(3, -1, -1).contiguous()
    return Sample(
        name="a",
        image=image,
        points=points,
        valid=torch.ones(height, width, dtype=torch.bool),
        scale=(height * width) ** 0.5,
        mask=mask,
        distances=distances(points, height, width) if with_distances else None,
        distance_classes=points[:, 2].long() if with_distances else None,
    )


def distances(points: Tensor, height: int, width: int) -> Tensor:
    y = torch.arange(height)[:, None] + 0.5
    x = torch.arange(width)[None, :] + 0.5
    return ((x - points[:, 0, None, None]) ** 2 + (y - points[:, 1, None, None]) ** 2).sqrt()


def assert_clicks_keep_their_class(sample: Sample) -> int:
    """Clicks inside the window lie on a pixel of their class, in the mask and in the image; how many are inside."""
    height, width = sample.size
    x, y = sample.points[:, 0], sample.points[:, 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    rows, columns, labels = y[inside].long(), x[inside].long(), sample.points[inside, 2].long()
    assert sample.mask is not None
    keep = sample.mask[rows, columns] != IGNORE
    assert torch.equal(sample.mask[rows, columns][keep], labels[keep])
    torch.testing.assert_close(sample.image[0, rows, columns][keep], labels[keep].float() / CLASSES)
    return int(inside.sum())


def assert_same(first: Sample, second: Sample) -> None:
    for name in ("image", "valid", "mask", "distances", "distance_classes"):
        a, b = getattr(first, name), getattr(second, name)
        assert (a is None) == (b is None)
        if a is not None:
            assert torch.equal(a, b), name
    # W − (W − x) rounds in float32, by far less than a pixel.
    torch.testing.assert_close(first.points, second.points, atol=1e-4, rtol=0)


sizes = st.tuples(st.integers(1, 24), st.integers(1, 24))


@given(st.integers(0, 999), sizes, st.booleans(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_flips_move_everything_together(seed: int, size: tuple[int, int], horizontal: bool, vertical: bool) -> None:
    sample = make(seed, *size)
    # Clicks on the very edge between two pixels belong to the other one after a flip; nobody's mouse hits it.
    sample = replace(sample, points=torch.cat([sample.points[:, :2].floor() + 0.5, sample.points[:, 2:]], 1))
    flipped = flip_sample(sample, horizontal=horizontal, vertical=vertical)
    assert assert_clicks_keep_their_class(flipped) == len(sample.points)
    if horizontal:
        torch.testing.assert_close(flipped.points[:, 0], size[1] - sample.points[:, 0])
    if vertical:
        torch.testing.assert_close(flipped.points[:, 1], size[0] - sample.points[:, 1])
    assert_same(flip_sample(flipped, horizontal=horizontal, vertical=vertical), sample)


@given(st.integers(0, 999), sizes)
@settings(max_examples=100, deadline=None)
def test_a_click_anywhere_inside_a_pixel_stays_on_it_through_a_flip(seed: int, size: tuple[int, int]) -> None:
    sample = make(seed, *size)
    fraction = sample.points[:, :2] % 1
    clear = ((fraction > 1e-3) & (fraction < 1 - 1e-3)).all(1)
    sample = replace(sample, points=sample.points[clear])
    assert assert_clicks_keep_their_class(flip_sample(sample, horizontal=True, vertical=True)) == int(clear.sum())


@given(st.integers(0, 999), sizes, st.integers(-30, 30), st.integers(-30, 30), sizes)
@settings(max_examples=150, deadline=None)
def test_crops_move_everything_together(
    seed: int, size: tuple[int, int], top: int, left: int, window: tuple[int, int]
) -> None:
    sample = make(seed, *size)
    clear = ((sample.points[:, :2] % 1 > 1e-3) & (sample.points[:, :2] % 1 < 1 - 1e-3)).all(1)
    top, left = min(top, size[0] - 1), min(left, size[1] - 1)
    top, left = max(top, 1 - window[0]), max(left, 1 - window[1])
    cropped = crop_sample(sample, top, left, window)
    assert cropped.size == window
    assert len(cropped.points) == len(sample.points)  # clicks outside keep their coordinates
    shift = torch.tensor([left, top])
    torch.testing.assert_close(cropped.points[:, :2], sample.points[:, :2] - shift, atol=1e-4, rtol=0)
    assert_clicks_keep_their_class(replace(cropped, points=cropped.points[clear]))

    rows, columns = torch.arange(window[0]) + top, torch.arange(window[1]) + left
    inside = ((rows >= 0) & (rows < size[0]))[:, None] & ((columns >= 0) & (columns < size[1]))[None, :]
    assert torch.equal(cropped.valid, inside)
    assert cropped.mask is not None
    assert torch.equal(cropped.mask == IGNORE, ~inside)
    assert (cropped.image[:, ~inside] == PADDING_VALUE).all()
    assert sample.mask is not None
    assert torch.equal(
        cropped.mask[inside], sample.mask[rows.clamp(0, size[0] - 1)][:, columns.clamp(0, size[1] - 1)][inside]
    )
    assert cropped.distances is not None
    exact = distances(cropped.points, *window)
    torch.testing.assert_close(cropped.distances[:, inside], exact[:, inside], atol=1e-3, rtol=0)
    assert cropped.distances.isfinite().all()


def blocks(seed: int, rows: int, columns: int, side: int) -> Sample:
    """Objects of side × side pixels, each clicked in its middle half."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, CLASSES, (rows, columns))
    mask = torch.from_numpy(np.kron(small, np.ones((side, side), int)))
    cells = np.argwhere(np.ones_like(small))
    xy = (cells[:, ::-1] + rng.uniform(0.25, 0.75, cells.shape)) * side
    points = torch.from_numpy(np.hstack([xy, small.reshape(-1, 1)]).astype(np.float32))
    image = (mask.float() / CLASSES).expand(3, -1, -1).contiguous()
    return Sample("a", image, points, torch.ones(mask.shape, dtype=torch.bool), mask.numel() ** 0.5, mask)


@given(st.integers(0, 999), st.integers(1, 4), st.integers(1, 4), st.floats(0.5, 3.0))
@settings(max_examples=100, deadline=None)
def test_a_click_stays_on_its_object_through_a_resize(seed: int, rows: int, columns: int, zoom: float) -> None:
    sample = blocks(seed, rows, columns, side=12)
    size = (max(1, round(sample.size[0] * zoom)), max(1, round(sample.size[1] * zoom)))
    resized = resize_sample(sample, size)
    assert resized.size == size
    factor = torch.tensor([size[1] / sample.size[1], size[0] / sample.size[0]])
    torch.testing.assert_close(resized.points[:, :2], sample.points[:, :2] * factor)
    assert resized.mask is not None
    labels = resized.mask[resized.points[:, 1].long(), resized.points[:, 0].long()]
    assert torch.equal(labels, resized.points[:, 2].long())
    assert resized.valid.all()
    assert resized.image.min() >= 0
    assert resized.image.max() <= 1


def test_a_resize_with_another_shape_scales_each_axis() -> None:
    sample = make(0, 10, 20)
    resized = resize_sample(sample, (30, 10))
    torch.testing.assert_close(resized.points[:, 0], sample.points[:, 0] * 0.5)
    torch.testing.assert_close(resized.points[:, 1], sample.points[:, 1] * 3)


@pytest.mark.parametrize("zoom", [0.5, 0.75, 1.5, 2.0])
def test_resized_distances_are_those_of_the_resized_clicks(zoom: float) -> None:
    sample = make(1, 40, 60)
    size = (int(40 * zoom), int(60 * zoom))
    resized = resize_sample(sample, size)
    assert resized.distances is not None
    # A field bends at its click, so interpolation errs most there, by less than a pixel of the coarser grid.
    torch.testing.assert_close(resized.distances, distances(resized.points, *size), atol=max(1.0, zoom), rtol=0)
    far = distances(resized.points, *size) > 4
    away = (resized.distances - distances(resized.points, *size))[far].abs()
    assert away.mean() < 0.1


@given(st.integers(0, 9999), sizes, sizes, st.floats(0.5, 2.0))
@settings(max_examples=100, deadline=None)
def test_random_geometry_gives_its_window_and_repeats(
    seed: int, size: tuple[int, int], window: tuple[int, int], zoom: float
) -> None:
    geometry = Geometry(window, scale=(min(zoom, 1), max(zoom, 1)), vertical_flip=True)
    sample = make(seed, *size)
    first = geometry(sample, np.random.default_rng(seed))
    second = geometry(sample, np.random.default_rng(seed))
    assert first.size == window
    assert_same(first, second)
    assert torch.equal(first.points, second.points)
    assert first.mask is not None
    assert torch.equal(first.mask == IGNORE, ~first.valid)
    assert first.valid.any()


def test_without_chance_geometry_is_the_identity() -> None:
    sample = make(0, 12, 17)
    geometry = Geometry((12, 17), horizontal_flip=False)
    assert_same(geometry(sample, np.random.default_rng(0)), sample)


def test_all_flips_and_windows_occur_about_equally() -> None:
    sample = make(0, 3, 4)
    geometry = Geometry((3, 3), vertical_flip=True)
    seen: dict[tuple[float, ...], int] = {}
    for draw in range(800):
        image = geometry(sample, np.random.default_rng([0, draw])).image[0].flatten()
        seen[tuple(image.tolist())] = seen.get(tuple(image.tolist()), 0) + 1
    assert len(seen) == 8
    assert min(seen.values()) > 60


@pytest.mark.parametrize(
    ("size", "box", "expected"),
    [((360, 480), (144, 192), (144, 192)), ((480, 360), (144, 192), (144, 108)), ((1, 1000), (10, 10), (1, 10))],
)
def test_fit_size(size: tuple[int, int], box: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fit_size(size, box) == expected
    assert fit_size(size, None) == size


def test_labels_are_never_mixed_and_images_are() -> None:
    labels = np.random.default_rng(0).choice(np.array([0, 7, 200, 255], np.uint8), (31, 17))
    for size in ((7, 9), (64, 64), (31, 18)):
        assert set(np.unique(resize_labels(labels, size))) <= {0, 7, 200, 255}
    stripes = np.zeros((4, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert (
        100 < resize_image(stripes, (4, 16)).mean() < 155
    )  # a filter that looked at every fourth pixel sees one colour
    assert resize_labels(labels, labels.shape) is labels


def test_resized_labels_agree_with_the_pixel_under_each_centre() -> None:
    labels = np.arange(35, dtype=np.uint8).reshape(5, 7)
    small = resize_labels(labels, (2, 3))
    rows = ((np.arange(2) + 0.5) * 5 / 2).astype(int)
    columns = ((np.arange(3) + 0.5) * 7 / 3).astype(int)
    np.testing.assert_array_equal(small, labels[rows][:, columns])


# Colours.


def test_colour_jitter_is_seeded_bounded_and_can_be_off() -> None:
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert jitter_colors(image, 0.0, np.random.default_rng(0)) is image
    first = jitter_colors(image, 0.4, np.random.default_rng(0))
    assert torch.equal(first, jitter_colors(image, 0.4, np.random.default_rng(0)))
    assert not torch.equal(first, jitter_colors(image, 0.4, np.random.default_rng(1)))
    assert first.min() >= 0
    assert first.max() <= 1


def test_colour_jitter_takes_as_many_draws_whether_on_or_off() -> None:
    # So that switching it does not change the geometry of later draws.
    on, off = np.random.default_rng(0), np.random.default_rng(0)
    jitter_colors(torch.rand(3, 4, 4), 0.4, on)
    jitter_colors(torch.rand(3, 4, 4), 0.0, off)
    assert on.random() == off.random()
