"""From the scale of a network to an image's own size: in overlapping tiles, blended, in blocks of bounded memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pointillist.data.resize import resize_bands

TILE = 768
OVERLAP = 192

LARGEST_PASS = 1280 * 1280
"""Pixels, at the scale of training, that go through the network at once; more are tiled."""

STRIP = 2**22
"""Pixels × classes that are brought to full size at once; bounds the memory of a large image."""

Floats = NDArray[np.float32]
Run = Callable[[Floats], Floats]
"""A network: N×K×h×w in [0, 1] → N×C×h×w logits."""

Read = Callable[[int, int, int, int], Floats]
"""A window of an image as the network sees it: top, left, height, width → K×height×width."""


class Block(NamedTuple):
    """A part of an image.

    Args:
        top: Its first row.
        left: Its first column.
        logits: C×h×w.
    """

    top: int
    left: int
    logits: Floats

    @property
    def window(self) -> tuple[int, int, int, int]:
        """Top, left, height, width."""
        return self.top, self.left, self.logits.shape[1], self.logits.shape[2]

    @property
    def part(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        top, left, height, width = self.window
        return slice(top, top + height), slice(left, left + width)


def probabilities_of(logits: Floats) -> Floats:
    """C×h×w logits → probabilities."""
    shares: Floats = np.exp(logits - logits.max(0))
    shares /= shares.sum(0)
    return shares


def logit_blocks(run: Run, read: Read, seen: tuple[int, int], size: tuple[int, int]) -> Iterator[Block]:
    """Logits at an image's own size, block by block, so that memory stays bounded.

    Blocks lie side by side in rows, from the top; each pixel is in one of them. Logits of tiles are blended, so
    probabilities are blended by their geometric mean.

    Args:
        run: The network.
        read: The image as the network sees it.
        seen: (h, w) of that.
        size: (H, W) of the image itself.
    """
    if seen[0] * seen[1] <= LARGEST_PASS:
        blocks: Iterable[Block] = [Block(0, 0, run(read(0, 0, *seen)[None])[0])]
    else:
        blocks = tiled_blocks(run, read, seen)
    yield from enlarge_blocks(blocks, seen, size)


def tiled_blocks(run: Run, read: Read, seen: tuple[int, int]) -> Iterator[Block]:
    """Logits at the scale of the network, of an image too large for one pass.

    Neighbouring tiles are blended with weights that fall off linearly inside the overlap, so that no seam shows. Beside
    a tile, only what a row of tiles shares with the next is kept.
    """
    tops, height = tile_starts(seen[0], TILE, OVERLAP), min(TILE, seen[0])
    lefts, width = tile_starts(seen[1], TILE, OVERLAP), min(TILE, seen[1])
    weights = [_ramp(side) for side in (height, width)]
    # Weights are products, so what all tiles give a pixel is one, too.
    masses = [np.zeros(side, np.float32) for side in seen]
    for mass, starts, weight in zip(masses, (tops, lefts), weights, strict=True):
        for start in starts:
            mass[start : start + len(weight)] += weight
    carried: Floats | None = None
    shared = 0
    for top, below in zip(tops, [*tops[1:], seen[0]], strict=True):
        tile: Floats | None = None
        for left, end in zip(lefts, [*lefts[1:], seen[1]], strict=True):
            logits = run(read(top, left, height, width)[None])[0] * (weights[0][:, None] * weights[1])
            if tile is not None:
                logits[:, :, : tile.shape[2]] += tile
            done, tile = logits[:, :, : end - left], logits[:, :, end - left :]
            if carried is None:
                most = height - min((b - a for a, b in itertools.pairwise(tops)), default=height)
                carried = np.empty((len(logits), most, seen[1]), np.float32)
            done[:, :shared] += carried[:, :shared, left:end]
            carried[:, : height - (below - top), left:end] = done[:, below - top :]
            yield Block(top, left, done[:, : below - top] / (masses[0][top:below, None] * masses[1][left:end]))
        shared = height - (below - top)


def enlarge_blocks(blocks: Iterable[Block], seen: tuple[int, int], size: tuple[int, int]) -> Iterator[Block]:
    """Blocks at an image's own size; together the same numbers as one resizing of the whole by `resize_bands`.

    Args:
        blocks: In rows, from the top.
        seen: (h, w) that they cover.
        size: (H, W) to reach.
    """
    if seen == size:
        yield from blocks
        return
    steps = [low / own for low, own in zip(seen, size, strict=True)]
    reaches = [max(1.0, step) for step in steps]
    kept = [math.ceil(2 * reach) + 2 for reach in reaches]

    def ready(axis: int, there: int) -> int:
        """How many rows or columns can be made of so many, as the filter reaches beyond each on both sides."""
        if there == seen[axis]:
            return size[axis]
        return max(0, math.floor((there - reaches[axis] - 0.01) / steps[axis] - 0.5) + 1)

    before: Floats | None = None
    rows: Floats | None = None
    beside: Floats | None = None
    for top, left, logits in blocks:
        bottom, right = top + logits.shape[1], left + logits.shape[2]
        if left == 0:
            before, rows, beside = rows, None, None
        if before is not None:
            logits = np.concatenate([before[:, :, left:right], logits], axis=1)
        if rows is None:
            rows = np.empty((len(logits), min(kept[0], logits.shape[1]), seen[1]), np.float32)
        rows[:, :, left:right] = logits[:, -rows.shape[1] :]
        if beside is not None:
            logits = np.concatenate([beside, logits], axis=2)
        beside = logits[:, :, -kept[1] :]
        first, last = ready(0, top), ready(0, bottom)
        start, end = ready(1, left), ready(1, right)
        if start == end:
            continue
        corner = (bottom - logits.shape[1], right - logits.shape[2])
        most = max(1, STRIP // (len(logits) * (end - start)))
        for row in range(first, last, most):
            stop = min(row + most, last)
            box = (
                row * steps[0] - corner[0],
                start * steps[1] - corner[1],
                stop * steps[0] - corner[0],
                end * steps[1] - corner[1],
            )
            whole = (row, stop) == (0, size[0]) and (start, end) == (0, size[1])
            yield Block(row, start, resize_bands(logits, (stop - row, end - start), None if whole else box))


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along one side: evenly spread, at least `overlap` shared, the ends covered.

    >>> tile_starts(1000, 400, 100)
    [0, 300, 600]
    """
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def _ramp(length: int) -> Floats:
    centre = np.arange(length, dtype=np.float32) + 0.5
    ramp: Floats = np.minimum(np.minimum(centre, length - centre), OVERLAP) / OVERLAP
    return ramp
