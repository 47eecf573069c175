"""A connected region of labels, and the place in it where one click stands for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import IGNORE


@dataclass(frozen=True)
class LabelRegion:
    """A connected region, in pixels of its labels.

    Attributes:
        label: Its value.
        top: First row of its box.
        left: First column of its box.
        inside: H×W of the box: which pixels are the region's.
        middle: (row, column) of one of its pixels farthest from everything else, the border of the image included.
    """

    label: int
    top: int
    left: int
    inside: NDArray[np.bool_]
    middle: tuple[int, int]


def region_at(labels: NDArray[np.uint8], row: int, column: int) -> LabelRegion | None:
    """The region that a pixel is in; None where it is undecided. Pixels that share a side are connected."""
    # Imported with the first region: a server that nobody asks for one need not know it.
    from scipy import ndimage

    value = int(labels[row, column])
    if value == IGNORE:
        return None
    numbered, _ = ndimage.label(labels == value)
    number = int(numbered[row, column])
    box = ndimage.find_objects(numbered, max_label=number)[number - 1]
    inside: NDArray[np.bool_] = numbered[box] == number
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    deepest = np.argwhere(depth >= depth.max() - 1e-9)
    # Of several, such as all along a bar, the one in their middle.
    nearest = int(np.argmin(((deepest - deepest.mean(0)) ** 2).sum(1)))
    top, left = box[0].start, box[1].start
    return LabelRegion(value, top, left, inside, (top + int(deepest[nearest, 0]), left + int(deepest[nearest, 1])))
