from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pointillist.data.resize import resize_bands
from pointillist.training import tiling
from pointillist.training.tiling import Block, enlarge_blocks, logit_blocks, tile_starts, tiled_blocks

Floats = NDArray[np.float32]


def pixelwise(windows: Floats) -> Floats:
    """A network whose answer at a pixel depends on that pixel alone, so tiles must not change it."""
    return np.concatenate([windows * 4, -windows[:, :1]], axis=1)


def reader(image: Floats) -> tiling.Read:
    return lambda top, left, height, width: image[:, top : top + height, left : left + width]


def joined(blocks: Iterator[Block] | list[Block], size: tuple[int, int]) -> Floats:
    """The whole, of blocks that cover each pixel once."""
    whole: Floats | None = None
    seen = np.zeros(size, int)
    for block in blocks:
        if whole is None:
            whole = np.full((len(block.logits), *size), np.nan, np.float32)
        whole[:, *block.part] = block.logits
        seen[block.part] += 1
    assert whole is not None
    assert (seen == 1).all()
    return whole


def random(*shape: int) -> Floats:
    return np.random.default_rng(0).random(shape, np.float32)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "TILE", 32)
    monkeypatch.setattr(tiling, "OVERLAP", 9)
    monkeypatch.setattr(tiling, "LARGEST_PASS", 32 * 32)


@given(st.integers(1, 5000), st.integers(2, 800), st.data())
def test_tiles_cover_everything_with_overlap(length: int, tile: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(1, tile - 1))
    starts = tile_starts(length, tile, overlap)
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    if length > tile:
        assert starts[-1] == length - tile
        assert all(b - a <= tile - overlap for a, b in itertools.pairwise(starts))


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("bands", [1, 3, 5])
@pytest.mark.parametrize("size", [(20, 30), (64, 33), (100, 90), (17, 200), (33, 10), (95, 61)])
def test_blended_tiles_equal_one_pass(size: tuple[int, int], bands: int) -> None:
    image = random(bands, *size)
    whole = joined(tiled_blocks(pixelwise, reader(image), size), size)
    np.testing.assert_allclose(whole, pixelwise(image[None])[0], atol=1e-5)


def blocks_of(maps: Floats, rows: list[int], columns: list[int]) -> Iterator[Block]:
    """Maps in blocks of so many rows and columns each, the numbers used again and again."""

    def edges(length: int, parts: list[int]) -> list[int]:
        ends = itertools.takewhile(lambda end: end < length, itertools.accumulate(itertools.cycle(parts)))
        return [0, *ends, length]

    for top, bottom in itertools.pairwise(edges(maps.shape[1], rows)):
        for left, right in itertools.pairwise(edges(maps.shape[2], columns)):
            yield Block(top, left, maps[:, top:bottom, left:right])


@given(
    seen=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    rows=st.lists(st.integers(1, 17), min_size=1, max_size=4),
    columns=st.lists(st.integers(1, 17), min_size=1, max_size=4),
    most=st.sampled_from([1, 100, 2**22]),
)
@settings(max_examples=200, deadline=None)
def test_blocks_brought_to_full_size_equal_one_resizing(
    seen: tuple[int, int], size: tuple[int, int], rows: list[int], columns: list[int], most: int
) -> None:
    maps = np.random.default_rng(0).standard_normal((2, *seen)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiling, "STRIP", most)
        whole = joined(enlarge_blocks(blocks_of(maps, rows, columns), seen, size), size)
    np.testing.assert_allclose(whole, resize_bands(maps, size), atol=2e-5)


@pytest.mark.parametrize("scale", [0.5, 0.75, 1.0, 1.6])
def test_a_large_image_in_tiles_equals_one_pass_at_any_scale(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    image = random(3, 150, 110)
    size = (round(150 / scale), round(110 / scale))
    whole = joined(logit_blocks(pixelwise, reader(image), (150, 110), size), size)
    monkeypatch.setattr(tiling, "LARGEST_PASS", 64 * 64)
    monkeypatch.setattr(tiling, "TILE", 64)
    monkeypatch.setattr(tiling, "OVERLAP", 16)
    tiled = joined(logit_blocks(pixelwise, reader(image), (150, 110), size), size)
    np.testing.assert_allclose(tiled, whole, atol=1e-4)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("size", [(3000, 40), (400, 40), (1500, 20)])
def test_no_block_is_larger_than_its_bound(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "STRIP", 20_000)
    image, read = random(3, 1500, 20), []

    def watched(top: int, left: int, height: int, width: int) -> Floats:
        read.append(top + height)
        return reader(image)(top, left, height, width)

    for block in logit_blocks(pixelwise, watched, (1500, 20), size):
        assert block.logits.size <= 20_000
        # Nothing is read long before it is used: what was read reaches hardly beyond what is given out.
        assert read[-1] * size[0] / 1500 <= block.top + block.logits.shape[1] + 64 * size[0] / 1500
