"""The label map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointillist.classes import ClassSet
from pointillist.inference.predictor import Prediction
from pointillist.inference.writers.base import Writer, save


class Labels(Writer):
    """An indexed PNG like PASCAL VOC's: pixel value = class, palette = class colours."""

    name = "labels"
    title = "class indices at the image's own size"
    suffix = ".png"

    def write(self, prediction: Prediction, image: NDArray[np.uint8], classes: ClassSet, path: Path) -> None:
        """See `Writer.write`."""
        indexed = Image.frombytes("P", image.shape[1::-1], prediction.labels.tobytes())
        indexed.putpalette([part for color in classes.colors for part in color])
        save(indexed, path, "PNG")
