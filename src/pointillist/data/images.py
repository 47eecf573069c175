"""Opening images: every kind a folder of photos may hold becomes H×W×3 uint8, upright."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin

from pointillist.data.headers import plain_size
from pointillist.data.regions import Region, Source, read_region
from pointillist.errors import ImageError, PointillistError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"})
"""File name endings that count as images, lower case."""

_ORIENTATION = 0x0112
_TIFF_WIDTH, _TIFF_HEIGHT = 0x0100, 0x0101
_SIDEWAYS = {5, 6, 7, 8}


def read_image(path: Source) -> NDArray[np.uint8]:
    """Read an image as H×W×3 uint8 RGB, turned upright by its EXIF orientation.

    Grey is repeated over the channels, an alpha channel is dropped, 16-bit values are divided by 257 so that the full
    range stays the full range.

    Args:
        path: The file, or a window of a large one (read as it is stored: such files carry no orientation).

    Raises:
        ImageError: Missing, unreadable, truncated, or of a kind that has no obvious colours (floating point).
    """
    if isinstance(path, Region):
        return _colors(read_region(path), path.path)
    with opened(path) as image:
        # Read before anything is asked of it: some readers know of damage, or of the orientation, only at the end.
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.mode in ("I;16", "I;16B", "I;16L", "I"):
            values = np.asarray(upright).astype(np.int64)
            if values.min() < 0 or values.max() > 65535:
                raise ImageError(
                    f"has 32-bit values from {values.min()} to {values.max()}.",
                    where=path,
                    hint="Save it with 8 or 16 bits per channel.",
                )
            return _colors(values[..., None].astype(np.uint16), path)
        if upright.mode == "F":
            raise ImageError("has floating-point pixels.", where=path, hint="Save it with 8 or 16 bits per channel.")
        return np.array(upright.convert("RGB"))


def _colors(bands: NDArray[np.generic], path: Path) -> NDArray[np.uint8]:
    """H×W×3 uint8 from the bands of a window: one is grey, of more the first three are red, green and blue."""
    if bands.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"has {bands.dtype} pixels.", where=path, hint="Save it with 8 or 16 bits per channel.")
    low = bands if bands.dtype == np.uint8 else bands.astype(np.uint16) // 257
    colors = low[..., :3] if low.shape[2] >= 3 else np.repeat(low[..., :1], 3, axis=2)
    return np.ascontiguousarray(colors.astype(np.uint8))


def image_size(path: Source) -> tuple[int, int]:
    """(height, width) of the upright image, without decoding its pixels.

    Raises:
        ImageError: Missing or unreadable.
    """
    if isinstance(path, Region):
        return path.height, path.width
    with suppress(OSError):
        if (size := plain_size(path)) is not None:
            return size
    with opened(path) as image:
        width, height = image.size
        # The size of a TIFF is the upright one already, or not, depending on Pillow's version; its tags say what is so.
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            width, height = image.tag_v2[_TIFF_WIDTH], image.tag_v2[_TIFF_HEIGHT]
        # Only JPEG, TIFF, WebP and PNG can carry an orientation, and asking the others costs little.
        sideways = image.getexif().get(_ORIENTATION) in _SIDEWAYS
        return (width, height) if sideways else (height, width)


@contextmanager
def opened(path: Path, kind: type[PointillistError] = ImageError) -> Iterator[Image.Image]:
    """Open an image file for the block; whatever Pillow finds wrong with it becomes one `kind` of error.

    Raises:
        kind: Missing, unreadable, truncated, or larger than Pillow's guard against decompression bombs.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                yield image
    except FileNotFoundError as error:
        raise kind("there is no such file.", where=path, hint="Check the path.") from error
    except Image.DecompressionBombError as error:
        raise kind(
            f"is too large to open at once ({error}).", where=path, hint="Cut it into tiles of at most 10,000 px."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise kind(
            f"is no readable image ({str(error) or type(error).__name__}).",
            where=path,
            hint="It may be truncated or of another type than its name says; replace or remove it.",
        ) from error
