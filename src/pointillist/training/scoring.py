"""From an image of any size to a label map of the same size: what validation, evaluation and prediction share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pointillist.data.dataset import Dataset, Item
from pointillist.data.images import read_image
from pointillist.data.samples import image_tensor
from pointillist.data.transforms import fit_size, resize_image

STRIP = 2**22
"""Pixels × classes that are brought to full size at once; bounds the memory of a large image."""


def network_input(pixels: NDArray[np.uint8], size: tuple[int, int] | None) -> Tensor:
    """An H×W×3 image at the scale of training, as 3×h×w in [0, 1]."""
    height, width = pixels.shape[:2]
    return image_tensor(resize_image(pixels, fit_size((height, width), size)))


def upsample_strips(logits: Tensor, size: tuple[int, int]) -> Iterator[tuple[int, Tensor]]:
    """Logits at full size, strip by strip, so that C·H·W floats never exist at once.

    Args:
        logits: C×h×w.
        size: (H, W) to reach, bilinearly and corner-based.

    Yields:
        First row, and C×rows×W logits; together the same numbers as one interpolation of the whole.
    """
    channels, low_height, _ = logits.shape
    height, width = size
    if logits.shape[1:] == size:
        yield 0, logits
        return
    rows = max(1, STRIP // (channels * width))
    scale = low_height / height
    # Columns first: interpolation is separable, and rows then need only their own two source rows.
    wide = F.interpolate(logits[None].float(), (low_height, width), mode="bilinear", align_corners=False)[0]
    for top in range(0, height, rows):
        centres = (torch.arange(top, min(top + rows, height), device=logits.device) + 0.5) * scale - 0.5
        centres = centres.clamp(min=0)
        upper = centres.floor().long().clamp(max=low_height - 1)
        lower = (upper + 1).clamp(max=low_height - 1)
        share = (centres - upper)[None, :, None].clamp(0, 1)
        yield top, wide[:, upper] * (1 - share) + wide[:, lower] * share


def labels_at(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Most likely class of every pixel at full size.

    Args:
        logits: C×h×w.
        size: (H, W).

    Returns:
        H×W int64.
    """
    return torch.cat([strip.argmax(0) for _, strip in upsample_strips(logits, size)])


class ScoredImages(torch.utils.data.Dataset[tuple[str, Tensor, Tensor]]):
    """Images with masks for scoring: name, 3×h×w input at the scale of training, H×W mask at its own size.

    Args:
        dataset: The data set.
        items: Images; those without a mask are left out.
        size: Scale of training.
        rank: This process.
        processes: Number of processes; each takes every n-th image, none twice.
    """

    def __init__(
        self, dataset: Dataset, items: Sequence[Item], size: tuple[int, int] | None, rank: int = 0, processes: int = 1
    ) -> None:
        self.dataset = dataset
        self.items = [item for item in items if item.mask is not None][rank::processes]
        self.size = size

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[str, Tensor, Tensor]:
        item = self.items[index]
        pixels = read_image(item.image)
        height, width = pixels.shape[:2]
        if item.mask is None:
            raise IndexError(index)
        mask = self.dataset.masks.read(item.mask, (height, width))
        return item.name, network_input(pixels, self.size), torch.from_numpy(mask.astype(np.int64))
