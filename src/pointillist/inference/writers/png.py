"""The label map as a picture."""

from __future__ import annotations

from pathlib import Path

from pointillist.inference.writers.base import Result, Writer, save_png


class Png(Writer):
    """An indexed PNG like PASCAL VOC's: pixel value = class, palette = class colours."""

    name = "png"
    title = "class indices at the image's own size"
    suffix = ".png"

    def write(self, result: Result, path: Path) -> None:
        """See `Writer.write`."""
        strips = (strip.labels for _, strip in result.prediction.strips())
        # All 256, so that pixels without data have a colour, too.
        palette = [*result.classes.colors, *[(0, 0, 0)] * (256 - len(result.classes))]
        save_png(path, result.prediction.size, strips, palette)
