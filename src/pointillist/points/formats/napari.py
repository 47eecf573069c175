"""napari: CSV of a Points layer, (y, x), one file per image."""

from __future__ import annotations

from pathlib import Path

from pointillist.points.formats.base import MAX_POINTS, PointFormat, ReadContext, translated
from pointillist.points.formats.files import CsvFile, Outputs, head, label_files, write_csv_rows
from pointillist.points.formats.options import FormatOptions
from pointillist.points.table import Point, PointTable

_AXES = ("axis-0", "axis-1")
_CLASS_COLUMNS = ("class", "label", "name", "category")


class Napari(PointFormat):
    """A folder of CSV files, or one: `index,axis-0,axis-1,…`; axis-0 is **y**; pixel indices, hence + 0.5.

    napari puts the centre of the first pixel at (0, 0). The file does not name its image, so it must be called like it.
    Properties of the layer are kept as further columns.

    Source: napari documentation, *Points layer*, and its built-in CSV writer.
    """

    class Options(FormatOptions):
        """What the user says about the files."""

        column: str | None = None
        """Column that names the class; class, label, name or category when not given."""
        label: str | None = None
        """Class of every point, for layers without such a column."""

    name = "napari"
    title = "napari points CSV (y, x), a folder of files or one"
    suffixes = (".csv",)
    origin = "pixel"
    tolerance = 1e-9
    images_by = "stem"
    one_per_image = True
    options: Options

    def recognise(self, path: Path) -> bool:
        """A header line with `axis-0`."""
        return "axis-0" in head(path, self.suffixes, in_folder=True).split("\n", 1)[0]

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        points: list[Point] = []
        listed: list[str] = []
        columns: dict[str, None] = {}
        for path_of_image, image in label_files(path, self.suffixes):
            listed.append(image)
            file = CsvFile(path_of_image, "Save the layer again.", _AXES)
            column = self._class_column(file)
            columns |= dict.fromkeys(_extra(file.header, column))
            for cells in file:
                if len(points) <= MAX_POINTS:
                    points.append(self._point(cells, file, image, column))
        return PointTable(points, columns, listed=listed)

    def _class_column(self, file: CsvFile) -> str | None:
        header = file.header
        axes = [name for name in header if name.startswith("axis-")]
        if tuple(axes) != _AXES or len(set(header)) < len(header) or "vertex-index" in header:
            raise file.fail(
                f"the columns are {', '.join(header)[:200]}.",
                "A layer of points on a flat image has axis-0 (y) and axis-1 (x), once, and no vertex-index.",
            )
        column = self.options.column or next((name for name in _CLASS_COLUMNS if name in header), None)
        if column not in header and self.options.label is None:
            raise file.fail(
                f"no column names the class; there are {', '.join(header)[:200]}.",
                "Name it with --set column=NAME, or give all points one class with --set label=NAME.",
            )
        return column

    def _point(self, cells: dict[str, str], file: CsvFile, image: str, column: str | None) -> Point:
        y, x = (file.number(cells, axis) for axis in _AXES)
        label = (self.options.label or cells[column or ""]).strip()
        if not label:
            raise file.fail("is empty.", "Give this point a class.", column)
        extra = {name: cells[name] for name in _extra(file.header, column)}
        place = f"{file.path.name}, line {file.line}"
        return translated(Point(image, x, y, label, extra, file.line, place), self.offset)

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        outputs = Outputs(path, ".csv")
        column = self.options.column or "class"
        columns = [name for name in table.columns if name not in ("index", *_AXES, *_CLASS_COLUMNS, column)]
        for image in table.listed:
            rows: list[list[object]] = [["index", *_AXES, column, *columns]]
            for index, point in enumerate(table.of(image)):
                position = [repr(point.y - self.offset), repr(point.x - self.offset)]
                rows.append([index, *position, point.label, *(point.extra.get(name, "") for name in columns)])
            write_csv_rows(outputs.file(image), rows)


def _extra(header: list[str], column: str | None) -> list[str]:
    return [name for name in header if name not in ("index", *_AXES, column)]
