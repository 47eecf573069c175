"""Label maps and maps of values as TIFFs that lie where the image lies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import IGNORE
from pointillist.data.rasters import BLOCK_CACHE
from pointillist.errors import ignoring
from pointillist.inference.prediction import Prediction
from pointillist.inference.writers.base import Result
from pointillist.inference.writers.gis import GisWriter, replacing_by_gdal

BLOCK = 512
"""Side of the blocks of the file."""


class GeoTiff(GisWriter):
    """Class indices with colour table, 255 = no data; band metadata `CLASS_0`, `CLASS_1`, … are the class names."""

    name = "geotiff"
    title = "class indices as a GeoTIFF that lies where the image lies"
    suffix = ".tif"

    def write(self, result: Result, path: Path) -> None:
        """See `Writer.write`."""
        with replacing_by_gdal(path) as temporary, _gdal():
            _write_labels(result, temporary)
            _check(result, temporary, _labels)


class Cog(GisWriter):
    """The same with smaller versions inside, arranged for reading parts of it over a network."""

    name = "cog"
    title = "class indices as a cloud-optimised GeoTIFF, with overviews"
    suffix = "_cog.tif"

    def write(self, result: Result, path: Path) -> None:
        """See `Writer.write`."""
        import rasterio.shutil

        with replacing_by_gdal(path) as temporary, _gdal():
            tiled = temporary.with_suffix(".tiled.tif")
            _write_labels(result, tiled)
            options = {"compress": "deflate", "blocksize": BLOCK, "bigtiff": "if_safer", "num_threads": "all_cpus"}
            rasterio.shutil.copy(tiled, temporary, driver="COG", overview_resampling="mode", **options)
            _check(result, temporary, _labels)


class _MapTiff(GisWriter):
    """Writes the map in `needs` as float32, NaN where the image has no data."""

    def write(self, result: Result, path: Path) -> None:
        """See `Writer.write`."""
        (name,) = self.needs

        def values(strip: Prediction) -> NDArray[np.float32]:
            found: NDArray[np.float32] = getattr(strip, name).astype(np.float32)
            found[strip.labels == IGNORE] = np.nan
            return found

        with replacing_by_gdal(path) as temporary, _gdal():
            # Where noise is to be packed, much more work saves little.
            with _created(result, temporary, "float32", np.nan, predictor=3, zlevel=1) as file:
                file.set_band_description(1, name)
                _fill(file, result, values)
            _check(result, temporary, values)


class GeoTiffConfidence(_MapTiff):
    """The probability of the label."""

    name = "geotiff-confidence"
    title = "the probability of the label as a GeoTIFF of float32"
    suffix = "_confidence.tif"
    needs = frozenset({"confidence"})


class GeoTiffUncertainty(_MapTiff):
    """The entropy of the classes, divided by its largest value."""

    name = "geotiff-uncertainty"
    title = "the entropy of the classes as a GeoTIFF of float32"
    suffix = "_uncertainty.tif"
    needs = frozenset({"uncertainty"})


def _write_labels(result: Result, path: Path) -> None:
    with _created(result, path, "uint8", IGNORE) as file:
        # Before the pixels: GDAL cannot put colours and names in front of them later.
        file.write_colormap(1, dict(enumerate(result.classes.colors)))
        # TIFF has no place for names of values; these survive in the file itself, and every GIS shows them.
        file.update_tags(1, **{f"CLASS_{index}": name for index, name in enumerate(result.classes)})
        file.set_band_description(1, "class")
        _fill(file, result, _labels)


def _labels(strip: Prediction) -> NDArray[np.uint8]:
    return strip.labels


@contextmanager
def _gdal() -> Iterator[None]:
    import rasterio

    # As when reading, see `pointillist.data.rasters`.
    os.environ.setdefault("GDAL_CACHEMAX", str(BLOCK_CACHE))
    # An image without a place is a plain TIFF.
    with ignoring(), rasterio.Env(GDAL_PAM_ENABLED=False):
        yield


def _created(result: Result, path: Path, dtype: str, nodata: float, **options: Any) -> Any:
    """A new TIFF of one band, open for writing."""
    import rasterio

    height, width = result.prediction.size
    options |= {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "bigtiff": "if_safer"}
    options |= {"compress": "deflate", "num_threads": "all_cpus", "nodata": nodata}
    if result.place is not None:
        options |= {"crs": result.place.crs or None, "transform": rasterio.Affine(*result.place.transform)}
    return rasterio.open(path, "w", "GTiff", width, height, 1, dtype=dtype, **options)


def _fill(file: Any, result: Result, values: Callable[[Prediction], NDArray[Any]]) -> None:
    """Write whole rows of blocks, so that none is written twice."""
    for top, strip in result.prediction.strips(BLOCK * file.width):
        file.write(values(strip), 1, window=((top, top + len(strip.labels)), (0, file.width)))


def _check(result: Result, path: Path, values: Callable[[Prediction], NDArray[Any]]) -> None:
    """See that the file holds what it was given: a disk that is full when a file is closed is no error to GDAL.

    Raises:
        OSError: It does not.
    """
    import rasterio

    with rasterio.open(path, driver="GTiff") as file:
        for top, strip in result.prediction.strips(BLOCK * file.width):
            window = ((top, top + len(strip.labels)), (0, file.width))
            if not np.array_equal(file.read(1, window=window), values(strip), equal_nan=True):
                raise OSError("what was written is not whole")
