from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pointillist.classes import IGNORE
from pointillist.data.resize import resize_image, resize_labels
from pointillist.data.transforms import (
    PADDING_VALUE,
    Geometry,
    Sample,
    StoredSample,
    Window,
    flip_sample,
    jitter_colors,
)

CLASSES = 4
STEP = 60
"""Value of the image, of 255, by which a class differs from the one before."""


def make(seed: int, height: int, width: int, clicks: int = 5, coarser: int = 1) -> StoredSample:
    """Every pixel another class than its neighbours, and an image that is a function of the class."""
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, CLASSES, (height, width)).astype(np.uint8)
    # Rounding to float32 may not carry a click over the far edge.
    last = np.nextafter(np.float32([width, height]), np.float32(0))
    xy = np.minimum((rng.random((clicks, 2)) * (width, height)).astype(np.float32), last)
    labels = mask[xy[:, 1].astype(int), xy[:, 0].astype(int)]
    points = np.hstack([xy, labels[:, None]]).astype(np.float32)
    coarse = torch.from_numpy(points) / torch.tensor([coarser, coarser, 1])
    return StoredSample(
        name="a",
        image=np.stack([mask * STEP] * 3),
        points=points,
        scale=(height * width) ** 0.5,
        mask=mask,
        distances=distances(coarse, height // coarser, width // coarser).numpy().astype(np.float16),
        distance_classes=labels.astype(np.int64),
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
    torch.testing.assert_close(sample.image[0, rows, columns][keep], labels[keep].float() * STEP / 255)
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
    sample = make(seed, *size).whole()
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
    sample = make(seed, *size).whole()
    fraction = sample.points[:, :2] % 1
    clear = ((fraction > 1e-3) & (fraction < 1 - 1e-3)).all(1)
    sample = replace(sample, points=sample.points[clear])
    assert assert_clicks_keep_their_class(flip_sample(sample, horizontal=True, vertical=True)) == int(clear.sum())


@given(st.integers(0, 999), sizes, st.integers(-30, 30), st.integers(-30, 30), sizes)
@settings(max_examples=150, deadline=None)
def test_cuts_move_everything_together(
    seed: int, size: tuple[int, int], top: int, left: int, window: tuple[int, int]
) -> None:
    stored = make(seed, *size)
    sample = stored.whole()
    clear = ((sample.points[:, :2] % 1 > 1e-3) & (sample.points[:, :2] % 1 < 1 - 1e-3)).all(1)
    top, left = min(top, size[0] - 1), min(left, size[1] - 1)
    top, left = max(top, 1 - window[0]), max(left, 1 - window[1])
    cut = stored.cut(Window(top, left, *window), window)
    assert cut.size == window
    assert cut.scale == sample.scale
    assert len(cut.points) == len(sample.points)  # clicks outside keep their coordinates
    shift = torch.tensor([left, top])
    torch.testing.assert_close(cut.points[:, :2], sample.points[:, :2] - shift, atol=1e-4, rtol=0)
    assert_clicks_keep_their_class(replace(cut, points=cut.points[clear]))

    rows, columns = torch.arange(window[0]) + top, torch.arange(window[1]) + left
    inside = ((rows >= 0) & (rows < size[0]))[:, None] & ((columns >= 0) & (columns < size[1]))[None, :]
    assert torch.equal(cut.valid, inside)
    assert cut.mask is not None
    assert torch.equal(cut.mask == IGNORE, ~inside)
    assert (cut.image[:, ~inside] == PADDING_VALUE).all()
    assert sample.mask is not None
    rows, columns = rows.clamp(0, size[0] - 1), columns.clamp(0, size[1] - 1)
    assert torch.equal(cut.mask[inside], sample.mask[rows][:, columns][inside])
    assert torch.equal(cut.image[:, inside], sample.image[:, rows][:, :, columns][:, inside])
    assert cut.distances is not None
    exact = distances(cut.points, *window)
    torch.testing.assert_close(cut.distances[:, inside], exact[:, inside], atol=1e-3, rtol=1e-3)
    border = distances(sample.points, *size)[:, rows][:, :, columns]
    torch.testing.assert_close(cut.distances, border, atol=1e-3, rtol=1e-3)


def blocks(seed: int, rows: int, columns: int, side: int) -> StoredSample:
    """Objects of side × side pixels, each clicked in its middle half."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, CLASSES, (rows, columns)).astype(np.uint8)
    mask = np.kron(small, np.ones((side, side), np.uint8))
    cells = np.argwhere(np.ones_like(small))
    xy = (cells[:, ::-1] + rng.uniform(0.25, 0.75, cells.shape)) * side
    points = np.hstack([xy, small.reshape(-1, 1)]).astype(np.float32)
    return StoredSample("a", np.stack([mask * STEP] * 3), points, mask.size**0.5, mask=mask)


@given(st.integers(0, 999), st.integers(1, 4), st.integers(1, 4), st.floats(0.5, 3.0))
@settings(max_examples=100, deadline=None)
def test_a_click_stays_on_its_object_through_a_zoom(seed: int, rows: int, columns: int, zoom: float) -> None:
    stored = blocks(seed, rows, columns, side=12)
    size = (max(1, round(stored.size[0] * zoom)), max(1, round(stored.size[1] * zoom)))
    zoomed = stored.cut(Window(0, 0, *stored.size), size)
    assert zoomed.size == size
    factor = torch.tensor([size[1] / stored.size[1], size[0] / stored.size[0]])
    torch.testing.assert_close(zoomed.points[:, :2], torch.from_numpy(stored.points[:, :2]) * factor)
    assert zoomed.scale == pytest.approx((size[0] * size[1]) ** 0.5)
    assert zoomed.mask is not None
    labels = zoomed.mask[zoomed.points[:, 1].long(), zoomed.points[:, 0].long()]
    assert torch.equal(labels, zoomed.points[:, 2].long())
    assert zoomed.valid.all()
    assert zoomed.image.min() >= 0
    assert zoomed.image.max() <= 1


@given(st.integers(0, 999), st.floats(0.5, 3.0), st.integers(-20, 40), st.integers(-20, 40), st.data())
@settings(max_examples=100, deadline=None)
def test_a_click_stays_on_its_object_in_a_zoomed_window_with_padding(
    seed: int, zoom: float, top: int, left: int, data: st.DataObject
) -> None:
    stored = blocks(seed, 4, 4, side=12)
    window = Window(top, left, data.draw(st.integers(24, 60)), data.draw(st.integers(24, 60)))
    size = (max(1, round(window.height * zoom)), max(1, round(window.width * zoom)))
    sample = stored.cut(window, size)
    assert sample.size == size
    x, y, labels = sample.points[:, 0], sample.points[:, 1], sample.points[:, 2].long()
    inside = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
    rows, columns = y[inside].long(), x[inside].long()
    assert sample.mask is not None
    assert sample.valid[rows, columns].all()
    assert torch.equal(sample.mask[rows, columns], labels[inside])
    assert torch.equal(sample.mask == IGNORE, ~sample.valid)


def test_a_zoom_with_another_shape_scales_each_axis() -> None:
    stored = make(0, 10, 20)
    zoomed = stored.cut(Window(0, 0, 10, 20), (30, 10))
    torch.testing.assert_close(zoomed.points[:, 0], torch.from_numpy(stored.points[:, 0] * 0.5))
    torch.testing.assert_close(zoomed.points[:, 1], torch.from_numpy(stored.points[:, 1] * 3))


@pytest.mark.parametrize("coarser", [1, 2])
@pytest.mark.parametrize("zoom", [0.5, 0.75, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("window", [Window(0, 0, 40, 60), Window(8, 12, 24, 32), Window(-8, -4, 56, 68)])
def test_distances_of_a_window_are_those_of_its_clicks(window: Window, zoom: float, coarser: int) -> None:
    stored = make(1, 40, 60, coarser=coarser)
    size = (int(window.height * zoom), int(window.width * zoom))
    cut = stored.cut(window, size)
    assert cut.distances is not None
    exact = distances(cut.points, *size)
    apart = (cut.distances - exact).abs()[:, cut.valid]
    # A field bends at its click and ends half a coarse pixel before the border, so it errs most there.
    assert apart.max() < max(1.0, zoom) * coarser
    assert apart[exact[:, cut.valid] > 4 * coarser].mean() < 0.1 * coarser


def test_pixels_without_data_stay_so_in_every_window() -> None:
    stored = make(0, 12, 16)
    valid = np.ones((12, 16), bool)
    valid[3:6, 4:9] = False
    cut = replace(stored, valid=valid).cut(Window(2, 3, 12, 8), (24, 16))
    expected = np.zeros((12, 8), bool)
    expected[:10] = valid[2:, 3:11]
    np.testing.assert_array_equal(cut.valid.numpy(), np.kron(expected, np.ones((2, 2), bool)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [1, 3, 5])
def test_stored_values_become_shares_of_their_type(dtype: type, bands: int) -> None:
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (bands, 4, 5), dtype=dtype, endpoint=True)
    sample = StoredSample("a", image, np.zeros((0, 3), np.float32), 1.0).whole()
    np.testing.assert_allclose(sample.image.numpy(), image / np.iinfo(dtype).max, atol=1e-7)


@given(st.integers(0, 9999), sizes, sizes, st.floats(0.5, 2.0))
@settings(max_examples=100, deadline=None)
def test_random_geometry_gives_its_window_and_repeats(
    seed: int, size: tuple[int, int], window: tuple[int, int], zoom: float
) -> None:
    geometry = Geometry(window, zoom=(min(zoom, 1), max(zoom, 1)), vertical_flip=True)
    stored = make(seed, *size)
    first = geometry(stored, np.random.default_rng(seed))
    second = geometry(stored, np.random.default_rng(seed))
    assert first.size == window
    assert_same(first, second)
    assert torch.equal(first.points, second.points)
    assert first.mask is not None
    assert torch.equal(first.mask == IGNORE, ~first.valid)
    assert first.valid.any()


def test_without_chance_geometry_is_the_identity() -> None:
    stored = make(0, 12, 17)
    geometry = Geometry((12, 17), horizontal_flip=False)
    assert_same(geometry(stored, np.random.default_rng(0)), stored.whole())


def test_all_flips_and_windows_occur_about_equally() -> None:
    stored = make(0, 3, 4)
    geometry = Geometry((3, 3), vertical_flip=True)
    seen: dict[tuple[float, ...], int] = {}
    for draw in range(800):
        image = geometry(stored, np.random.default_rng([0, draw])).image[0].flatten()
        seen[tuple(image.tolist())] = seen.get(tuple(image.tolist()), 0) + 1
    assert len(seen) == 8
    assert min(seen.values()) > 60


@given(st.integers(0, 9999), sizes, sizes, st.floats(0.5, 2.0))
@settings(max_examples=100, deadline=None)
def test_a_window_around_a_click_holds_it(
    seed: int, size: tuple[int, int], window: tuple[int, int], zoom: float
) -> None:
    geometry = Geometry(window, zoom=(min(zoom, 1), max(zoom, 1)), vertical_flip=True)
    stored = make(seed, *size)
    # Between two pixels it belongs to the other one after a flip.
    stored = replace(stored, points=np.floor(stored.points) + np.float32([0.5, 0.5, 0]))
    x, y, _ = stored.points[0].tolist()
    around, *_ = geometry(stored, np.random.default_rng(seed), (x, y)).points
    assert 0 <= around[0] < window[1]
    assert 0 <= around[1] < window[0]


def test_all_windows_around_a_click_are_equally_likely() -> None:
    stored = replace(make(0, 1, 20), points=np.float32([[2.5, 0.5, 0], [12.5, 0.5, 0]]))
    geometry = Geometry((1, 5), horizontal_flip=False)
    for x, places in ((2.5, 3), (12.5, 5)):  # near the border fewer windows hold it
        rng = np.random.default_rng(0)
        starts = [x - float(geometry(stored, rng, (x, 0.5)).points[int(x > 5), 0]) for _ in range(500)]
        counts = np.unique(np.round(starts), return_counts=True)[1]
        assert len(counts) == places
        assert counts.min() > 500 / places * 0.7


def test_labels_are_never_mixed_and_images_are() -> None:
    labels = np.random.default_rng(0).choice(np.array([0, 7, 200, 255], np.uint8), (31, 17))
    for size in ((7, 9), (64, 64), (31, 18)):
        assert set(np.unique(resize_labels(labels, size))) <= {0, 7, 200, 255}
    assert resize_labels(labels, labels.shape) is labels


@pytest.mark.parametrize(("dtype", "bands"), [(np.uint8, 3), (np.uint8, 5), (np.uint16, 1), (np.uint16, 13)])
def test_a_shrunk_image_mixes_its_pixels(dtype: type, bands: int) -> None:
    largest = np.iinfo(dtype).max
    stripes = np.zeros((4, 64, bands), dtype)
    stripes[:, ::2] = largest
    shrunk = resize_image(stripes, (4, 16))
    assert (shrunk.shape, shrunk.dtype) == ((4, 16, bands), dtype)
    # A filter that looked at every fourth pixel would see one colour.
    assert 0.4 < shrunk.mean() / largest < 0.6
    assert resize_image(stripes, (4, 64)) is stripes
    for extreme in (0, largest):
        assert (resize_image(np.full((5, 7, bands), extreme, dtype), (9, 4)) == extreme).all()


def test_resized_labels_agree_with_the_pixel_under_each_centre() -> None:
    labels = np.arange(35, dtype=np.uint8).reshape(5, 7)
    small = resize_labels(labels, (2, 3))
    rows = ((np.arange(2) + 0.5) * 5 / 2).astype(int)
    columns = ((np.arange(3) + 0.5) * 7 / 3).astype(int)
    np.testing.assert_array_equal(small, labels[rows][:, columns])


# Colours.


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_colour_jitter_is_seeded_bounded_and_can_be_off(bands: int) -> None:
    image = torch.rand(bands, 8, 8, generator=torch.Generator().manual_seed(0))
    kept = image.clone()
    assert jitter_colors(image, 0.0, np.random.default_rng(0)) is image
    first = jitter_colors(image, 0.4, np.random.default_rng(0))
    assert torch.equal(first, jitter_colors(image, 0.4, np.random.default_rng(0)))
    assert not torch.equal(first, jitter_colors(image, 0.4, np.random.default_rng(1)))
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(image, kept)


@pytest.mark.parametrize("bands", [3, 5])
def test_colour_jitter_takes_as_many_draws_whether_on_or_off(bands: int) -> None:
    # So that switching it does not change the geometry of later draws.
    on, off = np.random.default_rng(0), np.random.default_rng(0)
    jitter_colors(torch.rand(bands, 4, 4), 0.4, on)
    jitter_colors(torch.rand(bands, 4, 4), 0.0, off)
    assert on.random() == off.random()


@pytest.mark.parametrize("zoom", [0.5, 1.0, 2.0])
def test_evidence_moves_with_the_image_and_keeps_its_values(zoom: float) -> None:
    """Unlike a distance, a share does not grow with a zoom; planes of half the size say the same."""
    stored = make(2, 40, 60)
    ramp = np.linspace(0, 1, 60, dtype=np.float16)[None, None].repeat(40, 1)
    coarse = ramp.reshape(1, 20, 2, 30, 2).mean((2, 4)).astype(np.float16)
    for planes in (ramp, coarse):
        given = replace(stored, evidence=planes, evidence_classes=np.array([1]))
        cut = given.cut(Window(8, 12, 24, 32), (int(24 * zoom), int(32 * zoom)))
        assert cut.evidence is not None
        columns = 12 + (np.arange(int(32 * zoom)) + 0.5) / zoom - 0.5
        np.testing.assert_allclose(cut.evidence[0, 5].numpy(), columns / 59, atol=2e-3)
        flipped = flip_sample(cut, horizontal=True).evidence
        assert flipped is not None
        assert torch.equal(flipped, cut.evidence.flip(-1))
