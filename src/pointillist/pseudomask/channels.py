"""Only the channels of present classes are ever computed: gather them first, scatter the result at the end.

An image of a data set of 21 classes shows two or three of them. `Channels` of K channels hold those of each image in
ascending class order; an image with fewer than K present classes is filled up with channels of zeros.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pointillist.pseudomask.checks import check_tensor, shape_of

IGNORE = 255
"""Label of a pixel that teaches nothing."""

Present = Tensor | Sequence[Sequence[int] | Tensor]
"""B×C booleans, or for each image the indices of its present classes."""


def present_mask(present: Present, batch: int, num_classes: int) -> Tensor:
    """Bring both ways to name present classes to B×C booleans on the CPU.

    Raises:
        TensorError: For a wrong shape or dtype, or an index that is no class.
    """
    if isinstance(present, Tensor):
        good = present.dtype == torch.bool and present.shape == (batch, num_classes)
        hint = f"Pass booleans of shape {batch}×{num_classes}, or one list of class indices per image."
        check_tensor(good, f"Got {shape_of(present)} {present.dtype}.", "present", hint)
        return present.cpu()
    found = f"Got {len(present)} lists for {batch} images."
    check_tensor(len(present) == batch, found, "present", "Pass one per image.")
    mask = torch.zeros(batch, num_classes, dtype=torch.bool)
    for row, indices in zip(mask, present, strict=True):
        chosen = [int(i) for i in indices]
        for i in chosen:
            found = f"Class {i} is no index of {num_classes} classes."
            check_tensor(0 <= i < num_classes, found, "present", f"Use integers from 0 to {num_classes - 1}.")
        row[chosen] = True
    return mask


def channel_classes(present: Tensor) -> Tensor:
    """Class of each channel, B×K, in ascending order; −1 where an image has fewer than K present classes (K ≥ 1).

    >>> channel_classes(torch.tensor([[True, False, True], [False, True, False]])).tolist()
    [[0, 2], [1, -1]]
    """
    count = max(1, int(present.sum(dim=1).max()))
    order = present.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :count]
    return order.masked_fill(~present.gather(1, order), -1)


def gather_channels(maps: Tensor, classes: Tensor, fill: float = 0.0) -> Tensor:
    """B×K×H×W channels of B×C×H×W maps; `fill` in the channels of no class."""
    classes = classes.to(maps.device)
    images = torch.arange(maps.shape[0], device=maps.device)[:, None]
    channels = maps[images, classes.clamp(min=0)]
    return channels.masked_fill_((classes < 0)[:, :, None, None], fill)


def scatter_channels(channels: Tensor, classes: Tensor, num_classes: int, fill: float = 0.0) -> Tensor:
    """B×C×H×W maps of B×K×H×W channels; `fill` in the maps of absent classes."""
    batch, _, height, width = channels.shape
    maps = channels.new_full((batch, num_classes, height, width), fill)
    for image, row in enumerate(classes.tolist()):
        named = [(channel, c) for channel, c in enumerate(row) if c >= 0]
        if named:
            source, target = zip(*named, strict=True)
            maps[image, list(target)] = channels[image, list(source)]
    return maps


def channels_of_clicks(clicks: Sequence[Tensor], classes: Tensor) -> list[Tensor]:
    """Clicks whose third column is the channel of their class (B×K) instead of the class; all classes are present."""
    rows = []
    for image, table in zip(classes, clicks, strict=True):
        channel = (table[:, 2:].long() == image[None]).int().argmax(dim=1, keepdim=True)
        rows.append(torch.cat([table[:, :2], channel.to(table.dtype)], dim=1))
    return rows


def classes_of_channels(channels: Tensor, classes: Tensor) -> Tensor:
    """Class indices of B×H×W channel indices; 255 stays."""
    ignored = channels == IGNORE
    flat = classes.to(channels.device).gather(1, channels.masked_fill(ignored, 0).flatten(1))
    return flat.view_as(channels).masked_fill_(ignored, IGNORE)
