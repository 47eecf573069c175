"""Images with masks for scoring: what validation and evaluation share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pointillist.classes import IGNORE
from pointillist.data.dataset import Dataset, Item
from pointillist.data.inputs import InputSpec
from pointillist.data.pixels import Pixels
from pointillist.training.networks import Network
from pointillist.training.tiling import probability_strips


def labels_at(network: Network, image: Tensor, size: tuple[int, int]) -> Tensor:
    """Most likely class of every pixel.

    Args:
        network: In evaluation mode.
        image: K×h×w at the scale of training.
        size: (H, W) of the image itself.

    Returns:
        H×W int64 on the CPU.
    """
    return torch.cat([strip.argmax(0) for _, strip in probability_strips(network, image, size)])


def scored_image(dataset: Dataset, item: Item, spec: InputSpec) -> tuple[Pixels, Tensor]:
    """An image as `Bands.read` gives it, and its mask H×W int64, 255 where ignored or without data.

    Raises:
        ImageError, MaskError: One of them cannot be read, or they do not fit.
    """
    pixels = spec.bands.read(item.image)
    if item.mask is None:
        raise ValueError(f"'{item.name}' has no mask")
    mask = dataset.masks.read(item.mask, pixels.size).astype(np.int64)
    if pixels.valid is not None:
        mask[~pixels.valid] = IGNORE
    return pixels, torch.from_numpy(mask)


class ScoredImages(torch.utils.data.Dataset[tuple[str, Tensor, Tensor]]):
    """Images with masks for scoring: name, K×h×w input at the scale of training, H×W mask at its own size.

    Args:
        dataset: The data set.
        items: Images; those without a mask are left out.
        spec: What the network has learnt to see.
        rank: This process.
        processes: Number of processes; each takes every n-th image, none twice.
    """

    def __init__(
        self,
        dataset: Dataset,
        items: Sequence[Item],
        spec: InputSpec,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.dataset = dataset
        self.items = [item for item in items if item.mask is not None][rank::processes]
        self.spec = spec

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[str, Tensor, Tensor]:
        pixels, mask = scored_image(self.dataset, self.items[index], self.spec)
        return self.items[index].name, self.spec.tensor(pixels), mask
