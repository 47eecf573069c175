"""What all outputs share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointillist.classes import ClassSet
from pointillist.files import replacing
from pointillist.inference.predictor import Prediction

MAPS = "confidence and uncertainty: 8-bit grey, 255 = 1"
"""What the manifest says about maps."""


class Writer(ABC):
    """Writes one file for each image.

    Attributes:
        name: What the user types; in the manifest, the key of the file.
        title: One line for listings.
        suffix: What takes the place of the image's suffix, such as `.png` or `_overlay.jpg`.
        needs: Maps that the prediction must have; each takes time and memory.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffix: ClassVar[str]
    needs: ClassVar[frozenset[Literal["confidence", "uncertainty"]]] = frozenset()

    @abstractmethod
    def write(self, prediction: Prediction, image: NDArray[np.uint8], classes: ClassSet, path: Path) -> None:
        """Write the file.

        Args:
            prediction: With the maps in `needs`.
            image: H×W×3, as the model saw it.
            classes: In the order of the labels.
            path: Where to; its folder exists.

        Raises:
            SaveError: It cannot be written.
        """


class MapWriter(Writer):
    """Writes the map in `needs`, of values in [0, 1], as 8-bit grey, 255 = 1."""

    def write(self, prediction: Prediction, image: NDArray[np.uint8], classes: ClassSet, path: Path) -> None:
        """See `Writer.write`."""
        (values,) = (getattr(prediction, name) for name in self.needs)
        save(Image.fromarray(np.rint(values * 255).astype(np.uint8)), path, "PNG")


def save(picture: Image.Image, path: Path, kind: str, **options: Any) -> None:
    """Write a picture at once or not at all.

    Raises:
        SaveError: It cannot be written.
    """
    with replacing(path) as temporary:
        picture.save(temporary, format=kind, **options)
