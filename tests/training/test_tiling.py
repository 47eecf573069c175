from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pointillist.inference.tiling import tile_starts, tiled_strips
from torch import Tensor, nn

from pointillist.training.methods import NetworkOutput


class Pixelwise(nn.Module):
    """A network whose answer at a pixel depends on that pixel alone, so tiles must not change it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, images: Tensor) -> NetworkOutput:
        return NetworkOutput(torch.cat([images * 4, -images[:, :1]], dim=1), images)


@given(st.integers(1, 5000), st.integers(2, 800), st.data())
def test_tiles_cover_everything_with_overlap(length: int, tile: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(1, tile - 1))
    starts = tile_starts(length, tile, overlap)
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    if length > tile:
        assert starts[-1] == length - tile
        assert all(b - a <= tile - overlap for a, b in itertools.pairwise(starts))


@pytest.mark.parametrize("size", [(20, 30), (64, 33), (100, 90), (17, 200)])
def test_blended_tiles_equal_one_pass(size: tuple[int, int]) -> None:
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    network = Pixelwise()
    strips = list(tiled_strips(network, image, tile=32, overlap=9))
    tops = [top for top, _ in strips]
    assert tops == [sum(s.shape[1] for _, s in strips[:i]) for i in range(len(strips))]
    whole = network(image[None]).logits[0].softmax(0)
    assert torch.allclose(torch.cat([s for _, s in strips], dim=1), whole, atol=1e-5)
