"""Where on the earth an image lies, and what of a map is in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Place:
    """Coordinate system and position of an image.

    Args:
        crs: The coordinate system as WKT; "" for one that the file does not name.
        transform: (a, b, c, d, e, f): pixel (x, y) lies at (a·x + b·y + c, d·x + e·y + f), corner-based: (0, 0) is the
            top left corner of the first pixel. It has an inverse.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]

    def on_map(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """N×2 (x, y) in pixels of the image as N×2 in its coordinate system, easting or longitude first."""
        a, b, c, d, e, f = self.transform
        moved: NDArray[np.float64] = pixels @ np.array([[a, d], [b, e]]) + [c, f]
        return moved

    def in_pixels(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """N×2 in its coordinate system as N×2 (x, y) in pixels of the image; the inverse of `on_map`."""
        a, b, c, d, e, f = self.transform
        # Differences first: a pixel is small beside the coordinates of a map.
        moved: NDArray[np.float64] = (coordinates - [c, f]) @ np.linalg.inv([[a, d], [b, e]])
        return moved
