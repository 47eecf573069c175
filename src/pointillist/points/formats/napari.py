"""napari: CSV of a Points layer, (y, x), one file per image."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import ClassVar

from pointillist.errors import PointsError
from pointillist.files import write_text
from pointillist.points.formats.base import MAX_POINTS, PointFormat, ReadContext, translated
from pointillist.points.formats.files import Outputs, csv_cells, csv_rows, first_file, head, label_files
from pointillist.points.formats.options import FormatOptions, Origin
from pointillist.points.names import NamedBy
from pointillist.points.table import Point, PointTable

_AXES = ("axis-0", "axis-1")
_CLASS_COLUMNS = ("class", "label", "name", "category")


class NapariOptions(FormatOptions):
    """What the user says about the files."""

    column: str | None = None
    """Column that names the class; class, label, name or category when not given."""
    label: str | None = None
    """Class of every point, for layers without such a column."""


class Napari(PointFormat):
    """A folder of CSV files, or one: `index,axis-0,axis-1,…`; axis-0 is **y**; pixel indices, hence + 0.5.

    napari puts the centre of the first pixel at (0, 0). The file does not name its image, so it must be called like it.
    Properties of the layer are kept as further columns.

    Source: napari documentation, *Points layer*, and its built-in CSV writer.
    """

    name: ClassVar[str] = "napari"
    title: ClassVar[str] = "napari points CSV (y, x), a folder of files or one"
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    origin: ClassVar[Origin] = "pixel"
    tolerance: ClassVar[float] = 1e-9
    images_by: ClassVar[NamedBy] = "stem"
    one_per_image: ClassVar[bool] = True
    Options: ClassVar[type[FormatOptions]] = NapariOptions
    options: NapariOptions

    def recognise(self, path: Path) -> bool:
        """A header line with `axis-0`."""
        file = first_file(path, self.suffixes)
        return file is not None and "axis-0" in head(file, 4096).split("\n", 1)[0]

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        points: list[Point] = []
        listed: list[str] = []
        columns: dict[str, None] = {}
        for file, image in label_files(path, self.suffixes):
            listed.append(image)
            header: list[str] = []
            for line, row in csv_rows(file):
                if not header:
                    header = self._header(row, file, line)
                    columns |= dict.fromkeys(_extra(header, self._class_column(header)))
                elif len(points) <= MAX_POINTS:
                    points.append(self._point(row, header, file, image, line))
            if not header:
                raise PointsError("is empty.", where=file, hint="Save the layer again.")
        return PointTable(points, columns, listed=listed)

    def _class_column(self, header: list[str]) -> str | None:
        column = self.options.column
        return column or next((name for name in _CLASS_COLUMNS if name in header), None)

    def _header(self, row: list[str], file: Path, line: int) -> list[str]:
        header = [cell.strip() for cell in row]
        axes = [name for name in header if name.startswith("axis-")]
        if tuple(axes) != _AXES or len(set(header)) < len(header) or "vertex-index" in header:
            raise PointsError(
                f"the columns are {', '.join(header)[:200]}.",
                where=file,
                line=line,
                hint="A layer of points on a flat image has axis-0 (y) and axis-1 (x), once, and no vertex-index.",
            )
        if self._class_column(header) not in header and self.options.label is None:
            raise PointsError(
                f"no column names the class; there are {', '.join(header)[:200]}.",
                where=file,
                line=line,
                hint="Name it with --set column=NAME, or give all points one class with --set label=NAME.",
            )
        return header

    def _point(self, row: list[str], header: list[str], file: Path, image: str, line: int) -> Point:
        cells = csv_cells(row, header, file, line)
        values = []
        for axis in _AXES:
            try:
                values.append(float(cells[axis]))
            except ValueError:
                raise PointsError(
                    f"found {cells[axis][:60]!r}, which is no number.",
                    where=file,
                    line=line,
                    field=axis,
                    hint="Write pixels with a decimal point.",
                ) from None
        y, x = values
        column = self._class_column(header)
        label = (self.options.label or cells[column or ""]).strip()
        if not label:
            raise PointsError("is empty.", where=file, line=line, field=column, hint="Give this point a class.")
        extra = {name: cells[name] for name in _extra(header, column)}
        return translated(Point(image, x, y, label, extra, line, f"{file.name}, line {line}"), self.offset)

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        outputs = Outputs(path, ".csv")
        column = self.options.column or "class"
        columns = [name for name in table.columns if name not in ("index", *_AXES, *_CLASS_COLUMNS, column)]
        for image in table.listed:
            text = io.StringIO(newline="")
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(["index", *_AXES, column, *columns])
            for index, point in enumerate(table.of(image)):
                position = [repr(point.y - self.offset), repr(point.x - self.offset)]
                writer.writerow([index, *position, point.label, *(point.extra.get(name, "") for name in columns)])
            write_text(outputs.file(image), text.getvalue())


def _extra(header: list[str], column: str | None) -> list[str]:
    return [name for name in header if name not in ("index", *_AXES, column)]
