"""The perimeter of objects from the labels near each pixel, so that no object has to be seen whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import IGNORE

_KINDS = np.zeros(50, np.uint8)
_KINDS[[5, 7, 15, 17, 25, 27]] = 1
_KINDS[[21, 33]] = 2
_KINDS[[13, 23]] = 3
STEPS = np.array([1, np.sqrt(2), (1 + np.sqrt(2)) / 2])
"""Kind of a pixel of the outline by its neighbours on it, 10 for a diagonal one and 2 for another, and the length that
it stands for. Source: Benkrid, Crookes, "Design and FPGA implementation of a perimeter estimator" (2000), as
`skimage.measure.perimeter` has it."""


def outline(
    labels: NDArray[np.uint8], top: int, rows: int, counted: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Pixels of a strip that count for perimeters: place, and position in `STEPS`.

    Neighbours of one label belong to one object, so labels alone tell the outline.
    """
    height, width = labels.shape
    low, high = max(0, top - 2), min(height, top + rows + 2)
    near = np.full((rows + 4, width + 4), IGNORE, np.uint8)
    near[low - top + 2 : high - top + 2, 2:-2] = labels[low:high]
    here = np.ascontiguousarray(near[1:-1, 1:-1])
    edge = (here != near[:-2, 1:-1]) | (here != near[2:, 1:-1])
    edge |= (here != near[1:-1, :-2]) | (here != near[1:-1, 2:])
    row, column = np.nonzero(edge[1:-1, 1:-1] & counted[here[1:-1, 1:-1]])
    place = (row + 1) * (width + 2) + column + 1
    label, on_edge = here.reshape(-1), edge.reshape(-1)
    own = label[place]
    code = np.ones(len(place), np.uint8)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if down or right:
                neighbour = place + down * (width + 2) + right
                code += np.uint8(10 if down and right else 2) * (on_edge[neighbour] & (label[neighbour] == own))
    kind = _KINDS[code]
    return (row * width + column)[kind > 0], kind[kind > 0] - 1
