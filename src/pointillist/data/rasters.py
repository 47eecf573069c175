"""Rasters by rasterio: any number of bands of any type, whole or a window, from disk at the size that is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.data.pixels import TYPES, Pixels, kind_of
from pointillist.data.regions import Region, Source, file_of
from pointillist.errors import ImageError, PointillistError, ignoring

DRIVERS = ["GTiff", "COG", "PNG", "JPEG", "JP2OpenJPEG", "BMP"]
"""What GDAL may take a file for. Its other kinds can name further files and addresses, and a name proves nothing."""

BLOCK_CACHE = 128
"""Megabytes of decoded blocks that GDAL keeps; its own choice is a share of the machine's memory."""

MOST_CACHE = 2**30
"""Bytes of decoded blocks that are kept where a file is stored in strips, see `OpenRaster.keeping`."""


@dataclass(frozen=True)
class RasterHeader:
    """What a raster says about itself.

    Args:
        size: (height, width).
        bands: Number of bands that are not alpha.
        dtype: NumPy's name of their type.
        names: What the file calls its bands; "" where it does not say.
    """

    size: tuple[int, int]
    bands: int
    dtype: str
    names: tuple[str, ...]


def raster_header(path: Path) -> RasterHeader:
    """Read the header of a raster.

    Raises:
        ImageError: The file is missing or unreadable, or rasterio is not installed.
    """
    with _opened(path, ImageError) as file:
        bands = _bands(file)
        names = tuple(file.descriptions[band - 1] or "" for band in bands)
        return RasterHeader((file.height, file.width), len(bands), file.dtypes[0], names)


def georeference(path: Path) -> tuple[str, tuple[float, float, float, float, float, float]]:
    """What a raster says in itself about where it lies: coordinate system as WKT ("" for none), and transform.

    The transform is as in `pointillist.data.places.Place`; (1, 0, 0, 0, 1, 0) where the file has none.

    Raises:
        ImageError: See `raster_header`.
    """
    with _opened(path, ImageError) as file:
        # The newer WKT says all that there is to say.
        return "" if file.crs is None else file.crs.to_wkt(version="WKT2_2019"), tuple(file.transform)[:6]


def read_raster(source: Source, size: tuple[int, int] | None = None) -> Pixels:
    """Read a raster or a window of it, and no more of the file than its blocks that touch the window.

    Args:
        source: The file, or a window of it.
        size: (height, width) to shrink to while reading, averaged; overviews are used where the file has some.

    Raises:
        ImageError: The file is missing or unreadable, its values are of a type that is not supported, the window
            reaches beyond it, or rasterio is not installed.
    """
    path = file_of(source)
    with _opened(path, ImageError) as file:
        bands = _bands(file)
        _check_types(file, bands, path)
        window = _window(file, source, ImageError)
        return _pixels(file, bands, window, size)


def _pixels(file: Any, bands: list[int], window: Any, size: tuple[int, int] | None = None) -> Pixels:
    options: dict[str, Any] = {"window": window}
    if size is not None:
        from rasterio.enums import Resampling

        options |= {"out_shape": (len(bands), *size), "resampling": Resampling.average}
    values = file.read(bands, **options)
    valid = None
    shape = {} if size is None else {"out_shape": size}
    if any(flag != ["all_valid"] for flag in _flags(file)):
        valid = file.dataset_mask(window=window, **shape) > 0
    for alpha in set(file.indexes) - set(bands):
        # GDAL takes alpha for a mask in two types only.
        opaque = file.read(alpha, window=window, **shape) > 0
        valid = opaque if valid is None else valid & opaque
    return Pixels(np.ascontiguousarray(values.transpose(1, 2, 0)), None if valid is None or valid.all() else valid)


class OpenRaster:
    """A raster that stays open for many windows; see `open_raster`.

    Attributes:
        size: (height, width).
        block: (height, width) of the pieces that the file is stored in; none can be decoded in part.
        overviews: Factors of the smaller versions of the image in the file, in the order of their index.
        gaps: Whether some pixels may have no data.
        plain: Whether the values are brightnesses as they are: no palette, no printing colours, no packed bits.
    """

    def __init__(self, file: Any, path: Path) -> None:
        self._file = file
        self._bands = _bands(file)
        _check_types(file, self._bands, path)
        first = self._bands[0]
        flags = any(flag != ["all_valid"] for flag in _flags(file))
        self.gaps = flags or len(self._bands) < file.count or file.dtypes[0].startswith("float")
        self.size: tuple[int, int] = (file.height, file.width)
        self.block: tuple[int, int] = file.block_shapes[first - 1]
        self.overviews: tuple[int, ...] = tuple(file.overviews(first))
        structure = {**file.tags(ns="IMAGE_STRUCTURE"), **file.tags(first, ns="IMAGE_STRUCTURE")}
        uses = {use.name for use in file.colorinterp}
        odd = {"palette", "cyan", "magenta", "yellow", "black", "Y", "Cb", "Cr"} & uses
        self.plain = not odd and not {"NBITS", "MINISWHITE"} & set(structure)

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """H×W×K of a window inside the image, in the file's type; NaN where a floating-point file has no data."""
        window = ((top, top + height), (left, left + width))
        values = self._file.read(self._bands, window=window)
        if values.dtype.kind == "f" and any(flag != ["all_valid"] for flag in _flags(self._file)):
            values[:, self._file.dataset_mask(window=window) == 0] = np.nan
        return np.ascontiguousarray(values.transpose(1, 2, 0))

    def pixels(self, top: int, left: int, height: int, width: int) -> Pixels:
        """The same window as `read_raster` gives it."""
        return _pixels(self._file, self._bands, ((top, top + height), (left, left + width)))

    @contextmanager
    def keeping(self, rows: int) -> Iterator[None]:
        """Let GDAL keep so many rows of a file in strips, up to `MOST_CACHE`, while the block lasts.

        Who goes through a row of tiles needs all of each strip again and again, and no part of one can be decoded.
        """
        from rasterio.env import Env, get_gdal_config

        row = self.size[1] * (np.dtype(self._file.dtypes[0]).itemsize * self._file.count + self.gaps)
        now = int(get_gdal_config("GDAL_CACHEMAX"))
        wanted = min(row * rows, MOST_CACHE)
        with Env(GDAL_CACHEMAX=wanted) if self.block[1] >= self.size[1] and wanted > now else nullcontext():
            yield


@contextmanager
def open_raster(path: Path, overview: int | None = None) -> Iterator[OpenRaster]:
    """Keep a raster open for the block, for the thread that opened it; `overview` takes one of its smaller versions.

    Raises:
        ImageError: See `read_raster`; also in the block, where a window cannot be read.
    """
    with _opened(path, ImageError, **({} if overview is None else {"overview_level": overview})) as file:
        yield OpenRaster(file, path)


def read_region(region: Region, kind: type[PointillistError] = ImageError) -> NDArray[np.generic]:
    """All bands of a window as they are stored, for a mask.

    Returns:
        H×W×bands, in the file's own type.

    Raises:
        kind: See `read_raster`.
    """
    with _opened(region.path, kind) as file:
        bands: NDArray[np.generic] = file.read(window=_window(file, region, kind))
    return np.ascontiguousarray(bands.transpose(1, 2, 0))


@contextmanager
def _opened(path: Path, kind: type[PointillistError], **options: Any) -> Iterator[Any]:
    try:
        import rasterio
    except ImportError as error:
        raise kind(
            "is a raster or a part of one, and reading it needs rasterio, which is not installed.",
            where=path,
            hint="Install it with: pip install 'pointillist[geo]'.",
        ) from error
    if not path.is_file():
        raise kind("there is no such file.", where=path, hint="Check the path.")
    try:
        # An image without coordinates is as good as one with them.
        with ignoring():
            # Before the first use, and not in an Env: one that ends in another thread would undo it.
            os.environ.setdefault("GDAL_CACHEMAX", str(BLOCK_CACHE))
            # Files beside it (.ovr, .msk, .aux.xml) may be of any kind, and name further files and addresses.
            alone = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": False}
            # Heights are of no use, and GDAL mixes up their datums when it writes them again.
            alone |= {"GDAL_GEOREF_SOURCES": "INTERNAL", "GTIFF_REPORT_COMPD_CS": False}
            with rasterio.Env(**alone), rasterio.DatasetReader(path, driver=DRIVERS, **options) as file:
                yield file
    except MemoryError as error:
        raise kind(f"is too large to open at once ({error}).", where=path, hint="Cut it into parts.") from error
    except rasterio.errors.RasterioError as error:
        raise kind(
            f"is no readable image ({error}).", where=path, hint="It may be truncated; open it in another program."
        ) from error


def _check_types(file: Any, bands: list[int], path: Path) -> None:
    kinds = {file.dtypes[band - 1] for band in bands}
    if len(kinds) > 1 or not kinds <= set(TYPES):
        raise ImageError(
            f"has {kind_of(len(bands), ' and '.join(sorted(kinds)))}.",
            where=path,
            hint=f"Save it with all bands of one type: {', '.join(TYPES)}.",
        )


def _bands(file: Any) -> list[int]:
    from rasterio.enums import ColorInterp

    return [band for band, use in enumerate(file.colorinterp, 1) if use != ColorInterp.alpha] or list(file.indexes)


def _flags(file: Any) -> list[list[str]]:
    return [[flag.name for flag in flags] for flags in file.mask_flag_enums]


def _window(file: Any, source: Source, kind: type[PointillistError]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    if not isinstance(source, Region):
        return None
    window = ((source.top, source.top + source.height), (source.left, source.left + source.width))
    if window[0][1] > file.height or window[1][1] > file.width:
        raise kind(
            f"is {file.width}×{file.height}, so it has no window {window}.",
            where=source.path,
            hint="An image and its mask have the same size.",
        )
    return window
