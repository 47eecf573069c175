"""Large images in overlapping tiles, blended, in bands of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor

from pointillist.training.networks import Network

TILE = 768
OVERLAP = 192


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along one side: evenly spread, at least `overlap` shared, the ends covered.

    >>> tile_starts(1000, 400, 100)
    [0, 300, 600]
    """
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def tiled_strips(
    network: Network, image: Tensor, *, tile: int = TILE, overlap: int = OVERLAP
) -> Iterator[tuple[int, Tensor]]:
    """Probabilities of an image too large for one pass, strip by strip.

    Neighbouring tiles are blended with weights that fall off linearly inside the overlap, so that no seam shows. Only
    one band of tiles exists at a time.

    Args:
        network: In evaluation mode.
        image: 3×H×W in [0, 1], on the CPU.
        tile: Side of a tile in pixels.
        overlap: Least number of pixels that neighbouring tiles share.

    Yields:
        First row, and C×rows×W probabilities; strips follow one another without gap.
    """
    height, width = image.shape[-2:]
    tops, lefts = tile_starts(height, tile, overlap), tile_starts(width, tile, overlap)
    device = next(chain(network.parameters(), network.buffers())).device
    rows = min(tile, height)
    band: Tensor | None = None
    mass = torch.zeros(rows, width)
    for index, top in enumerate(tops):
        for left in lefts:
            window = image[:, top : top + rows, left : left + tile]
            probabilities = network(window[None].to(device)).logits[0].float().softmax(0).cpu()
            weight = _weight(window.shape[-2], window.shape[-1], overlap)
            if band is None:
                band = torch.zeros(probabilities.shape[0], rows, width)
            band[:, :, left : left + tile] += probabilities * weight
            mass[:, left : left + tile] += weight
        if band is None:
            return
        done = (tops[index + 1] if index + 1 < len(tops) else height) - top
        yield top, band[:, :done] / mass[:done]
        # What the next band has in common with this one moves up.
        kept = rows - done
        band[:, :kept] = band[:, done:].clone()
        band[:, kept:] = 0
        mass[:kept] = mass[done:].clone()
        mass[kept:] = 0


def _weight(height: int, width: int, overlap: int) -> Tensor:
    def ramp(length: int) -> Tensor:
        centre = torch.arange(length) + 0.5
        return torch.minimum(centre, length - centre).clamp(max=overlap) / overlap

    return ramp(height)[:, None] * ramp(width)[None]
