"""Opening images: every kind a folder of photos may hold becomes H×W×3 uint8, upright."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pointillist.errors import ImageError, PointillistError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"})
"""File name endings that count as images, lower case."""

_ORIENTATION = 0x0112
_SIDEWAYS = {5, 6, 7, 8}


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image as H×W×3 uint8 RGB, turned upright by its EXIF orientation.

    Grey is repeated over the channels, an alpha channel is dropped, 16-bit values are divided by 257 so that the full
    range stays the full range.

    Raises:
        ImageError: Missing, unreadable, truncated, or of a kind that has no obvious colours (floating point).
    """
    with opened(path) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode in ("I;16", "I;16B", "I;16L", "I"):
            values = np.asarray(upright).astype(np.int64)
            if values.min() < 0 or values.max() > 65535:
                raise ImageError(
                    f"has 32-bit values from {values.min()} to {values.max()}.",
                    where=path,
                    cure="Save it with 8 or 16 bits per channel.",
                )
            grey = (values // 257).astype(np.uint8)
            return np.repeat(grey[:, :, None], 3, axis=2)
        if upright.mode == "F":
            raise ImageError("has floating-point pixels.", where=path, cure="Save it with 8 or 16 bits per channel.")
        return np.array(upright.convert("RGB"))


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) of the upright image, from its header alone.

    Raises:
        ImageError: Missing or unreadable.
    """
    with opened(path) as image:
        width, height = image.size
        # Only JPEG, TIFF, WebP and PNG can carry an orientation, and asking costs little.
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
        raise kind("there is no such file.", where=path, cure="Check the path.") from error
    except Image.DecompressionBombError as error:
        raise kind(
            f"is too large to open at once ({error}).", where=path, cure="Cut it into tiles of at most 10,000 px."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise kind(
            f"is no readable image ({str(error) or type(error).__name__}).",
            where=path,
            cure="It may be truncated or of another type than its name says; replace or remove it.",
        ) from error
