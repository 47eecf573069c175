"""makesense.ai: CSV export of points, rows of label, x, y, image, width and height without a header line."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from pointillist.points.formats.base import PointFormat, ReadContext, translated
from pointillist.points.formats.files import CsvFile, head, write_csv_rows
from pointillist.points.formats.jsontext import Node
from pointillist.points.formats.writable import MAX_POINTS
from pointillist.points.table import Point, PointTable

_COLUMNS = ("label", "x", "y", "image", "width", "height")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


class MakeSense(PointFormat):
    """One CSV file; (x, y) continuous from the corner and rounded, so nothing is added.

    makesense.ai rounds the position to whole pixels, up or down: the number is as often too large as too small, and no
    index of a pixel. It leaves out points without a label itself.

    Source: makesense.ai's `PointLabelsExport.ts`.
    """

    name = "makesense"
    title = "makesense.ai points CSV"
    suffixes = (".csv",)
    origin = "corner"
    images_by = "tail"

    def recognise(self, path: Path) -> bool:
        """A first line of six values: text, two numbers, text, two numbers."""
        first = head(path, self.suffixes).partition("\n")[0]
        try:
            cells = next(csv.reader([first], strict=True), [])
        except csv.Error:
            return False
        shape = [bool(_NUMBER.fullmatch(cell.strip())) for cell in cells]
        return len(cells) == len(_COLUMNS) and shape[1:] == [True, True, False, True, True]

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        file = CsvFile(path, "Export it again.", header=_COLUMNS)
        points: list[Point] = []
        for cells in file:
            image, label = (Node(cells[key], path, f"line {file.line}, {key}").text() for key in ("image", "label"))
            x, y = (file.number(cells, axis) for axis in ("x", "y"))
            if len(points) <= MAX_POINTS:
                points.append(translated(Point(image.replace("\\", "/"), x, y, label, line=file.line), self.offset))
        return PointTable(points)

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        rows = []
        for point in table:
            height, width = context.need_size(point.image, path)
            rows.append((point.label, point.x - self.offset, point.y - self.offset, point.image, width, height))
        write_csv_rows(path, rows)
