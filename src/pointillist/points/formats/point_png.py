"""Point PNGs: one image file per photograph, whose pixel values are class indices.

Pillow is used here to read label files; photographs are never opened in this package.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from pointillist.errors import PointsError, ignoring
from pointillist.files import regular, replacing
from pointillist.points.formats.base import PointFormat, ReadContext, class_index, class_name, translated
from pointillist.points.formats.files import Outputs, label_files
from pointillist.points.formats.options import FormatOptions
from pointillist.points.table import Point, PointTable

MAX_PIXELS = 100_000_000
"""Larger than any photograph; a PNG of a few bytes can claim more."""

MAX_MARKS = 50_000
"""More marks in one image than anybody clicks: this is a mask, or the unlabelled value is another."""

Labels = NDArray[np.integer]


class PointPng(PointFormat):
    """A folder of PNGs called like their images, or one; values are class indices; a pixel stands for its centre.

    Which value means *unlabelled* must be declared: 0, the number of classes and 255 are all in use. Points drawn as
    squares (3×3, 6×6) are declared by `block`; each square is one point at its centre.
    """

    class Options(FormatOptions):
        """What the user says about the files."""

        unlabelled: int | None = Field(default=None, ge=0, le=65535)
        """Value of pixels without a point: 0, 255 or the number of classes, depending on who made the files."""
        block: int = Field(default=1, ge=1, le=64)
        """Side in pixels of the square that stands for one point."""

    name = "point-png"
    title = "PNGs with class indices at the points"
    suffixes = (".png",)
    origin = "pixel"
    tolerance = 0.5
    images_by = "stem"
    one_per_image = True
    options: Options
    required = ("unlabelled",)

    def recognise(self, path: Path) -> bool:
        """Never: a folder of PNGs may be anything, so the format is named by the user."""
        return False

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        unlabelled, block = self.demand("unlabelled", path), self.options.block
        points: list[Point] = []
        listed = []
        for file, image in label_files(path, self.suffixes):
            listed.append(image)
            for x, y, value in marks(read_labels(file), unlabelled, block, file):
                point = Point(image, x, y, class_name(value, context), place=f"{file.name}, ({int(x)}, {int(y)})")
                points.append(translated(point, self.offset - 0.5))
        return PointTable(points, listed=listed)

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        unlabelled, block = self.demand("unlabelled", path), self.options.block
        outputs = Outputs(path, ".png")
        for image in table.listed:
            clicks = [(translated(p, 0.5 - self.offset), class_index(p, context, path)) for p in table.of(image)]
            labels = draw(image, clicks, context.need_size(image, path), unlabelled, block, path)
            write_labels(labels, outputs.file(image))


def read_labels(file: Path) -> Labels:
    """Read an image of indices as H×W.

    Raises:
        PointsError: It is no readable image, too large, or has colours.
    """
    try:
        with ignoring(), Image.open(regular(file, PointsError), formats=("PNG",)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise PointsError(
                    f"has {image.width}×{image.height} pixels.", where=file, hint="Is this the right file?"
                )
            if image.mode not in ("L", "P", "1", "I;16", "I;16B", "I;16L", "I"):
                raise PointsError(
                    f"has pixels of kind '{image.mode}'.",
                    where=file,
                    hint="Point PNGs hold indices: grey or palette.",
                )
            return np.array(image).astype(np.int64 if image.mode == "I" else np.uint16)
    except Image.DecompressionBombError as error:
        raise PointsError(f"is too large ({error}).", where=file, hint="Is this the right file?") from error
    except (OSError, SyntaxError, ValueError, TypeError, EOFError, struct.error, zlib.error) as error:
        raise PointsError(
            f"is no readable image ({str(error)[:200] or type(error).__name__}).",
            where=file,
            hint="It may be truncated; fetch it again.",
        ) from error


def marks(labels: Labels, unlabelled: int, block: int, file: Path) -> list[tuple[float, float, int]]:
    """The points of a label image: continuous corner-based (x, y) and value, in reading order.

    Squares are found from their top-left corners, so that squares that touch stay apart; one that another covers in
    part, or the border cuts, is placed at the middle of what is seen of it.

    Raises:
        PointsError: So many pixels are labelled that these are no points.
    """
    free = labels != unlabelled
    rows, columns = np.nonzero(free)
    if len(rows) > min(MAX_MARKS * block**2, max(block**2, labels.size // 2)):
        values, counts = np.unique(labels, return_counts=True)
        raise PointsError(
            f"{len(rows):,} of {labels.size:,} pixels are labelled.",
            where=file,
            field="unlabelled",
            hint=f"Is this a mask? Or say --set unlabelled={values[counts.argmax()]}, the most frequent value.",
        )
    found = []
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if free[row, column]:
            value = int(labels[row, column])
            window = np.s_[row : row + block, column : column + block]
            inside = free[window] & (labels[window] == value)
            free[window] &= ~inside
            seen_rows, seen_columns = np.nonzero(inside)
            found.append((column + float(seen_columns.mean()) + 0.5, row + float(seen_rows.mean()) + 0.5, value))
    return found


def draw(
    image: str, clicks: list[tuple[Point, int]], size: tuple[int, int], unlabelled: int, block: int, path: Path
) -> NDArray[np.uint16]:
    """A label image with a square per point; a square moves back inside where the border would cut it.

    Raises:
        PointsError: A point lies outside, a class has the unlabelled value, or two points would hide one another.
    """
    height, width = size
    labels = np.full(size, unlabelled, np.uint16)
    taken = np.zeros(size, bool)
    for point, value in clicks:
        place = f"({point.x:g}, {point.y:g}) in image '{image}'"
        if not (0 <= point.x < width and 0 <= point.y < height) or block > min(size):
            raise PointsError(f"{place} lies outside.", where=path, hint="Check the points before writing them.")
        if value == unlabelled or not 0 <= value <= 65535:
            raise PointsError(
                f"the class '{point.label}' has the index {value}, which cannot be drawn.",
                where=path,
                field="unlabelled",
                hint="Set 'unlabelled' to a value that no class has.",
            )
        # Half up, not half to even: points a pixel apart stay apart, and a square of one pixel is the point's own.
        column = min(max(math.floor(point.x - block / 2 + 0.5), 0), width - block)
        row = min(max(math.floor(point.y - block / 2 + 0.5), 0), height - block)
        window = np.s_[row : row + block, column : column + block]
        if taken[window].any():
            raise PointsError(
                f"{place} would cover another point.",
                where=path,
                hint="Draw smaller squares, or choose another format.",
            )
        labels[window], taken[window] = value, True
    return labels


def write_labels(labels: NDArray[np.uint16], file: Path) -> None:
    """Write a label image as PNG with 8 bits, or 16 where a value needs them."""
    values = labels.astype(np.uint8) if labels.max(initial=0) < 256 else labels
    with replacing(file) as temporary:
        Image.fromarray(values).save(temporary, format="PNG")
