"""Images, labels and maps at another size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Box = tuple[float, float, float, float]
"""Top, left, bottom, right of a part of an image, corner-based, in pixels and fractions of them."""


def resize_image(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resize H×W×K uint8 or uint16 with an antialiasing filter, so that shrinking keeps thin things visible."""
    if image.shape[:2] == size:
        return image
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR))
    # Values stay in range: the filter has no negative weights.
    resized = resize_bands(image.transpose(2, 0, 1), size)
    back: NDArray[Any] = resized.transpose(1, 2, 0).round().astype(image.dtype)
    return back


def resize_bands(bands: NDArray[Any], size: tuple[int, int], box: Box | None = None) -> NDArray[np.float32]:
    """Resize K×H×W with the same filter, in floating point, all of it or a part.

    A part of an image comes out as the same part of the whole image would, where the pixels around it are there.

    Args:
        bands: K×H×W of any type.
        size: (height, width) to reach.
        box: Which part.

    Returns:
        K×height×width float32.
    """
    shape = bands.shape[1:]
    if box is None and shape == size:
        return np.asarray(bands, dtype=np.float32)
    corners = None if box is None else (box[1], box[0], min(box[3], shape[1]), min(box[2], shape[0]))
    found = np.empty((len(bands), *size), np.float32)
    for band, resized in zip(bands, found, strict=True):
        picture = Image.fromarray(np.ascontiguousarray(band, dtype=np.float32))
        resized[:] = np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR, corners))
    return found


def resize_labels(labels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resize H×W labels or booleans; each pixel takes the value under its centre, nothing is mixed."""
    if labels.shape == size:
        return labels
    rows, columns = (under_centres(*sides) for sides in zip(labels.shape, size, strict=True))
    return labels[rows[:, None], columns]


def under_centres(own: int, size: int) -> NDArray[np.int64]:
    """Which of `own` rows or columns lies under the centre of each of `size`, when they cover the same length."""
    return ((2 * np.arange(size) + 1) * own) // (2 * size)
