"""Large images in overlapping tiles, blended, in bands of bounded memory; and back to the image's own size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import torch
from torch import Tensor
from torch.nn import functional as F

from pointillist.training.networks import Network

TILE = 768
OVERLAP = 192

LARGEST_PASS = 1280 * 1280
"""Pixels, at the scale of training, that go through the network at once; more are tiled."""

STRIP = 2**22
"""Pixels × classes that are brought to full size at once; bounds the memory of a large image."""

Strips = Iterable[tuple[int, Tensor]]
"""First row, and C×rows×W of it; strips follow one another without gap."""


def probability_strips(network: Network, image: Tensor, size: tuple[int, int]) -> Iterator[tuple[int, Tensor]]:
    """Class probabilities at an image's own size, strip by strip from the top, so that memory stays bounded.

    Args:
        network: In evaluation mode.
        image: K×h×w in [0, 1], at the scale of training.
        size: (H, W) of the image itself.

    Yields:
        First row, and C×rows×W probabilities on the CPU.
    """
    if image.shape[1] * image.shape[2] > LARGEST_PASS:
        yield from upsample_strips(tiled_strips(network, image), (image.shape[1], image.shape[2]), size)
        return
    device = next(chain(network.parameters(), network.buffers())).device
    logits = network(image[None].to(device)).logits[0].float().cpu()
    for top, strip in upsample_strips([(0, logits)], (logits.shape[1], logits.shape[2]), size):
        yield top, strip.softmax(0)


def upsample_strips(strips: Strips, low: tuple[int, int], size: tuple[int, int]) -> Iterator[tuple[int, Tensor]]:
    """Maps at full size, strip by strip, so that C·H·W floats never exist at once.

    Args:
        strips: Of C×h×w.
        low: (h, w).
        size: (H, W) to reach, bilinearly and corner-based.

    Yields:
        First row, and C×rows×W; together the same numbers as one interpolation of the whole.
    """
    if low == size:
        yield from strips
        return
    height, width = size
    scale = low[0] / height
    done, first = 0, 0
    rows: Tensor | None = None
    for top, strip in strips:
        # Columns first: interpolation is separable, and rows then need only their own two source rows.
        wide = F.interpolate(strip[None].float(), (strip.shape[1], width), mode="bilinear", align_corners=False)[0]
        rows = wide if rows is None else torch.cat([rows, wide], dim=1)
        there = top + strip.shape[1]
        # Row r lies between two source rows, the lower of which must be there.
        ready = height if there == low[0] else min(height, int((there - 0.5) / scale - 0.5))
        most = max(1, STRIP // (rows.shape[0] * width))
        for start in range(done, ready, most):
            stop = min(start + most, ready)
            centres = (torch.arange(start, stop, device=rows.device) + 0.5) * scale - 0.5
            centres = centres.clamp(min=0)
            upper = centres.floor().long().clamp(max=low[0] - 1)
            lower = (upper + 1).clamp(max=there - 1)
            share = (centres - upper)[None, :, None].clamp(0, 1)
            yield start, rows[:, upper - first] * (1 - share) + rows[:, lower - first] * share
        done = max(done, ready)
        keep = max(first, min(there - 1, int((done + 0.5) * scale - 0.5)))
        rows, first = rows[:, keep - first :], keep


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
        image: K×H×W in [0, 1], on the CPU.
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
