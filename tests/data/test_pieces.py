"""Large images in pieces: every window is somewhere, every click once, and nothing moves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pointillist.classes import IGNORE, ClassSet
from pointillist.data import pieces as module
from pointillist.data.bands import RGB
from pointillist.data.dataset import Dataset, Item
from pointillist.data.inputs import Scale
from pointillist.data.masks import MaskReader
from pointillist.data.pieces import clicks_by_class, clicks_of, cut_into_pieces, read_piece
from pointillist.data.samples import TrainingSamples, read_sample
from pointillist.data.transforms import Geometry, Sample, StoredSample, Window
from pointillist.errors import MaskError
from pointillist.points.table import Point, PointTable
from tests.rasters import write_raster

CLASSES = ClassSet.create(["ground", "leaf", "berry"], policy="none")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are large from 64 pixels on, so that tests draw small ones."""
    monkeypatch.setattr(module, "LARGEST", 64)
    monkeypatch.setattr(module, "MARGIN", 12)


def smooth(height: int, width: int, bands: int, dtype: str) -> NDArray[Any]:
    """Values that change slowly, so that the ways to make an image smaller agree."""
    noise = np.random.default_rng(0).random((height, width, bands))
    soft = ndimage.gaussian_filter(noise, (5, 5, 0))
    soft = (soft - soft.min()) / (soft.max() - soft.min())
    return (soft * np.iinfo(dtype).max).astype(dtype)


def data_set(
    folder: Path, image: Path, size: tuple[int, int], clicks: int = 0, mask: Path | None = None, seed: int = 0
) -> Dataset:
    """One image, with clicks of three classes."""
    rng = np.random.default_rng(seed)
    points = [
        Point("a", float(rng.random() * size[1]), float(rng.random() * size[0]), CLASSES.names[n % 3])
        for n in range(clicks)
    ]
    items = (Item("a", image, mask),)
    return Dataset(folder, "folder", CLASSES, items, {}, MaskReader(CLASSES, "index"), points=PointTable(points))


def fake(monkeypatch: pytest.MonkeyPatch, folder: Path, size: tuple[int, int], clicks: int, seed: int) -> Dataset:
    """A data set whose image need not exist."""
    monkeypatch.setattr(module, "image_size", lambda _: size)
    return data_set(folder, folder / "a.png", size, clicks, seed=seed)


sides = st.tuples(st.integers(1, 300), st.integers(1, 300))


@given(sides, st.integers(1, 90), st.sampled_from([0.5, 1.0, 1.7]))
@settings(max_examples=150, deadline=None)
def test_every_window_lies_in_one_piece(size: tuple[int, int], overlap: int, factor: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        data = fake(patch, Path(), size, 0, 0)
        pieces = cut_into_pieces(data.items, Scale.of(factor), overlap)
    whole = Scale.of(factor).size_of(size)
    spans = [{(getattr(p, first), getattr(p, side)) for p in pieces} for first, side in axes()]
    assert len(pieces) == len(spans[0]) * len(spans[1])
    for length, along in zip(whole, spans, strict=True):
        assert all(first >= 0 and first + side <= length for first, side in along)
        window = min(overlap, length)
        for start in range(length - window + 1):
            assert any(first <= start and start + window <= first + side for first, side in along)
    most = max(64, 2 * overlap)
    assert all(max(piece.height, piece.width) <= most for piece in pieces)
    assert all(piece.is_whole for piece in pieces) == (len(pieces) == 1)


def axes() -> tuple[tuple[str, str], tuple[str, str]]:
    return ("top", "height"), ("left", "width")


@given(sides, st.integers(1, 40), st.sampled_from([0.5, 1.0, 1.7]), st.integers(0, 99), st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_every_click_is_in_the_list_of_one_piece(
    size: tuple[int, int], overlap: int, factor: float, seed: int, clicks: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        data = fake(patch, Path(), size, clicks, seed)
        pieces = cut_into_pieces(data.items, Scale.of(factor), overlap)
    listed = clicks_by_class(data, pieces)
    found: list[tuple[int, float, float]] = []
    whole = Scale.of(factor).size_of(size)
    for label, entries in listed.items():
        for index, x, y in entries:
            piece = pieces[index]
            assert 0 <= x <= piece.width
            assert 0 <= y <= piece.height
            found.append((label, (x + piece.left) * size[1] / whole[1], (y + piece.top) * size[0] / whole[0]))
    expected = [(CLASSES.names.index(p.label), p.x, p.y) for p in data.points.of("a")]
    np.testing.assert_allclose(sorted(found), sorted(expected), atol=1e-6)


@given(sides, st.integers(0, 99), st.integers(1, 12))
@settings(max_examples=100, deadline=None)
def test_near_clicks_count_beyond_a_piece_and_of_each_class_the_nearest(
    size: tuple[int, int], seed: int, clicks: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        data = fake(patch, Path(), size, clicks, seed)
        pieces = cut_into_pieces(data.items, Scale(), 10)
    points = np.array([(p.x, p.y, CLASSES.names.index(p.label)) for p in data.points.of("a")])
    for piece in pieces:
        nearest = np.clip(points[:, :2], (piece.left, piece.top), (piece.left + piece.width, piece.top + piece.height))
        away = np.hypot(*(points[:, :2] - nearest).T)
        expected = {
            n
            for n, label in enumerate(points[:, 2])
            if away[n] <= 12 or piece.is_whole or away[n] == away[points[:, 2] == label].min() > 12
        }
        counted = clicks_of(data, piece) + np.array([piece.left, piece.top, 0])
        np.testing.assert_allclose(counted, points[sorted(expected)], atol=1e-9)


@pytest.mark.parametrize("tiff_mask", [True, False])
@pytest.mark.parametrize("factor", [1.0, 0.5])
@pytest.mark.parametrize(("bands", "dtype"), [(3, "uint8"), (5, "uint16"), (1, "uint8")])
def test_a_piece_of_a_raster_is_that_part_of_the_whole(
    tmp_path: Path, bands: int, dtype: str, factor: float, tiff_mask: bool
) -> None:
    values = smooth(160, 220, bands, dtype)
    labels = np.random.default_rng(0).integers(0, 3, (160, 220), dtype=np.uint8)
    image = write_raster(tmp_path / "a.tif", values)
    if tiff_mask:
        mask = write_raster(tmp_path / "mask.tif", labels[..., None])
    else:
        mask = tmp_path / "mask.png"
        Image.fromarray(labels).save(mask)
    data = data_set(tmp_path, image, (160, 220), 9, mask)
    data = data.with_bands(replace(data.with_bands().known_bands, ranges=((0.0, float(np.iinfo(dtype).max)),) * bands))
    scale = Scale.of(factor)
    whole = read_sample(data, data.items[0], scale, with_mask=True)
    assert whole.image.shape == (3 if dtype == "uint8" else bands, round(160 * factor), round(220 * factor))
    pieces = cut_into_pieces(data.items, scale, 20)
    assert len(pieces) > 1
    for piece in pieces:
        part = read_piece(data, piece, with_mask=True).whole()
        rows = slice(piece.top, piece.top + piece.height)
        columns = slice(piece.left, piece.left + piece.width)
        apart = (part.image - whole.image[:, rows, columns]).abs().max()
        assert apart == 0 if factor == 1 else apart < 0.02
        assert part.mask is not None
        assert whole.mask is not None
        assert torch.equal(part.mask, whole.mask[rows, columns])


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_pieces_of_a_photograph_are_upright(tmp_path: Path, orientation: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    Image.fromarray(smooth(100, 150, 3, "uint8")).save(tmp_path / "a.jpg", exif=tags, quality=95)
    size = (150, 100) if orientation in (6, 8) else (100, 150)
    Image.fromarray(np.arange(15000).reshape(size).astype(np.uint8) % 3).save(tmp_path / "mask.png")
    data = data_set(tmp_path, tmp_path / "a.jpg", size, 9, tmp_path / "mask.png").with_bands(RGB)
    whole = read_sample(data, data.items[0], Scale(), with_mask=True)
    assert whole.size == size
    pieces = cut_into_pieces(data.items, Scale(), 20)
    assert {piece.whole for piece in pieces} == {size}
    for piece in pieces:
        part = read_piece(data, piece, with_mask=True).whole()
        rows = slice(piece.top, piece.top + piece.height)
        columns = slice(piece.left, piece.left + piece.width)
        assert torch.equal(part.image, whole.image[:, rows, columns])
        assert part.mask is not None
        assert whole.mask is not None
        assert torch.equal(part.mask, whole.mask[rows, columns])


def test_pixels_without_data_are_grey_and_ignored(tmp_path: Path) -> None:
    values = smooth(40, 50, 5, "uint16") // 2 + 1
    values[5:9, 10:20] = 0
    Image.fromarray(np.ones((40, 50), np.uint8)).save(tmp_path / "mask.png")
    image = write_raster(tmp_path / "a.tif", values, nodata=0)
    data = data_set(tmp_path, image, (40, 50), 0, tmp_path / "mask.png").with_bands()
    sample = read_sample(data, data.items[0], Scale(), with_mask=True)
    hole = torch.zeros(40, 50, dtype=torch.bool)
    hole[5:9, 10:20] = True
    assert sample.mask is not None
    assert torch.equal(sample.valid, ~hole)
    assert torch.equal(sample.mask == IGNORE, hole)
    torch.testing.assert_close(sample.image[:, hole], torch.full((5, 40), 0.5), atol=1e-4, rtol=0)


def test_distances_are_made_once_of_the_clicks_that_count(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(smooth(50, 90, 3, "uint8")).save(path)
    data = data_set(tmp_path, path, (50, 90), 5).with_bands()
    seen: list[int] = []

    def distances_of(
        image: torch.Tensor, points: torch.Tensor, _: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(len(points))
        return torch.full((1, *image.shape[1:]), 1e9), torch.tensor([2])

    pieces = cut_into_pieces(data.items, Scale(), 10)
    drawn = TrainingSamples(data, pieces, geometry=Geometry((8, 8)), distances_of=distances_of, cache_bytes=(10**6, 0))
    for sample_index in range(3 * len(pieces)):
        drawn[sample_index % len(pieces), sample_index]
    assert seen == [len(clicks_of(data, piece)) for piece in pieces]
    stored = drawn.stored(0)
    assert stored.distances is not None
    assert np.isfinite(stored.distances).all()  # what float16 cannot hold is as far as it can say


# Balanced draws.


@pytest.fixture
def uneven(tmp_path: Path) -> Dataset:
    """A large image on which one class has 12 clicks, another 4, and the third one."""
    path = tmp_path / "a.png"
    Image.fromarray(smooth(90, 150, 3, "uint8")).save(path)
    rng = np.random.default_rng(0)
    labels = ["ground"] * 12 + ["leaf"] * 4 + ["berry"]
    points = [Point("a", rng.integers(150) + 0.5, rng.integers(90) + 0.5, label) for label in labels]
    return replace(data_set(tmp_path, path, (90, 150)), points=PointTable(points)).with_bands(RGB)


class Recorded:
    """Stands for a geometry and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[float, float] | None]] = []

    def __call__(
        self, stored: StoredSample, rng: np.random.Generator, around: tuple[float, float] | None = None
    ) -> Sample:
        self.asked.append((stored.name, around))
        rng.random()
        return stored.cut(Window(0, 0, 4, 4), (4, 4))


def drawn_of(data: Dataset, geometry: Any, balanced: float) -> TrainingSamples:
    pieces = cut_into_pieces(data.items, Scale(), 20)
    assert len(pieces) > 1
    clicks = clicks_by_class(data, pieces)
    room = (10**8, 0)
    return TrainingSamples(data, pieces, clicks=clicks, geometry=geometry, balanced=balanced, cache_bytes=room)


def test_classes_are_drawn_equally_often_and_of_each_class_its_clicks(uneven: Dataset) -> None:
    geometry = Recorded()
    samples = drawn_of(uneven, geometry, balanced=1.0)
    draws = 3000
    for index in range(draws):
        samples[0, index]
    label_of = {(x, y): label for label, found in samples.clicks.items() for _, x, y in found}
    # Two pieces may have a click at the same place; then the draws cannot be told apart.
    assert len(label_of) == 17
    seen = Counter(around for _, around in geometry.asked)
    for label, count in ((0, 12), (1, 4), (2, 1)):
        of_class = [seen[place] for place, its in label_of.items() if its == label]
        assert len(of_class) == count
        assert sum(of_class) == pytest.approx(draws / 3, rel=0.15)
        assert min(of_class) > draws / 3 / count * 0.6


@pytest.mark.parametrize("balanced", [0.0, 0.25, 1.0])
def test_a_share_of_the_draws_is_balanced(uneven: Dataset, balanced: float) -> None:
    geometry = Recorded()
    samples = drawn_of(uneven, geometry, balanced)
    for index in range(800):
        samples[index % len(samples), index]
    share = sum(around is not None for _, around in geometry.asked) / 800
    assert share == pytest.approx(balanced, abs=0.06 if 0 < balanced < 1 else 0)


def test_a_balanced_draw_has_its_click_in_its_window(uneven: Dataset) -> None:
    samples = drawn_of(uneven, Geometry((20, 16), zoom=(0.8, 1.4), vertical_flip=True), balanced=1.0)
    for index in range(200):
        sample, _ = samples[0, index]
        assert sample.size == (20, 16)
        x, y, _ = sample.points.T
        assert ((x >= 0) & (x < 16) & (y >= 0) & (y < 20)).any()


def test_without_balance_the_windows_of_a_piece_are_equally_likely(uneven: Dataset) -> None:
    samples = drawn_of(uneven, Geometry((20, 20), horizontal_flip=False), balanced=0.0)
    piece = samples.pieces[1]
    first = samples.stored(1).points[0]
    starts = [first[:2] - samples[1, index][0].points[0, :2].numpy() for index in range(600)]
    for axis, side in ((0, piece.width), (1, piece.height)):
        places = np.round([start[axis] for start in starts])
        assert (places.min(), places.max()) == (0, side - 20)
        assert np.mean(places) == pytest.approx((side - 20) / 2, rel=0.15)


def test_without_clicks_no_draw_is_balanced(uneven: Dataset) -> None:
    geometry = Recorded()
    samples = replace(drawn_of(uneven, geometry, balanced=1.0), clicks={}, cache_bytes=(0, 0))
    samples[0, 0]
    assert geometry.asked == [("a", None)]


def test_a_mask_larger_than_its_image_in_pieces_is_refused(tmp_path: Path) -> None:
    image = write_raster(tmp_path / "a.tif", smooth(100, 90, 3, "uint8"))
    mask = write_raster(tmp_path / "m.tif", np.zeros((200, 180, 1), np.uint8))
    data = data_set(tmp_path, image, (100, 90), 3, mask).with_bands(RGB)
    with pytest.raises(MaskError, match="is 180×200, but its image is 90×100"):
        read_piece(data, cut_into_pieces(data.items, Scale(), 8)[0], with_mask=True)


@pytest.mark.parametrize(("bands", "dtype"), [(3, "uint8"), (1, "float32")])
def test_a_mask_in_pieces_is_of_the_kind_that_was_declared(tmp_path: Path, bands: int, dtype: str) -> None:
    image = write_raster(tmp_path / "a.tif", smooth(100, 90, 3, "uint8"))
    mask = write_raster(tmp_path / "m.tif", np.zeros((100, 90, bands), dtype))
    data = data_set(tmp_path, image, (100, 90), 3, mask).with_bands(RGB)
    with pytest.raises(MaskError, match=f"of {dtype}, but masks are declared as 'index'"):
        read_piece(data, cut_into_pieces(data.items, Scale(), 8)[0], with_mask=True)


def test_grey_masks_in_pieces_have_colours_too(tmp_path: Path) -> None:
    image = write_raster(tmp_path / "a.tif", smooth(100, 90, 3, "uint8"))
    mask = write_raster(tmp_path / "m.tif", np.full((100, 90, 1), 255, np.uint8))
    classes = ClassSet(("dark", "bright"), ((0, 0, 0), (255, 255, 255)), "none", None)
    data = replace(data_set(tmp_path, image, (100, 90), 0, mask), classes=classes, masks=MaskReader(classes, "color"))
    stored = read_piece(data.with_bands(RGB), cut_into_pieces(data.items, Scale(), 8)[0], with_mask=True)
    assert stored.mask is not None
    assert (stored.mask == 1).all()
