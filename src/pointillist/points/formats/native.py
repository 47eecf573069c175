"""The data set's own `points.csv`: image, x, y, class, and whatever further columns its owner keeps there."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import ClassVar

from pointillist.errors import PointsError
from pointillist.files import write_text
from pointillist.points.formats.base import MAX_POINTS, PointFormat, ReadContext, translated
from pointillist.points.formats.files import csv_cells, csv_rows
from pointillist.points.formats.options import Origin
from pointillist.points.table import NO_EXTRA, Point, PointTable

COLUMNS = ("image", "x", "y", "class")


class NativeCsv(PointFormat):
    """Comma-separated UTF-8 text with a header line; coordinates are continuous and corner-based."""

    name: ClassVar[str] = "csv"
    title: ClassVar[str] = "points.csv of a pointillist data set"
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    origin: ClassVar[Origin] = "corner"
    strict: ClassVar[bool] = True
    priority: ClassVar[int] = -1

    def recognise(self, path: Path) -> bool:
        """Any `.csv` file; what is wrong inside is said when it is read."""
        return path.is_file() and path.suffix.lower() in self.suffixes

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        points: list[Point] = []
        header: list[str] | None = None
        for line, row in csv_rows(path):
            if header is None:
                header = self._header(row, path, line)
            elif len(points) <= MAX_POINTS:
                points.append(self._point(row, header, path, line))
        if header is None:
            raise PointsError("is empty.", where=path, hint=f"Write the header line {','.join(COLUMNS)} first.")
        return PointTable(points, [name for name in header if name not in COLUMNS])

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        # repr of a float is its shortest exact form, so `read` gives the same table back, to the last bit.
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*COLUMNS, *table.columns])
        for point in (translated(point, -self.offset) for point in table):
            extra = [point.extra.get(column, "") for column in table.columns]
            writer.writerow([point.image, f"{point.x!r}", f"{point.y!r}", point.label, *extra])
        write_text(path, text.getvalue())

    @staticmethod
    def _header(row: list[str], path: Path, line: int) -> list[str]:
        names = [cell.strip() for cell in row]
        for column in COLUMNS:
            if column not in names:
                looks_like_data = not any(name in COLUMNS for name in names)
                found = "there is no header line." if looks_like_data else f"column '{column}' is missing."
                raise PointsError(
                    found,
                    where=path,
                    line=line,
                    hint=f"The first line must name the columns {','.join(COLUMNS)}.",
                )
        doubled = [name for name in names if names.count(name) > 1]
        if doubled:
            raise PointsError(
                f"column '{doubled[0]}' appears twice.", where=path, line=line, hint="Rename or remove one of them."
            )
        return names

    def _point(self, row: list[str], header: list[str], path: Path, line: int) -> Point:
        cells = csv_cells(row, header, path, line)
        values = {}
        for axis in ("x", "y"):
            try:
                values[axis] = float(cells[axis])
            except ValueError:
                values[axis] = math.nan
            if not math.isfinite(values[axis]):
                raise PointsError(
                    f"found {cells[axis]!r}, which is no finite number.",
                    where=path,
                    line=line,
                    field=axis,
                    hint="Write pixels with a decimal point, for example 12.5.",
                )
        for column in ("image", "class"):
            if not cells[column].strip():
                raise PointsError("is empty.", where=path, line=line, field=column, hint="Fill it, or drop the line.")
        extra = {name: value for name, value in cells.items() if name not in COLUMNS} or NO_EXTRA
        # Windows users write backslashes; a data set must open on every system.
        image = cells["image"].strip().replace("\\", "/")
        point = Point(image, values["x"], values["y"], cells["class"].strip(), extra, line)
        return translated(point, self.offset)


def write_csv(table: PointTable, path: Path) -> None:
    """Write `points.csv`; see `PointFormat.write`."""
    NativeCsv().write(table, path)
