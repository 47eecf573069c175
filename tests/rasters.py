"""Rasters drawn for tests."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray


def draw(height: int, width: int, bands: int, dtype: str, seed: int = 0) -> NDArray[Any]:
    """H×W×K values all over the range of their type; of floating point, between -1000 and 1000."""
    rng = np.random.default_rng([seed, bands])
    if dtype == "float32":
        return rng.uniform(-1000, 1000, (height, width, bands)).astype(np.float32)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, (height, width, bands), dtype=dtype, endpoint=True)


def write_raster(
    path: Path,
    values: NDArray[Any],
    *,
    tiled: bool = True,
    alpha: bool = False,
    nodata: float | None = None,
    names: tuple[str, ...] = (),
) -> Path:
    """Write H×W×K as a GeoTIFF; skips the test where rasterio is not installed.

    Args:
        path: The file.
        values: Pixels.
        tiled: In tiles of 16×16, else in strips.
        alpha: Whether the last band says how opaque a pixel is.
        nodata: Value that means "no data".
        names: Of the bands.
    """
    rasterio = pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")
    height, width, bands = values.shape
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 16} if tiled else {}
    colors = {"photometric": "RGB", "alpha": "YES"} if alpha else {"photometric": "MINISBLACK"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=bands,
            dtype=values.dtype.name,
            nodata=nodata,
            **layout,
            **colors,
        ) as file:
            file.write(values.transpose(2, 0, 1))
            if names:
                file.descriptions = names
    return path
