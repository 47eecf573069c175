"""The label map as a picture."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from pointillist.inference.writers.base import Result, Writer, save


class Png(Writer):
    """An indexed PNG like PASCAL VOC's: pixel value = class, palette = class colours."""

    name = "png"
    title = "class indices at the image's own size"
    suffix = ".png"

    def write(self, result: Result, path: Path) -> None:
        """See `Writer.write`."""
        # Not a copy: Pillow reads the rows of a large image from its file.
        indexed = Image.frombuffer("P", result.prediction.size[::-1], result.prediction.labels, "raw", "P", 0, 1)
        indexed.putpalette([part for color in result.classes.colors for part in color])
        save(indexed, path, "PNG")
