"""Opening images: whatever its kind, an image becomes its pixels, upright, in the file's own type."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pointillist.data.headers import is_deep_png, plain_size
from pointillist.data.pixels import Pixels, Plane, kind_of
from pointillist.data.rasters import raster_header, read_raster
from pointillist.data.regions import InMemory, Part, Region, Source, file_of
from pointillist.data.stacks import read_stack
from pointillist.data.tiffs import TiffHeader, tiff_header
from pointillist.errors import ImageError, ImageWarning, PointillistError, ignoring
from pointillist.files import regular

HEIF = frozenset({".heic", ".heif"})
"""What phones write; pillow-heif reads it."""

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp", ".avif", ".jp2", ".j2k", ".gif"}
) | (HEIF if find_spec("pillow_heif") else frozenset())
"""File name endings that count as images, lower case."""

_FORMATS = ("PNG", "JPEG", "MPO", "TIFF", "BMP", "WEBP", "AVIF", "JPEG2000", "GIF", "HEIF")
"""Pillow's names of what `SUFFIXES` stand for."""

_TIFF = (".tif", ".tiff")
_STRIP = 2**22  # pixels that are converted together
Value = TypeVar("Value", bound=np.generic)
_ORIENTATION = 0x0112
_SIDEWAYS = {5, 6, 7, 8}


def read_image(path: Source | str, *, plane: Plane | None = None) -> NDArray[Any]:
    """Read an image as H×W×K in its file's own type, turned upright by its EXIF orientation.

    Photographs of 8 bits, grey ones too, are H×W×3 uint8 in the order red, green, blue.

    Args:
        path: The file, or a window of a large one (read as it is stored: such files carry no orientation).
        plane: Which picture of a file with several, for example {"page": 2}.

    Raises:
        ImageError: Missing, unreadable, truncated, or of several pictures of which none is chosen.
    """
    values = read_pixels(Path(path) if isinstance(path, str) else path, plane=plane).values
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 and values.dtype == np.uint8 else values


def read_pixels(source: Source, *, plane: Plane | None = None, size: tuple[int, int] | None = None) -> Pixels:
    """Read an image or a window of one, with what the file says about pixels without data.

    Args:
        source: Where it is.
        plane: Which picture of a file with several.
        size: (height, width); a raster that is larger than that is shrunk to it while it is read.

    Raises:
        ImageError: See `read_image`.
    """
    if isinstance(source, InMemory):
        return _part(source.read(), source)
    path = regular(file_of(source), ImageError)
    header = _tiff_header(path)
    if header is not None and (header.stack or plane):
        stack = read_stack(path, plane or {})
        return _part(stack, source) if isinstance(source, Region) else stack
    raster = _deep_png(path) if header is None else _is_raster(path, header)
    if raster or (isinstance(source, Region) and reads_windows(source)):
        return read_raster(source, size)
    photo = _read_photograph(path)
    return _part(photo, source) if isinstance(source, Region) else photo


def on_a_map(source: Source) -> bool:
    """Whether an image says where on the earth it lies."""
    with suppress(ImageError):  # a damaged one is named when it is read
        header = None if isinstance(source, InMemory) else _tiff_header(file_of(source))
        return header is not None and header.on_a_map
    return False


def reads_windows(source: Source) -> bool:
    """Whether windows are had without the rest: in memory, and of TIFF that is stored upright, by rasterio."""
    if isinstance(source, InMemory):
        return True
    header = _tiff_header(file_of(source))
    if header is None or header.stack or header.orientation != 1 or not find_spec("rasterio"):
        return False
    return header.direct or not header.plain


def _part(whole: Pixels, window: Part) -> Pixels:
    valid = None if whole.valid is None else _inside(whole.valid, window)
    return Pixels(np.ascontiguousarray(_inside(whole.values, window)), valid)


def _inside(values: NDArray[Value], window: Part) -> NDArray[Value]:
    inside = values[window.top : window.top + window.height, window.left : window.left + window.width]
    if inside.shape[:2] != (window.height, window.width):
        found = f"is {values.shape[1]}×{values.shape[0]}, so it has no window of this place and size."
        raise ImageError(found, where=file_of(window), hint="Give a window inside the image.")
    return inside


def image_size(path: Source) -> tuple[int, int]:
    """(height, width) of the upright image, without decoding its pixels.

    Raises:
        ImageError: Missing or unreadable.
    """
    if not isinstance(path, Path):
        return path.height, path.width
    regular(path, ImageError)
    with suppress(OSError):
        if (size := plain_size(path)) is not None:
            return size
    header = _tiff_header(path)
    if header is not None:
        return header.size[::-1] if header.orientation in _SIDEWAYS else header.size
    with opened(path) as image:
        width, height = image.size
        # Only JPEG, WebP and PNG can carry an orientation, and asking the others costs little.
        sideways = image.getexif().get(_ORIENTATION) in _SIDEWAYS
        return (width, height) if sideways else (height, width)


def image_kind(source: Source, *, plane: Plane | None = None) -> tuple[int, str, tuple[str, ...]]:
    """(bands, type, names of the bands where the file has some) of an image, mostly from its header.

    Grey photographs of 8 bits count as having three bands, as in `read_image`.

    Raises:
        ImageError: Missing or unreadable, or of several pictures of which none is chosen.
    """
    if isinstance(source, InMemory):
        grey = (source.bands, source.dtype) == (1, "uint8")
        return 3 if grey else source.bands, source.dtype, ()
    path = regular(file_of(source), ImageError)
    header = _tiff_header(path)
    if header is not None and (header.stack or plane):
        values = read_stack(path, plane or {}).values
        return values.shape[2], values.dtype.name, ()
    if header is not None and header.plain:
        return 3, "uint8", ()
    if header is not None:
        if find_spec("rasterio"):
            raster = raster_header(path)
            return raster.bands, raster.dtype, raster.names
        return header.bands, header.dtype, ()
    if _deep_png(path):
        deep = raster_header(path)
        return deep.bands, deep.dtype, deep.names
    with opened(path) as image:
        if image.mode in _DEEP:
            return 1, _deep_type(image), ()
    return 3, "uint8", ()


def _deep_png(path: Path) -> bool:
    """Whether a file is a PNG that rasterio has to read."""
    with suppress(OSError):
        if path.suffix.lower() == ".png" and is_deep_png(path):
            if find_spec("rasterio") is None:
                found = "is a PNG in colour with 16 bits, and reading that needs rasterio, which is not installed."
                raise ImageError(found, where=path, hint="Install it with: pip install 'pointillist[geo]'.")
            return True
    return False


def _tiff_header(path: Path) -> TiffHeader | None:
    if path.suffix.lower() in _TIFF and path.is_file():
        with suppress(OSError):
            return tiff_header(path)
    return None


def _is_raster(path: Path, header: TiffHeader) -> bool:
    """Whether a TIFF of one page is for rasterio: all that Pillow does not read, and what is too large for it."""
    large = header.size[0] * header.size[1] > (Image.MAX_IMAGE_PIXELS or float("inf"))
    if header.plain and not (header.direct and (large or header.gaps)):
        return False
    if not find_spec("rasterio"):
        if header.bands == 1 and header.dtype in ("uint16", "float32", "int32"):
            return False
        raise ImageError(
            f"has {kind_of(header.bands, header.dtype)}{' and pixels without data' if header.gaps else ''}, "
            "and reading that needs rasterio, which is not installed.",
            where=path,
            hint="Install it with: pip install 'pointillist[geo]'.",
        )
    if header.orientation != 1:
        found = f"is stored sideways or mirrored (orientation {header.orientation})."
        raise ImageError(found, where=path, hint="Save it upright.")
    return True


_DEEP = {"I;16": "uint16", "I;16B": "uint16", "I;16L": "uint16", "I": "int32", "F": "float32"}
"""Modes of Pillow with one band of more than 8 bits."""


def _deep_type(image: Image.Image) -> str:
    # Older versions of Pillow open a PNG of 16 bits as one of 32.
    return "uint16" if image.format == "PNG" else _DEEP[image.mode]


def _read_photograph(path: Path) -> Pixels:
    with opened(path) as image:
        if getattr(image, "n_frames", 1) > 1:
            text = f"{image.format} files with several frames: the first frame of each is used."
            warnings.warn(text, ImageWarning, stacklevel=2)
        # Read before anything is asked of it: some readers know of damage, or of the orientation, only at the end.
        image.load()
        return photograph(image)


def photograph(image: Image.Image) -> Pixels:
    """Pixels of an open image, turned upright: one band of grey or of more than 8 bits, else red, green and blue."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode in _DEEP:
        return Pixels(np.array(upright).astype(_deep_type(image), copy=False)[:, :, None])
    valid = None
    if upright.has_transparency_data:
        valid = np.empty(upright.size[::-1], bool)
        for rows, strip in _strips(upright):
            valid[rows] = np.asarray(strip.convert("RGBA").getchannel("A")) > 0
        valid = None if valid.all() else valid
    mode = "L" if upright.mode in ("1", "L", "LA") else "RGB"
    values = np.empty((*upright.size[::-1], 1 if mode == "L" else 3), np.uint8)
    for rows, strip in _strips(upright):
        values[rows] = np.asarray(strip.convert(mode)).reshape(values[rows].shape)
    return Pixels(values, valid)


def _strips(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """An image from top to bottom: Pillow takes several times as much for a conversion as it has pixels."""
    width, height = image.size
    step = max(1, _STRIP // width)
    for top in range(0, height, step):
        bottom = min(height, top + step)
        yield slice(top, bottom), image if bottom - top == height else image.crop((0, top, width, bottom))


@contextmanager
def opened(path: Path, kind: type[PointillistError] = ImageError) -> Iterator[Image.Image]:
    """Open an image file for the block; whatever Pillow finds wrong with it becomes one `kind` of error.

    Raises:
        kind: Missing, unreadable, truncated, or larger than Pillow's guard against decompression bombs.
    """
    regular(path, kind)
    if path.suffix.lower() in HEIF:
        _prepare_heif(path, kind)
    try:
        with ignoring(), Image.open(path, formats=_readers()) as image:
            yield image
    except Image.DecompressionBombError as error:
        raise kind(
            f"is too large to open at once ({error}).",
            where=path,
            hint="Save it as a TIFF of plain colours, which is read in windows.",
        ) from error
    except (OSError, SyntaxError, ValueError, TypeError, EOFError, struct.error, zlib.error) as error:
        raise kind(
            f"is no readable image ({str(error) or type(error).__name__}).",
            where=path,
            hint="It may be truncated or of another type than its name says; open it in another program.",
        ) from error


@cache
def _readers() -> tuple[str, ...]:
    """Those of Pillow's readers that are wanted, whatever a file is called: others start programs (Ghostscript)."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _prepare_heif(path: Path, kind: type[PointillistError]) -> None:
    try:
        import pillow_heif
    except ImportError as error:
        raise kind(
            "is a HEIC image, and reading it needs pillow-heif, which is not installed.",
            where=path,
            hint="Install it with: pip install 'pointillist[heif]', or save it as JPEG.",
        ) from error
    pillow_heif.register_heif_opener()
    _readers.cache_clear()
