"""Which pixels of an image have data: nobody can be asked about the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointillist.data.images import image_kind, image_size, opened, read_pixels, reads_windows
from pointillist.data.pixels import Pixels, Plane
from pointillist.data.rasters import open_raster
from pointillist.data.regions import InMemory, Region, Source, file_of

AT_ONCE = 2**24
"""Pixels that are read at a time."""


def pixels_with_data(source: Source, *, plane: Plane | None = None) -> NDArray[np.bool_] | None:
    """Where an image has data: not what its file calls "no data", not full transparency, and not NaN in all bands.

    Args:
        source: The image; of a large raster a part is read at a time.
        plane: Which picture of a file with several.

    Returns:
        H×W; None where all pixels have data. Files of colours without transparency are not decoded for that.

    Raises:
        ImageError: It cannot be read.
    """
    if not plane and isinstance(source, Path) and _is_opaque(source):
        return None
    height, width = image_size(source)
    if isinstance(source, InMemory) or plane or height * width <= AT_ONCE or not reads_windows(source):
        found = _valid(read_pixels(source, plane=plane))
    else:
        top, left = (source.top, source.left) if isinstance(source, Region) else (0, 0)
        with open_raster(file_of(source)) as raster:
            if not raster.gaps:
                return None
            found = np.ones((height, width), bool)
            step = max(1, AT_ONCE // width)
            for row in range(0, height, step):
                part = _valid(raster.pixels(top + row, left, min(step, height - row), width))
                if part is not None:
                    found[row : row + step] = part
    return None if found is None or bool(found.all()) else found


def _valid(pixels: Pixels) -> NDArray[np.bool_] | None:
    valid, values = pixels.valid, pixels.values
    if values.dtype.kind != "f":
        return valid
    known: NDArray[np.bool_] = ~np.isnan(values).all(axis=2)
    return known if valid is None else known & valid


def _is_opaque(path: Path) -> bool:
    """Whether a file is a photograph that can have no gap, from its header alone."""
    if path.suffix.lower() in (".tif", ".tiff"):
        return False
    if image_kind(path)[1] != "uint8":
        return False
    with opened(path) as image:
        return not image.has_transparency_data
