"""The data set's own `points.csv`: image, x, y, class, and whatever further columns its owner keeps there."""

from __future__ import annotations

import math
import re
from pathlib import Path

from pointillist.naming import class_name_problem, image_name_problem
from pointillist.points.formats.attributes import table_of
from pointillist.points.formats.base import PointFormat, ReadContext, translated
from pointillist.points.formats.files import CsvFile, write_csv_rows
from pointillist.points.formats.writable import MAX_POINTS
from pointillist.points.names import listed
from pointillist.points.questions import is_question
from pointillist.points.table import NO_EXTRA, Point, PointTable

COLUMNS = ("image", "x", "y", "class")


class NativeCsv(PointFormat):
    """Comma-separated UTF-8 text with a header line; coordinates are continuous and corner-based."""

    name = "csv"
    title = "points.csv of a pointillist data set"
    suffixes = (".csv",)
    origin = "corner"
    strict = True
    keeps = "all"
    keeps_unnamed = True
    priority = -1

    def recognise(self, path: Path) -> bool:
        """Any `.csv` file; what is wrong inside is said when it is read."""
        return path.is_file() and path.suffix.lower() in self.suffixes

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        file = CsvFile(path, f"Write the header line {','.join(COLUMNS)} first.", COLUMNS)
        names = file.header
        for column in COLUMNS:
            if column not in names:
                is_row = any(re.fullmatch(r"[-+]?\d+([.,]\d+)?", name) for name in names)
                found = (
                    "there is no header line."
                    if is_row
                    else f"column '{column}' is missing; there are {listed(names)}."
                )
                raise file.fail(found, f"The first line must name the columns {','.join(COLUMNS)}, in small letters.")
        doubled = [name for name in names if names.count(name) > 1]
        if doubled:
            raise file.fail(f"column '{doubled[0]}' appears twice.", "Rename or remove one of them.")
        points: list[Point] = []
        for cells in file:
            if len(points) <= MAX_POINTS:
                points.append(self._point(cells, file))
        return table_of(points, [name for name in names if name not in COLUMNS])

    def _point(self, cells: dict[str, str], file: CsvFile) -> Point:
        values = {axis: file.number(cells, axis) for axis in ("x", "y")}
        for axis, value in values.items():
            if not math.isfinite(value):
                found = f"found {cells[axis][:60]!r}, which is no finite number."
                raise file.fail(found, "Write pixels with a decimal point, for example 12.5.", axis)
        if not cells["image"].strip():
            raise file.fail("is empty.", "Fill it, or drop the line.", "image")
        extra = {name: value for name, value in cells.items() if name not in COLUMNS} or NO_EXTRA
        # Windows users write backslashes; a data set must open on every system.
        image = cells["image"].strip().replace("\\", "/")
        point = Point(image, values["x"], values["y"], cells["class"].strip(), extra, file.line)
        if not point.label and not is_question(point):
            raise file.fail("is empty.", "Fill it, or drop the line.", "class")
        if point.label and (wrong := class_name_problem(point.label)) is not None:
            raise file.fail(wrong, "Give this class another name.", "class")
        if (wrong := image_name_problem(point.image)) is not None:
            raise file.fail(f"has {wrong}.", "Rename this image.", "image")
        return translated(point, self.offset)

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        rows: list[list[str]] = [[*COLUMNS, *table.columns]]
        for point in (translated(point, -self.offset) for point in (*table, *table.unnamed)):
            extra = [point.extra.get(column, "") for column in table.columns]
            # repr of a float is its shortest exact form, so `read` gives the same table back, to the last bit.
            rows.append([point.image, f"{point.x!r}", f"{point.y!r}", point.label, *extra])
        write_csv_rows(path, rows)


def write_csv(table: PointTable, path: Path) -> None:
    """Write `points.csv`; see `PointFormat.write`."""
    NativeCsv().write(table, path)
