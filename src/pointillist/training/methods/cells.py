"""Bringing what a method sees to a coarser grid.

A cell is a square block of stride×stride pixels, counted from the top-left corner; an incomplete row or column of cells
at the right or bottom is left out. Counting from the corner keeps a cell the same whatever padding lies beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from pointillist.pseudomask import rasterise_points


def cell_means(maps: Tensor, stride: int) -> Tensor:
    """B×K×H×W → B×K×h×w float32 means of each cell's pixels."""
    return F.avg_pool2d(maps.float(), stride) if stride > 1 else maps.float()


def valid_cells(valid: Tensor, stride: int) -> Tensor:
    """B×H×W bool → B×h×w bool: cells without a pixel of padding."""
    return -F.max_pool2d(-valid[:, None].float(), stride)[:, 0] > 0


def cell_clicks(points: Sequence[Tensor], size: tuple[int, int], stride: int, device: torch.device) -> Tensor:
    """Label map of the cells that hold a click, see `rasterise_points`.

    Args:
        points: Per image N×3 (x, y, class) in pixels.
        size: (h, w) in cells.
        stride: Pixels per cell.
        device: Where the result lies.

    Returns:
        B×h×w int64, 255 where there is no click.
    """
    scale = (1 / stride, 1 / stride, 1.0)
    return rasterise_points([clicks * clicks.new_tensor(scale) for clicks in points], size, device)


def feature_stride(features: Tensor, size: tuple[int, int]) -> int:
    """Pixels per feature, a power of two.

    A network pads its input on the right and at the bottom to a multiple of its own stride, so the ratio of the sizes
    is a little below the stride.

    Args:
        features: B×F×H'×W'.
        size: (height, width) of the image before padding.
    """
    ratio = max(size[0] / features.shape[-2], size[1] / features.shape[-1], 1.0)
    return 1 << math.ceil(math.log2(ratio))


def cell_features(features: Tensor, image_size: tuple[int, int], size: tuple[int, int], stride: int) -> Tensor:
    """Features of the cells; the network's own padding is cut off.

    Args:
        features: B×F×H'×W' of the padded image.
        image_size: (height, width) of the image before padding.
        size: (h, w) in cells.
        stride: Pixels per cell, a power of two.

    Returns:
        B×F×h×w float32.
    """
    own = feature_stride(features, image_size)
    if own > stride:
        maps = F.interpolate(features.float(), scale_factor=own // stride, mode="bilinear", align_corners=False)
    else:
        maps = cell_means(features, stride // own)
    return maps[..., : size[0], : size[1]]


def features_at(features: Tensor, image_size: tuple[int, int], pixels: tuple[Tensor, ...]) -> Tensor:
    """Features of single pixels: what `cell_features` gives there at stride 1, without making the rest.

    Args:
        features: B×F×H'×W' of the padded image.
        image_size: (height, width) of the image before padding.
        pixels: Image, row and column of N pixels.

    Returns:
        N×F float32.
    """
    image, *place = pixels
    own = feature_stride(features, image_size)
    maps = features.float().permute(0, 2, 3, 1)
    near: list[tuple[Tensor, Tensor, Tensor]] = []
    for index, length in zip(place, features.shape[-2:], strict=True):
        exact = ((index + 0.5) / own - 0.5).clamp(min=0)
        lower = exact.long()
        near.append((lower, (lower + 1).clamp(max=length - 1), (exact - lower)[:, None]))
    (top, bottom, down), (left, right, across) = near
    above = torch.lerp(maps[image, top, left], maps[image, top, right], across)
    below = torch.lerp(maps[image, bottom, left], maps[image, bottom, right], across)
    return torch.lerp(above, below, down)


def clicked_images(points: Sequence[Tensor], device: torch.device) -> Tensor:
    """B float32: 1 for images with a click anywhere, inside the window or not; 0 for those nobody looked at."""
    return torch.tensor([float(len(clicks) > 0) for clicks in points], device=device)
