"""Where on an image the model is least sure, away from the clicks it has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, uniform_filter

from pointillist.annotator.engine.jobs import UncertainRegion

SIDE = 1 / 5
"""Side of the region, in units of the image's sides."""

CLEARANCE = 1 / 12
"""Pixels nearer to a click count as labelled, in units of √(H·W)."""


def uncertain_region(
    uncertainty: NDArray[np.float32], points: NDArray[np.float64], size: tuple[int, int]
) -> UncertainRegion:
    """The rectangle of the highest mean uncertainty (H×W in [0, 1], at any scale) at unlabelled pixels.

    `points` are N×2 or wider, first columns (x, y), in pixels of the whole image; `size` is its (height, width).
    """
    height, width = uncertainty.shape
    zoom_y, zoom_x = size[0] / height, size[1] / width
    open_ = uncertainty.copy()
    if len(points):
        clicked = np.ones((height, width), bool)
        rows = np.clip((points[:, 1] / zoom_y).astype(int), 0, height - 1)
        columns = np.clip((points[:, 0] / zoom_x).astype(int), 0, width - 1)
        clicked[rows, columns] = False
        open_[distance_transform_edt(clicked) <= CLEARANCE * np.sqrt(height * width)] = 0
    high, wide = max(1, round(height * SIDE)), max(1, round(width * SIDE))
    # Windows that would reach over the border do not count.
    means = uniform_filter(open_, (high, wide), mode="constant")
    top, left = high // 2, wide // 2
    inner = means[top : height - (high - top) + 1, left : width - (wide - left) + 1]
    row, column = np.unravel_index(int(inner.argmax()), inner.shape)
    return UncertainRegion(
        score=float(inner[row, column]),
        x=round(float(column) * zoom_x),
        y=round(float(row) * zoom_y),
        width=max(1, round(wide * zoom_x)),
        height=max(1, round(high * zoom_y)),
    )
