"""Background clicks from the image border, for label files that have none (background policy `border`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def with_border_points(
    points: NDArray[np.float64], size: tuple[int, int], background: int | None
) -> NDArray[np.float64]:
    """The clicks of an image, followed by those on background that its border gives.

    Args:
        points: N×3: x, y and class index.
        size: (height, width) in pixels.
        background: See `ClassSet.border_background`; None adds nothing.
    """
    if background is None:
        return points
    border = border_points(points, size)
    return np.concatenate([points, np.hstack([border, np.full((len(border), 1), background)])])


def border_points(
    points: NDArray[np.float64], size: tuple[int, int], *, spacing: float = 1 / 12, clearance: float = 1 / 5
) -> NDArray[np.float64]:
    """Positions along the border that are far from every click.

    An object that a person clicked rarely reaches a border pixel far from its click, so these pixels may stand for
    background clicks. Every method gets the same ones.

    Args:
        points: N×2 or wider, first columns (x, y) in pixels, continuous, origin at the top-left corner.
        size: (height, width) in pixels.
        spacing: Distance between neighbouring positions, in units of the longer side.
        clearance: Least distance to any click, in the same units.

    Returns:
        M×2 positions (x, y), each the centre of a border pixel; M can be 0.

    >>> border_points(np.array([[1.0, 1.0]]), (4, 4), spacing=0.5, clearance=0.8).tolist()
    [[3.5, 3.5]]
    """
    height, width = size
    longer = max(height, width)
    step = max(1, round(longer * spacing))
    columns = np.unique(np.append(np.arange(0, width, step), width - 1))
    rows = np.unique(np.append(np.arange(0, height, step), height - 1))
    top_bottom = [(column, row) for row in (0, height - 1) for column in columns]
    sides = [(column, row) for column in (0, width - 1) for row in rows]
    pixels = np.unique(np.array(top_bottom + sides, dtype=np.float64), axis=0) + 0.5
    if len(points):
        gaps = np.linalg.norm(pixels[:, None, :] - np.asarray(points)[None, :, :2], axis=2).min(axis=1)
        pixels = pixels[gaps >= clearance * longer]
    return pixels
