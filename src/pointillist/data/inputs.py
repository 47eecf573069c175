"""How images become what a network sees: which bands, and at what scale; the same in training and afterwards."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.data.bands import RGB, Bands
from pointillist.data.pixels import Pixels
from pointillist.data.resize import Box, resize_bands, resize_image, resize_labels

MOST_FACTOR = 16.0
"""No model sees images at more than so many times their size, unless they fit into its box."""


@dataclass(frozen=True)
class Scale:
    """From the size of an image to the size at which a network sees it.

    Args:
        box: (height, width) each image is fitted into, keeping its shape; None for the image's own size.
        least: Smallest factor.
        most: Largest factor.
    """

    box: tuple[int, int] | None = None
    least: float = 0.0
    most: float = math.inf

    @classmethod
    def of(cls, factor: float) -> Scale:
        """The same factor for all images."""
        return cls(None, factor, factor)

    def factor(self, size: tuple[int, int]) -> float:
        """By which an image of (height, width) is made larger."""
        wanted = 1.0 if self.box is None else min(self.box[0] / size[0], self.box[1] / size[1])
        return min(max(wanted, self.least), self.most)

    def size_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) at which an image of (height, width) is seen.

        >>> Scale(box=(160, 160)).size_of((480, 640)), Scale.of(0.5).size_of((480, 640))
        ((120, 160), (240, 320))
        """
        factor = self.factor(size)
        return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


@dataclass(frozen=True)
class InputSpec:
    """What a network has learnt to see.

    Args:
        bands: Of the images.
        scale: At which they are seen.
    """

    bands: Bands = RGB
    scale: Scale = Scale()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        box, least, most = self.scale.box, self.scale.least, self.scale.most
        return {
            "size": None if box is None else list(box),
            "scale": [least, most if math.isfinite(most) else None],
            "bands": self.bands.to_dict(),
        }

    def array(self, pixels: Pixels) -> NDArray[np.float32]:
        """An image as `Bands.read` gives it, at this scale: K×h×w float32 in [0, 1], grey where there is no data."""
        size = self.scale.size_of(pixels.shrunk_from or pixels.size)
        if pixels.shrunk_from is not None:
            # What was lost does not come back, and a large image might not fit into memory.
            size = min(size, pixels.size)
        valid = None if pixels.valid is None else resize_labels(pixels.valid, size)
        return shares(pixels.values, valid, size)


def shares(
    values: NDArray[Any], valid: NDArray[np.bool_] | None, size: tuple[int, int], box: Box | None = None
) -> NDArray[np.float32]:
    """K×height×width float32 in [0, 1] of H×W×K as `Bands.read` gives them, grey where it is not valid.

    Args:
        values: The image, or enough of it around the part that is wanted.
        valid: height×width.
        size: (height, width) to reach.
        box: Which part, see `resize_bands`.
    """
    found: NDArray[np.float32] = resize_bands(values.transpose(2, 0, 1), size, box)
    found /= np.iinfo(values.dtype).max
    if valid is not None:
        found[:, ~valid] = 0.5
    return found


def at_size(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """An image as `Bands.read` gives it, at (height, width), grey where there is no data."""
    values = resize_image(pixels.values, size)
    if pixels.valid is None:
        return Pixels(values)
    valid = resize_labels(pixels.valid, size)
    grey = values.dtype.type(np.iinfo(values.dtype).max // 2)
    return Pixels(np.where(valid[:, :, None], values, grey), valid)
