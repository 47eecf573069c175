"""The overlay picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointillist.classes import ClassSet
from pointillist.inference.writers.base import Result, Writer, save

LARGEST = 8192
"""Side of the largest overlay; no viewer likes larger JPEGs, and above 65,535 there are none."""


class Overlay(Writer):
    """A JPEG to look at; that of an image of more than `LARGEST` pixels a side is smaller than the image."""

    name = "overlay"
    title = "the image under the colours of its classes"
    suffix = "_overlay.jpg"

    def write(self, result: Result, path: Path) -> None:
        """See `Writer.write`."""
        step = -(-max(result.prediction.size) // LARGEST)
        parts = []
        for top, strip in result.prediction.strips():
            rows = slice(-top % step, None, step)
            picture = result.picture(top, top + len(strip.labels))
            parts.append(overlay(picture[rows, ::step], strip.labels[rows, ::step], result.classes))
        save(Image.fromarray(np.concatenate(parts)), path, "JPEG", quality=90)


def overlay(
    image: NDArray[np.uint8], labels: NDArray[np.uint8], classes: ClassSet, strength: float = 0.5
) -> NDArray[np.uint8]:
    """Blend class colours over an image, in blocks of rows, so that large images need little memory.

    Args:
        image: H×W×3.
        labels: H×W class indices; other values leave the image as it is.
        classes: Their colours.
        strength: Share of the colour.
    """
    table = np.zeros((256, 3), dtype=np.float32)
    table[: len(classes)] = classes.colors
    mixed = np.empty_like(image)
    for top in range(0, len(image), 256):
        rows = slice(top, top + 256)
        share = np.where(labels[rows] < len(classes), strength, 0.0)[..., None].astype(np.float32)
        mixed[rows] = np.rint(image[rows] * (1 - share) + table[labels[rows]] * share).astype(np.uint8)
    return mixed
