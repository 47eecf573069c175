"""Refinement with shifted views, on any device: one accumulation per neighbour, no stacked copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

OFFSETS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""(dy, dx) of the eight neighbours at dilation 1, in the order of the affinities."""


def refine_channels(image: Tensor, masks: Tensor, dilations: Sequence[int], iterations: int) -> Tensor:
    """Refine B×K×H×W masks with the colours of B×F×H×W images, in the dtype of both."""
    weights = affinities(image, dilations)
    for _ in range(iterations):
        result = torch.zeros_like(masks)
        for index, neighbour in enumerate(_neighbours(masks, dilations)):
            result.addcmul_(weights[:, index : index + 1], neighbour)
        masks = result
    return masks


def affinities(image: Tensor, dilations: Sequence[int]) -> Tensor:
    """B×8|D|×H×W affinities of each pixel to its neighbours; they sum to 1."""
    total, squares = torch.zeros_like(image), torch.zeros_like(image)
    for neighbour in _neighbours(image, dilations):
        difference = neighbour - image
        total += difference
        squares.addcmul_(difference, difference)
    # Differences to the centre make the one-pass variance well conditioned: the centre is one of every nine samples,
    # so Cauchy-Schwarz leaves at least a ninth of `squares` after the subtraction.
    samples = 9 * len(dilations)
    deviation = ((squares - total * total / samples) / (samples - 1)).clamp_(min=0).sqrt_()
    scale = 1.0 / (1e-8 + 0.1 * deviation)
    batch, _, height, width = image.shape
    logits = image.new_empty(batch, 8 * len(dilations), height, width)
    for index, neighbour in enumerate(_neighbours(image, dilations)):
        logits[:, index] = -((neighbour - image).abs_() * scale).mean(dim=1)
    return logits.softmax(dim=1)


def _neighbours(maps: Tensor, dilations: Sequence[int]) -> Iterator[Tensor]:
    """Views of B×K×H×W maps, shifted by each offset at each dilation, the border replicated."""
    height, width = maps.shape[2:]
    # A dilation beyond the image meets the same replicated border as one of the image's size.
    pad_y, pad_x = min(max(dilations), height), min(max(dilations), width)
    padded = F.pad(maps, (pad_x, pad_x, pad_y, pad_y), mode="replicate")
    for dilation in dilations:
        step_y, step_x = min(dilation, height), min(dilation, width)
        for dy, dx in OFFSETS:
            top, left = pad_y + dy * step_y, pad_x + dx * step_x
            yield padded[:, :, top : top + height, left : left + width]
