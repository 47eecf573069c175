"""Points that fit a data set and may still be wrong, so that a person should look at them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, spatial

from pointillist.points.table import Point

NEAR = 3.0
"""Points of two classes within this many pixels are suspicious: one of them probably slipped."""

RARE = 5
"""A class with fewer points than this can hardly be learnt, and may be a misspelling."""

_STRONG = 0.06
_SHARE = 0.97


def too_near(points: Sequence[Point], distance: float = NEAR) -> list[tuple[int, int]]:
    """Pairs of points of different classes within `distance` pixels, as indices, the smaller first.

    >>> too_near([Point("a", 1.0, 1.0, "soil"), Point("a", 3.0, 2.0, "berry"), Point("a", 9.0, 9.0, "berry")])
    [(0, 1)]
    """
    if len(points) < 2:
        return []
    tree = spatial.cKDTree([(point.x, point.y) for point in points])
    return sorted((i, j) for i, j in tree.query_pairs(distance) if points[i].label != points[j].label)


def on_edge(points: Sequence[Point], image: NDArray[np.uint8]) -> list[int]:
    """Indices of points that lie on a strong edge of the image, where one cannot tell which side was meant.

    Strong is a gradient of at least 6 % of the full range per pixel that 97 % of the image's pixels stay below.

    Args:
        points: Inside the image; continuous corner-based coordinates.
        image: H×W×3 uint8.
    """
    if not points:
        return []
    grey = image.astype(np.float32).mean(axis=2) / 255
    strength = ndimage.gaussian_gradient_magnitude(grey, sigma=1.0)
    threshold = max(_STRONG, float(np.quantile(strength, _SHARE)))
    return [i for i, point in enumerate(points) if strength[point.pixel] >= threshold]


def rare_classes(counts: Counter[str], names: Sequence[str], threshold: int = RARE) -> dict[str, int]:
    """Classes with fewer than `threshold` points, and how many they have."""
    return {name: counts[name] for name in names if counts[name] < threshold}
