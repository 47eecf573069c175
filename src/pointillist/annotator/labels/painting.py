"""An accepted mask and the strokes on it, pixel by pixel."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointillist.annotator.labels.mask_tables import MaskRow, StrokeRow
from pointillist.classes import IGNORE

_PIECE = 256.0
"""Longer stretches of a stroke are painted in pieces, so that the box around one stays small."""


def painted(
    mask: MaskRow, strokes: Iterable[StrokeRow], size: tuple[int, int], index_of: Callable[[str], int | None]
) -> NDArray[np.uint8]:
    """The labels of an image.

    Args:
        mask: What was accepted; each of its pixels is the nearest one of the image.
        strokes: On it, from below to above.
        size: (height, width) of the image.
        index_of: The index that a class id gets; None for no class.

    Returns:
        H×W indices, 255 where undecided.
    """
    with Image.open(io.BytesIO(mask.labels), formats=["PNG"]) as picture:
        base = np.array(picture, dtype=np.uint8)
    table = np.full(256, IGNORE, np.uint8)
    for place, given in enumerate(mask.classes):
        found = index_of(given)
        table[place] = IGNORE if found is None else found
    rows, columns = (
        ((np.arange(length) + 0.5) * small / length).astype(np.intp)
        for length, small in zip(size, base.shape, strict=True)
    )
    labels: NDArray[np.uint8] = table[base][rows][:, columns]
    paint_strokes(labels, strokes, index_of)
    return labels


def paint_strokes(
    labels: NDArray[np.uint8], strokes: Iterable[StrokeRow], index_of: Callable[[str], int | None]
) -> None:
    """Paint strokes, from below to above; see `painted`."""
    for stroke in strokes:
        found = index_of(stroke.label) if stroke.label else None
        paint(labels, stroke.path, stroke.radius, IGNORE if found is None else found)


def paint(labels: NDArray[np.uint8], path: Sequence[float], radius: float, value: int) -> None:
    """Give a value to every pixel whose centre is at most `radius` from a path of x, y, x, y, … (corner-based)."""
    corners = list(zip(path[::2], path[1::2], strict=True))
    for (x, y), (to_x, to_y) in zip(corners, corners[1:] or corners, strict=False):
        pieces = max(1, math.ceil(math.hypot(to_x - x, to_y - y) / _PIECE))
        for k in range(pieces):
            at = [(x + (to_x - x) * s / pieces, y + (to_y - y) * s / pieces) for s in (k, k + 1)]
            _paint_stretch(labels, at[0], at[1], radius, value)


def _paint_stretch(
    labels: NDArray[np.uint8], start: tuple[float, float], end: tuple[float, float], radius: float, value: int
) -> None:
    (x, y), (dx, dy) = start, (end[0] - start[0], end[1] - start[1])
    height, width = labels.shape
    top, bottom = _within(min(y, end[1]) - radius, max(y, end[1]) + radius, height)
    left, right = _within(min(x, end[0]) - radius, max(x, end[0]) + radius, width)
    across = np.arange(left, right) + 0.5 - x
    down = (np.arange(top, bottom) + 0.5 - y)[:, None]
    squared = dx * dx + dy * dy
    share = np.clip((across * dx + down * dy) / squared, 0, 1) if squared else np.zeros(1)
    hit = (across - share * dx) ** 2 + (down - share * dy) ** 2 <= radius * radius
    labels[top:bottom, left:right][hit] = value


def _within(low: float, high: float, length: int) -> tuple[int, int]:
    return max(0, math.floor(low)), max(0, min(length, math.ceil(high)))
