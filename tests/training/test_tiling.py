from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from pointillist.training import tiling
from pointillist.training.methods import NetworkOutput
from pointillist.training.tiling import probability_strips, tile_starts, tiled_strips, upsample_strips


class Pixelwise(nn.Module):
    """A network whose answer at a pixel depends on that pixel alone, so tiles must not change it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, images: Tensor) -> NetworkOutput:
        return NetworkOutput(torch.cat([images * 4, -images[:, :1]], dim=1), images)


def joined(strips: list[tuple[int, Tensor]]) -> Tensor:
    """The whole, of strips that follow one another without gap."""
    assert [top for top, _ in strips] == [sum(s.shape[1] for _, s in strips[:i]) for i in range(len(strips))]
    return torch.cat([strip for _, strip in strips], dim=1)


@given(st.integers(1, 5000), st.integers(2, 800), st.data())
def test_tiles_cover_everything_with_overlap(length: int, tile: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(1, tile - 1))
    starts = tile_starts(length, tile, overlap)
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    if length > tile:
        assert starts[-1] == length - tile
        assert all(b - a <= tile - overlap for a, b in itertools.pairwise(starts))


@pytest.mark.parametrize("bands", [1, 3, 5])
@pytest.mark.parametrize("size", [(20, 30), (64, 33), (100, 90), (17, 200)])
def test_blended_tiles_equal_one_pass(size: tuple[int, int], bands: int) -> None:
    image = torch.rand(bands, *size, generator=torch.Generator().manual_seed(0))
    network = Pixelwise()
    strips = list(tiled_strips(network, image, tile=32, overlap=9))
    assert torch.allclose(joined(strips), network(image[None]).logits[0].softmax(0), atol=1e-5)


def strips_of(maps: Tensor, rows: list[int]) -> Iterator[tuple[int, Tensor]]:
    """Maps in strips of so many rows each, the numbers used again and again."""
    top = 0
    for height in itertools.cycle(rows):
        if top >= maps.shape[1]:
            return
        yield top, maps[:, top : top + height]
        top += height


@given(
    low=st.tuples(st.integers(1, 40), st.integers(1, 12)),
    size=st.tuples(st.integers(1, 90), st.integers(1, 20)),
    rows=st.lists(st.integers(1, 17), min_size=1, max_size=4),
    most=st.sampled_from([1, 100, 2**22]),
)
@settings(max_examples=300, deadline=None)
def test_strips_brought_to_full_size_equal_one_interpolation(
    low: tuple[int, int], size: tuple[int, int], rows: list[int], most: int
) -> None:
    maps = torch.randn(2, *low, generator=torch.Generator().manual_seed(0))
    whole = F.interpolate(maps[None], size, mode="bilinear", align_corners=False)[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiling, "STRIP", most)
        strips = list(upsample_strips(strips_of(maps, rows), low, size))
    torch.testing.assert_close(joined(strips), whole, atol=1e-5, rtol=0)


def test_maps_of_the_same_size_are_untouched() -> None:
    maps = torch.randn(3, 7, 5)
    assert torch.equal(joined(list(upsample_strips(strips_of(maps, [2]), (7, 5), (7, 5)))), maps)


@pytest.mark.parametrize("scale", [0.5, 0.75, 1.0, 1.6])
def test_a_large_image_in_tiles_equals_one_pass_at_any_scale(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.rand(3, 150, 110, generator=torch.Generator().manual_seed(0))
    image = F.avg_pool2d(image[None], 15, 1, 7)[0] * 4 - 1.5  # smooth, so that softmax and interpolation commute
    size = (round(150 / scale), round(110 / scale))
    whole = joined(list(probability_strips(Pixelwise(), image, size)))
    monkeypatch.setattr(tiling, "LARGEST_PASS", 64 * 64)
    monkeypatch.setattr(tiling.tiled_strips, "__kwdefaults__", {"tile": 64, "overlap": 16})
    tiled = joined(list(probability_strips(Pixelwise(), image, size)))
    assert tiled.shape == whole.shape == (4, *size)
    torch.testing.assert_close(tiled.sum(0), torch.ones(size), atol=1e-5, rtol=0)
    torch.testing.assert_close(tiled, whole, atol=0.02, rtol=0)


@pytest.mark.parametrize("size", [(3000, 40), (400, 40)])
def test_no_strip_is_larger_than_its_bound(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "STRIP", 20_000)
    monkeypatch.setattr(tiling, "LARGEST_PASS", 1)
    monkeypatch.setattr(tiling.tiled_strips, "__kwdefaults__", {"tile": 64, "overlap": 16})
    read: list[int] = []

    def watched(strips: Iterator[tuple[int, Tensor]]) -> Iterator[tuple[int, Tensor]]:
        for top, strip in strips:
            read.append(top)
            yield top, strip

    low = tiled_strips(Pixelwise(), torch.rand(3, 1500, 20))
    for top, strip in upsample_strips(watched(low), (1500, 20), size):
        assert strip.numel() <= 20_000
        # Nothing is read long before it is used: the strips so far reach hardly beyond what is given out.
        assert read[-1] * size[0] / 1500 <= top + strip.shape[1] + 64 * size[0] / 1500
