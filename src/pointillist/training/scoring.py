"""Images with masks for scoring: what validation and evaluation share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointillist.classes import IGNORE
from pointillist.data.dataset import Dataset, Item
from pointillist.data.images import image_size
from pointillist.data.inputs import InputSpec
from pointillist.data.masks import check_size
from pointillist.data.regions import Source, file_of, window_of
from pointillist.data.views import WholeView, open_view, stays_on_disk
from pointillist.training.networks import Network
from pointillist.training.tiling import Block, Run, logit_blocks


def runner(network: Network) -> Run:
    """A network in evaluation mode as a function of arrays, on the device where it is."""
    device = next(chain(network.parameters(), network.buffers())).device

    @torch.inference_mode()
    def run(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        logits: Tensor = network(torch.from_numpy(windows).to(device)).logits
        found: NDArray[np.float32] = logits.float().cpu().numpy()
        return found

    return run


class ScoredImage:
    """An image and its mask, in memory; a large one is read when it is gone through.

    Args:
        dataset: The data set.
        item: An image that has a mask.
        spec: What the network has learnt to see.

    Raises:
        ImageError, MaskError: One of them cannot be read, or they do not fit.
    """

    def __init__(self, dataset: Dataset, item: Item, spec: InputSpec) -> None:
        if item.mask is None:
            raise ValueError(f"'{item.name}' has no mask")
        self.name = item.name
        self.size = image_size(item.image)
        self._masks, self._item, self._spec = dataset.masks, item, spec
        self._mask: Source | NDArray[np.uint8] = item.mask
        self._view = None
        if not stays_on_disk(item.image) or spec.bands.plane:
            self._view = WholeView(spec, spec.bands.read(item.image))
        if stays_on_disk(item.mask):
            check_size(file_of(item.mask), image_size(item.mask), self.size)
        else:
            self._mask = dataset.masks.read(item.mask, self.size)

    def blocks(self, run: Run) -> Iterator[tuple[Block, NDArray[np.uint8]]]:
        """Logits at the image's own size, block by block, and h×w of the mask, 255 where ignored or without data."""
        with open_view(self._spec, self._item.image) if self._view is None else nullcontext(self._view) as view:
            for block in logit_blocks(run, view.read, view.size, view.own):
                if isinstance(self._mask, np.ndarray):
                    mask = self._mask[block.part]
                else:
                    mask = self._masks.read(window_of(self._mask, *block.window), block.logits.shape[1:])
                valid = view.valid(*block.window)
                yield block, mask if valid is None else np.where(valid, mask, np.uint8(IGNORE))


class ScoredImages(torch.utils.data.Dataset[ScoredImage]):
    """Images with masks for scoring.

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

    def __getitem__(self, index: int) -> ScoredImage:
        return ScoredImage(self.dataset, self.items[index], self.spec)
