"""Refinement on a CUDA GPU: one fused Triton kernel per iteration.

Colours and masks are read and masks written; the 48 affinities of a pixel are computed again in each iteration from
K + 2 numbers kept per pixel (a scale for each of K bands, the highest logit, the share of the softmax), so 20 bytes are
read for three bands where stored affinities would be 192. The loads of the 48 shifted masks hit the first-level cache.

Offsets within an image are 32-bit integers to save registers, so C·H·W and K·H·W must stay below 2³¹.

Imported only where Triton is installed and the tensors are on a GPU, or with `TRITON_INTERPRET=1` in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS, COLUMNS = 4, 32
"""Pixels of one program: a warp reads 32 neighbours of one row in one transaction."""
PLANES = 32
"""Most masks of one program; more are shared among programs, which compute the affinities again."""


def refine_channels(
    features: Tensor, masks: Tensor, dilations: Sequence[int], iterations: int, counts: Sequence[int] | None = None
) -> Tensor:
    """Refine B×K×H×W float32 masks with B×F×H×W float32 features; only the first `counts[b]` masks, the rest is 0."""
    features = features.contiguous()
    batch, channels, height, width = features.shape
    total = masks.shape[1]
    device = masks.device
    offsets = [(d * dy, d * dx) for d in dilations for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    steps = torch.tensor(offsets, dtype=torch.int32, device=device)
    present = torch.tensor([total] * batch if counts is None else list(counts), dtype=torch.int32, device=device)
    scales = torch.empty_like(features)
    softmax = features.new_empty(batch, 2, height, width)
    source = masks.clone(memory_format=torch.contiguous_format)
    target = torch.zeros_like(source)
    tiles = triton.cdiv(height, ROWS) * triton.cdiv(width, COLUMNS)
    lanes = triton.next_power_of_2(channels)
    group = min(PLANES, triton.next_power_of_2(total))
    count, samples = len(offsets), 9 * len(dilations)
    shared = (features, scales, softmax, steps)
    with torch.cuda.device_of(masks):  # type: ignore[no-untyped-call]
        _measure[(tiles, batch)](*shared, count, samples, channels, height, width, lanes, ROWS, COLUMNS)
        for _ in range(iterations):
            _average[(tiles, batch, triton.cdiv(total, group))](
                *shared, present, source, target, count, channels, total, height, width, lanes, group, ROWS, COLUMNS
            )
            source, target = target, source
    return source


@triton.jit  # type: ignore[untyped-decorator]
def _pixels(height, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):  # type: ignore[no-untyped-def]
    """Row and column of each pixel of this program's tile, and whether it is in the image."""
    across = tl.cdiv(width, COLUMNS)
    tile = tl.program_id(0)
    lane = tl.arange(0, ROWS * COLUMNS)
    y = (tile // across) * ROWS + lane // COLUMNS
    x = (tile % across) * COLUMNS + lane % COLUMNS
    return y, x, (y < height) & (x < width)


@triton.jit
def _neighbours(steps, j, y, x, height, width):  # type: ignore[no-untyped-def]
    """Index of the j-th neighbour of each pixel, the border replicated."""
    row = tl.minimum(tl.maximum(y + tl.load(steps + 2 * j), 0), height - 1)
    column = tl.minimum(tl.maximum(x + tl.load(steps + 2 * j + 1), 0), width - 1)
    return row * width + column


@triton.jit  # type: ignore[untyped-decorator]
def _measure(  # type: ignore[no-untyped-def]
    features,
    scales,
    softmax,
    steps,
    count,
    samples,
    channels,
    height,
    width,
    LANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """What the affinities of each pixel need: −1 / (F·(1e-8 + 0.1·σ_k)), the highest logit, 1 / Σ exp(e − highest)."""
    y, x, inside = _pixels(height, width, ROWS, COLUMNS)
    area = height * width
    pixel = y * width + x
    image = tl.program_id(1).to(tl.int64)
    k = tl.arange(0, LANES)[:, None]
    real = (k < channels) & inside[None, :]
    features += image * channels * area
    colour = k * area
    centre = tl.load(features + (colour + pixel[None, :]), mask=real, other=0.0)
    total = tl.zeros_like(centre)
    squares = tl.zeros_like(centre)
    for j in range(count):
        place = _neighbours(steps, j, y, x, height, width)[None, :]
        difference = tl.load(features + (colour + place), mask=real, other=0.0) - centre
        total += difference
        squares += difference * difference
    variance = (squares - total * total / samples) / (samples - 1)
    scale = -1.0 / (channels * (1e-8 + 0.1 * tl.sqrt(tl.maximum(variance, 0.0))))
    tl.store(scales + image * channels * area + (colour + pixel[None, :]), scale, mask=real)
    highest = tl.full(pixel.shape, float("-inf"), tl.float32)
    mass = tl.zeros(pixel.shape, tl.float32)
    for j in range(count):
        place = _neighbours(steps, j, y, x, height, width)[None, :]
        neighbour = tl.load(features + (colour + place), mask=real, other=0.0)
        logit = tl.sum(tl.abs(neighbour - centre) * scale, axis=0)
        above = tl.maximum(highest, logit)
        mass = mass * tl.exp(highest - above) + tl.exp(logit - above)
        highest = above
    tl.store(softmax + 2 * image * area + pixel, highest, mask=inside)
    tl.store(softmax + (2 * image + 1) * area + pixel, 1.0 / mass, mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _average(  # type: ignore[no-untyped-def]
    features,
    scales,
    softmax,
    steps,
    present,
    source,
    target,
    count,
    channels,
    total,
    height,
    width,
    LANES: tl.constexpr,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """One iteration: each mask becomes the mean of its neighbours, weighted by their affinities."""
    image = tl.program_id(1).to(tl.int64)
    masks = tl.load(present + image)
    first = tl.program_id(2) * PLANES
    if first < masks:
        y, x, inside = _pixels(height, width, ROWS, COLUMNS)
        area = height * width
        pixel = y * width + x
        k = tl.arange(0, LANES)[:, None]
        real = (k < channels) & inside[None, :]
        features += image * channels * area
        colour = k * area
        centre = tl.load(features + (colour + pixel[None, :]), mask=real, other=0.0)
        scale = tl.load(scales + image * channels * area + (colour + pixel[None, :]), mask=real, other=0.0)
        highest = tl.load(softmax + 2 * image * area + pixel, mask=inside, other=0.0)
        share = tl.load(softmax + (2 * image + 1) * area + pixel, mask=inside, other=0.0)
        c = first + tl.arange(0, PLANES)[:, None]
        kept = (c < masks) & inside[None, :]
        source += image * total * area
        target += image * total * area
        result = tl.zeros((PLANES, ROWS * COLUMNS), tl.float32)
        for j in range(count):
            place = _neighbours(steps, j, y, x, height, width)[None, :]
            neighbour = tl.load(features + (colour + place), mask=real, other=0.0)
            weight = tl.exp(tl.sum(tl.abs(neighbour - centre) * scale, axis=0) - highest) * share
            result += weight[None, :] * tl.load(source + (c * area + place), mask=kept, other=0.0)
        tl.store(target + (c * area + pixel[None, :]), result, mask=kept)
