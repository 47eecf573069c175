"""napari: CSV of a Points layer, (y, x), one file per image."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from pointillist.points.formats.attributes import label_or_question, table_of
from pointillist.points.formats.base import PointFormat, ReadContext, translated
from pointillist.points.formats.files import CsvFile, Outputs, head, label_files, write_csv_rows
from pointillist.points.formats.options import FormatOptions
from pointillist.points.formats.writable import MAX_POINTS
from pointillist.points.table import Point, PointTable

_AXES = ("axis-0", "axis-1")
_STACK = (*_AXES, "axis-2")
CLASS_COLUMNS = ("class", "label", "name", "category")
"""What a column that names the class is called; the first that is there."""


class Napari(PointFormat):
    """A folder of CSV files, or one: `index,axis-0,axis-1,…`; axis-0 is **y**; pixel indices, hence + 0.5.

    napari puts the centre of the first pixel at (0, 0). The file does not name its image, so it must be called like it.
    Properties of the layer are kept as further columns.

    A layer on a stack has y in axis-1 and x in axis-2. What its axis-0 counts is not in the file: the images of a
    folder, opened as one stack, or the planes of one image. The user must say which.

    Source: napari documentation, *Points layer*, and its built-in CSV writer.
    """

    class Options(FormatOptions):
        """What the user says about the files."""

        column: str | None = None
        """Column that names the class; class, label, name or category when not given."""
        label: str | None = None
        """Class of every point, for layers without such a column."""
        stack: Literal["image", "plane"] | None = None
        """For layers on a stack: whether axis-0 counts the data set's images, sorted by name, or the planes of one."""
        plane: int | None = None
        """For a stack of planes: the plane that the data set has, counted from 0; points of others are left out."""
        order: Literal["text", "number"] | None = None
        """How a stack of images was sorted, where it matters: 10 before 2, as text, or 2 before 10, as numbers."""

    name = "napari"
    title = "napari points CSV (y, x), a folder of files or one"
    suffixes = (".csv",)
    origin = "pixel"
    tolerance = 1e-9
    images_by = "stem"
    one_per_image = True
    keeps = "all"
    keeps_unnamed = True
    options: Options

    def recognise(self, path: Path) -> bool:
        """A header line with `axis-0`."""
        return "axis-0" in head(path, self.suffixes, in_folder=True).split("\n", 1)[0]

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        points: list[Point] = []
        listed: list[str] = []
        columns: dict[str, None] = {}
        skipped: Counter[str] = Counter()
        for path_of_image, image in label_files(path, self.suffixes):
            listed.append(image)
            file = CsvFile(path_of_image, "Save the layer again.", _AXES)
            is_stack = tuple(name for name in file.header if name.startswith("axis-")) == _STACK
            column = self._class_column(file, _STACK if is_stack else _AXES)
            columns |= dict.fromkeys(_extra(file.header, column))
            named = self._stack(file, image, context) if is_stack else None
            if is_stack and self.options.stack == "image":
                listed.pop()
            for cells in file:
                if len(points) > MAX_POINTS:
                    break
                found = image if named is None else named(file.number(cells, _STACK[0]))
                if found is None:
                    skipped["point between images or on another plane"] += 1
                else:
                    axes = _STACK[1:] if is_stack else _AXES
                    points.append(self._point(cells, file, found, column, axes))
        return table_of(points, columns, listed=listed, skipped=skipped)

    def _stack(self, file: CsvFile, image: str, context: ReadContext) -> Callable[[float], str | None]:
        """What gives the image of a point by its place in a stack, None for a point that is on no wanted plane.

        Raises:
            PointsError: The user did not say what axis-0 is, or there is no telling which image is which.
        """
        if self.options.stack is None:
            raise file.fail(
                "is of a stack, and does not say what its axis-0 counts.",
                "Say --set stack=image for images opened as one stack, or --set stack=plane --set plane=NUMBER for the "
                "planes of one image.",
                _STACK[0],
            )
        if self.options.stack == "plane":
            plane = self.demand("plane", file.path)
            return lambda index: image if index == plane else None
        images = self._in_order(context.images, file)

        def nth(index: float) -> str | None:
            if index >= len(images) or index < 0:
                raise file.fail(
                    f"is of a stack of more than the {len(images):,} images at hand.",
                    "Name the data set with the images of the stack, no more and no fewer.",
                    _STACK[0],
                )
            return images[int(index)] if index.is_integer() else None

        return nth

    def _in_order(self, images: Sequence[str], file: CsvFile) -> Sequence[str]:
        if not images:
            raise file.fail(
                "is of a stack of images, but the images are not known.",
                "Name the data set or the folder of its images.",
                _STACK[0],
            )
        orders = {"text": sorted(images), "number": sorted(images, key=_by_number)}
        if self.options.order is None and orders["text"] != orders["number"]:
            first, second = next(pair for pair in zip(*orders.values(), strict=True) if pair[0] != pair[1])
            raise file.fail(
                f"is of a stack of images, and '{first}' and '{second}' change places with the way names are sorted.",
                "Say --set order=text or --set order=number.",
                _STACK[0],
            )
        return orders[self.options.order or "text"]

    def _class_column(self, file: CsvFile, wanted: tuple[str, ...]) -> str | None:
        header = file.header
        axes = [name for name in header if name.startswith("axis-")]
        if tuple(axes) != wanted or len(set(header)) < len(header) or "vertex-index" in header:
            raise file.fail(
                f"the columns are {', '.join(header)[:200]}.",
                "A layer of points has axis-0 (y) and axis-1 (x), once, on a stack one axis more, and no vertex-index.",
            )
        column = self.options.column or next((name for name in CLASS_COLUMNS if name in header), None)
        if column not in header and self.options.label is None:
            raise file.fail(
                f"no column names the class; there are {', '.join(header)[:200]}.",
                "Name it with --set column=NAME, or give all points one class with --set label=NAME.",
            )
        return column

    def _point(
        self, cells: dict[str, str], file: CsvFile, image: str, column: str | None, axes: tuple[str, ...]
    ) -> Point:
        y, x = (file.number(cells, axis) for axis in axes)
        extra = {name: cells[name] for name in _extra(file.header, column)}
        label = label_or_question((self.options.label or cells[column or ""]).strip(), extra)
        if label is None:
            raise file.fail("is empty.", "Give this point a class.", column)
        place = f"{file.path.name}, line {file.line}"
        return translated(Point(image, x, y, label, extra, file.line, place), self.offset)

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        outputs = Outputs(path, ".csv")
        column = self.options.column or "class"
        # Where the class has a name of its own, no other column may look like the class.
        reserved = {"index", *_STACK, column, *(() if column == CLASS_COLUMNS[0] else CLASS_COLUMNS)}
        columns = [name for name in table.columns if name not in reserved]
        for image in table.listed:
            rows: list[list[object]] = [["index", *_AXES, column, *columns]]
            for index, point in enumerate(table.rows.of(image)):
                position = [repr(point.y - self.offset), repr(point.x - self.offset)]
                rows.append([index, *position, point.label, *(point.extra.get(name, "") for name in columns)])
            write_csv_rows(outputs.file(image), rows)


def _extra(header: list[str], column: str | None) -> list[str]:
    return [name for name in header if name not in ("index", *_STACK, column)]


def _by_number(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
