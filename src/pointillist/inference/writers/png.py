"""Label maps and maps of numbers as PNG, and the overlay picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointillist.classes import ClassSet
from pointillist.files import replacing


def write_labels(labels: NDArray[np.uint8], classes: ClassSet, path: Path) -> None:
    """Write H×W class indices as an indexed PNG like PASCAL VOC's: pixel value = class, palette = class colours."""
    indexed = Image.frombytes("P", (labels.shape[1], labels.shape[0]), labels.tobytes())
    indexed.putpalette([part for color in classes.colors for part in color])
    _save(indexed, path, "PNG")


def write_map(values: NDArray[np.float32], path: Path) -> None:
    """Write H×W values in [0, 1] as 8-bit grey, 255 = 1."""
    _save(Image.fromarray(np.rint(values * 255).astype(np.uint8)), path, "PNG")


def write_overlay(image: NDArray[np.uint8], labels: NDArray[np.uint8], classes: ClassSet, path: Path) -> None:
    """Write the image with its classes as a translucent layer, as a JPEG."""
    _save(Image.fromarray(overlay(image, labels, classes)), path, "JPEG")


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


def _save(image: Image.Image, path: Path, kind: str) -> None:
    with replacing(path) as temporary:
        image.save(temporary, format=kind, **({"quality": 90} if kind == "JPEG" else {}))
