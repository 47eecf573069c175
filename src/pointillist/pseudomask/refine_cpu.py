"""Refinement on the CPU: affinities once, then one pass per iteration with every sum held in registers.

A block of 16 pixels of a row and up to 4 masks is finished before the next begins: 48 times, 16 affinities are loaded
once and multiplied into 4 masks. Affinities are kept (192 bytes a pixel) because computing them costs about three
iterations; they lie in the order in which the blocks read them, and a few rows of them serve all masks before the
next rows are touched. Masks have a replicated border left and right, and
rows above and below are clamped by index. Rows are split among the threads, so no result depends on their number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointillist.pseudomask.compiled import ThreadPool, compiled
from pointillist.pseudomask.vectors import (
    LANES,
    add,
    div,
    every,
    exp,
    fma,
    larger,
    load,
    magnitude,
    mul,
    root,
    store,
    sub,
)

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Grid = tuple[int, int, int, int]
"""Height, width, margin and stride of padded maps."""

GROUP = 4
"""Masks whose sums are held in registers together."""
STRIP, TILE = 16, 16
"""Blocks across and rows down, 256 × 16 pixels, whose affinities (0.8 MB) stay in the second-level cache while the
groups take turns; going down a strip, so do the rows of a group that are met again 24 rows later (0.2 MB)."""


def refine_channels(
    features: Tensor, masks: Tensor, dilations: Sequence[int], iterations: int, counts: Sequence[int] | None = None
) -> Tensor:
    """Refine B×K×H×W float32 masks with B×F×H×W float32 features; only the first `counts[b]` masks, the rest is 0."""
    result = torch.zeros_like(masks, memory_format=torch.contiguous_format)
    steps = np.array(dilations, np.int64)
    with ThreadPool() as pool:
        for image in range(masks.shape[0]):
            count = masks.shape[1] if counts is None else counts[image]
            if count:
                colours = features[image].contiguous().numpy()
                _refine_image(pool, colours, masks[image, :count].numpy(), steps, iterations, result[image].numpy())
    return result


def _refine_image(
    pool: ThreadPool, colours: Floats, masks: Floats, steps: Ints, iterations: int, result: Floats
) -> None:
    count, height, width = masks.shape
    margin = min(int(steps.max()), width)  # a longer step ends on the same replicated pixel
    # An odd number of cache lines from row to row: with a power of two, the 13 rows that a pixel reads would compete
    # for the same few places of the first-level cache.
    stride = (-(-(margin + -(-width // LANES) * LANES + margin) // LANES) | 1) * LANES
    neighbours = 8 * len(steps)
    weights = np.empty(height * -(-width // LANES) * neighbours * LANES, np.float32)
    grid = (height, width, margin, stride)
    padded = _padded(colours, margin, stride)
    pool.split_rows(partial(affinities, padded, len(colours), grid, steps, weights), height)
    source = _padded(masks, margin, stride)
    target = np.empty_like(source)
    for _ in range(iterations):
        pool.split_rows(partial(step, weights, source, grid, steps, target), height)
        source, target = target, source
    result[:count] = source.reshape(count, height, stride)[:, :, margin : margin + width]


def _padded(maps: Floats, margin: int, stride: int) -> Floats:
    """K×H×W maps as K·H rows of `stride`, the first and last column replicated; in one dimension."""
    count, height, width = maps.shape
    rows = np.empty((count, height, stride), np.float32)
    rows[:, :, :margin] = maps[:, :, :1]
    rows[:, :, margin : margin + width] = maps
    rows[:, :, margin + width :] = maps[:, :, -1:]
    return rows.reshape(-1)


@compiled
def neighbour_offsets(y: int, height: int, width: int, stride: int, steps: Ints, offsets: Ints) -> None:
    """Where the neighbours of the first pixel of row y begin, from the same column of row 0; rows are clamped."""
    index = 0
    for step_size in steps:
        reach = min(step_size, width)
        for dy in range(-1, 2):
            row = min(max(y + dy * step_size, 0), height - 1)
            for dx in range(-1, 2):
                if dy != 0 or dx != 0:
                    offsets[index] = row * stride + dx * reach
                    index += 1


@compiled
def affinities(maps: Floats, channels: int, grid: Grid, steps: Ints, weights: Floats, start: int, stop: int) -> None:
    """Affinities of rows `start` to `stop`: for each block of 16 pixels, 16 for each neighbour."""
    height, width, margin, stride = grid
    count = 8 * steps.size
    samples = np.float32(9 * steps.size)
    blocks = (width + LANES - 1) // LANES
    offsets = np.empty(count, np.int64)
    scales = np.empty(channels * LANES, np.float32)
    zero = every(np.float32(0.0))
    for y in range(start, stop):
        neighbour_offsets(y, height, width, stride, steps, offsets)
        for block in range(blocks):
            column = margin + block * LANES
            for k in range(channels):
                plane = k * height * stride + column
                centre = load(maps, plane + y * stride)
                total = zero
                squares = zero
                for j in range(count):
                    difference = sub(load(maps, plane + offsets[j]), centre)
                    total = add(total, difference)
                    squares = fma(difference, difference, squares)
                # The centre is one of every nine samples: by Cauchy-Schwarz at least a ninth of `squares` is left
                # here, so this one-pass variance about the centre is exact to a few units in the last place.
                excess = sub(squares, div(mul(total, total), every(samples)))
                deviation = root(larger(div(excess, every(samples - np.float32(1.0))), zero))
                bound = fma(deviation, every(np.float32(0.1)), every(np.float32(1e-8)))
                store(scales, k * LANES, div(every(np.float32(-1.0 / channels)), bound))
            first = (y * blocks + block) * count * LANES
            highest = every(np.float32(-3e38))
            for j in range(count):
                logit = zero
                for k in range(channels):
                    plane = k * height * stride + column
                    centre = load(maps, plane + y * stride)
                    difference = magnitude(sub(load(maps, plane + offsets[j]), centre))
                    logit = fma(difference, load(scales, k * LANES), logit)
                store(weights, first + j * LANES, logit)
                highest = larger(highest, logit)
            mass = zero
            for j in range(count):
                weight = exp(sub(load(weights, first + j * LANES), highest))
                store(weights, first + j * LANES, weight)
                mass = add(mass, weight)
            share = div(every(np.float32(1.0)), mass)
            for j in range(count):
                store(weights, first + j * LANES, mul(load(weights, first + j * LANES), share))


@compiled
def step(weights: Floats, source: Floats, grid: Grid, steps: Ints, target: Floats, start: int, stop: int) -> None:
    """One iteration of rows `start` to `stop`, strip by strip, tile by tile, group by group."""
    height, width, margin, stride = grid
    count = 8 * steps.size
    plane = height * stride
    masks = source.size // plane
    groups = (masks + GROUP - 1) // GROUP
    blocks = (width + LANES - 1) // LANES
    strips = (blocks + STRIP - 1) // STRIP
    offsets = np.empty((TILE, count), np.int64)
    for strip in range(strips):
        left, right = blocks * strip // strips, blocks * (strip + 1) // strips
        for top in range(start, stop, TILE):
            bottom = min(top + TILE, stop)
            for y in range(top, bottom):
                neighbour_offsets(y, height, width, stride, steps, offsets[y - top])
            for group in range(groups):
                first, last = masks * group // groups, masks * (group + 1) // groups
                for y in range(top, bottom):
                    near = offsets[y - top]
                    for block in range(left, right):
                        here = margin + block * LANES + first * plane
                        w = (y * blocks + block) * count * LANES
                        if last - first == 4:
                            _average_4(weights, w, source, here, plane, near, target, here + y * stride)
                        elif last - first == 3:
                            _average_3(weights, w, source, here, plane, near, target, here + y * stride)
                        elif last - first == 2:
                            _average_2(weights, w, source, here, plane, near, target, here + y * stride)
                        else:
                            _average_1(weights, w, source, here, plane, near, target, here + y * stride)
    for k in range(masks):
        for y in range(start, stop):
            row = k * plane + y * stride
            target[row : row + margin] = target[row + margin]
            target[row + margin + width : row + stride] = target[row + margin + width - 1]


def _averaging(count: int) -> Callable[..., None]:
    """Average one block of 16 pixels of 1 to 4 masks; which, is known when it is compiled."""

    def average(
        w: Floats, first: int, m: Floats, column: int, plane: int, offsets: Ints, out: Floats, pixel: int
    ) -> None:
        a = b = c = d = every(np.float32(0.0))
        for j in range(offsets.size):
            weight = load(w, first + j * LANES)
            i = column + offsets[j]
            a = fma(weight, load(m, i), a)
            if count > 1:
                b = fma(weight, load(m, i + plane), b)
            if count > 2:
                c = fma(weight, load(m, i + 2 * plane), c)
            if count > 3:
                d = fma(weight, load(m, i + 3 * plane), d)
        store(out, pixel, a)
        if count > 1:
            store(out, pixel + plane, b)
        if count > 2:
            store(out, pixel + 2 * plane, c)
        if count > 3:
            store(out, pixel + 3 * plane, d)

    average.__qualname__ = f"average_{count}"
    return compiled(average)


_average_1, _average_2, _average_3, _average_4 = (_averaging(count) for count in range(1, GROUP + 1))
