"""Where on the earth an image lies."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from pointillist.data.rasters import georeference
from pointillist.data.regions import InMemory, Region, Source, file_of
from pointillist.points.places import Place

__all__ = ["Place", "place_of"]

SUFFIXES = (".tif", ".tiff", ".jp2", ".j2k")
"""Of files that can say in themselves where they lie."""

NOWHERE = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""What libraries give as transform of files without one."""


def place_of(source: Source) -> Place | None:
    """Where an image lies, or a window of one; None where its file does not say.

    Files beside it (`.tfw`, `.aux.xml`) are not asked. Without rasterio nothing is known.

    Raises:
        ImageError: The file is missing or unreadable.
    """
    path = file_of(source)
    if isinstance(source, InMemory) or path.suffix.lower() not in SUFFIXES or not find_spec("rasterio"):
        return None
    crs, transform = georeference(path)
    a, b, c, d, e, f = transform
    if transform == NOWHERE or not np.isfinite(transform).all() or a * e == b * d:
        return None
    if isinstance(source, Region):
        x, y = source.left, source.top
        transform = (a, b, a * x + b * y + c, d, e, d * x + e * y + f)
    return Place(crs, transform)
