"""An image in levels of half the size each, so that a page needs only the part that it shows: sizes, and shrinking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TILE = 512
"""Side of a tile in pixels."""

Values = NDArray[Any]
"""H×W×K as the file has them."""


@dataclass(frozen=True)
class Level:
    """Size of a level in pixels and in tiles."""

    width: int
    height: int

    @property
    def columns(self) -> int:
        """Tiles side by side."""
        return -(-self.width // TILE)

    @property
    def rows(self) -> int:
        """Tiles above one another."""
        return -(-self.height // TILE)


@dataclass(frozen=True)
class Part:
    """Some pixels of an image; `exact` is False where they are a first look that will be replaced."""

    values: Values
    exact: bool = True


def levels_of(size: tuple[int, int]) -> list[Level]:
    """Levels of an image of (height, width): each half as large as the one before, until one tile holds it.

    >>> [(level.width, level.height) for level in levels_of((900, 1601))]
    [(1601, 900), (801, 450), (401, 225)]
    """
    height, width = size
    levels = [Level(width, height)]
    while max(height, width) > TILE:
        height, width = -(-height // 2), -(-width // 2)
        levels.append(Level(width, height))
    return levels


def level_for(size: tuple[int, int], goal: tuple[int, int]) -> int:
    """The coarsest level of an image of (height, width) that is not smaller than another one."""
    return max(i for i, s in enumerate(levels_of(size)) if s.height >= goal[0] and s.width >= goal[1])


def fitted_size(size: tuple[int, int], pixels: int) -> tuple[int, int]:
    """(height, width) of the same shape with at most so many pixels.

    >>> fitted_size((1000, 2000), 200_000)
    (316, 632)
    """
    height, width = size
    if height * width <= pixels:
        return size
    scale = (pixels / (height * width)) ** 0.5
    return max(1, int(height * scale)), max(1, int(width * scale))


def reduced(values: Values, factor: int) -> Values:
    """Means of squares of `factor` pixels a side; those at the right and bottom edge may be smaller."""
    return values if factor == 1 else _each_band(values, lambda image: image.reduce(factor))


def resized(values: Values, size: tuple[int, int]) -> Values:
    """Bring an image to (height, width)."""
    if values.shape[:2] == size:
        return values
    return _each_band(values, lambda image: image.resize((size[1], size[0]), Image.Resampling.BOX))


def _each_band(values: Values, shrink: Callable[[Image.Image], Image.Image]) -> Values:
    """Shrink all bands alike; where a floating-point image has no data (NaN), the pixels that have some count."""
    if values.dtype == np.uint8 and values.shape[2] == 3:
        return np.asarray(shrink(Image.fromarray(np.ascontiguousarray(values))))

    def shrunk(band: NDArray[Any]) -> NDArray[Any]:
        # Pillow calculates with 32 bits of floating point, exact for whole numbers up to 2^24.
        return np.asarray(shrink(Image.fromarray(np.ascontiguousarray(band, np.float32))))

    bands = []
    for band in np.moveaxis(values, 2, 0):
        known = None if band.dtype.kind != "f" else np.isfinite(band)
        if known is None or known.all():
            found = shrunk(band)
        else:
            with np.errstate(invalid="ignore"):
                found = shrunk(np.where(known, band, 0)) / shrunk(known)
        bands.append(found if band.dtype.kind == "f" else np.rint(found).astype(band.dtype))
    return np.stack(bands, axis=2)
