"""Clicks as labels of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pointillist.pseudomask.channels import IGNORE


def rasterise_points(points: Sequence[Tensor], size: tuple[int, int], device: torch.device) -> Tensor:
    """Label map that holds the clicks and nothing else.

    Args:
        points: Per image N×3 (x, y, class); a click is in pixel (floor x, floor y). Clicks outside are left out. Of two
            in one pixel the later one stays.
        size: (height, width).
        device: Where the result lies.

    Returns:
        B×H×W int64, 255 where there is no click.
    """
    height, width = size
    labels = torch.full((len(points), height, width), IGNORE, dtype=torch.int64)
    for plane, clicks in zip(labels, points, strict=True):
        for x, y, label in clicks.double().tolist():
            column, row = math.floor(x), math.floor(y)
            if 0 <= column < width and 0 <= row < height:
                plane[row, column] = int(label)
    return labels.to(device)
