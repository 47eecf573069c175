"""VIA (VGG Image Annotator): the CSV export, one row per region."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from pointillist.points.formats.attributes import attributes, table_of
from pointillist.points.formats.base import ReadContext, translated
from pointillist.points.formats.files import CsvFile, head, write_csv_rows
from pointillist.points.formats.jsontext import Node, unique_keys
from pointillist.points.formats.via import Via
from pointillist.points.table import Point, PointTable

_COLUMNS = (
    *("filename", "file_size", "file_attributes", "region_count"),
    *("region_id", "region_shape_attributes", "region_attributes"),
)
_NEEDED = (_COLUMNS[0], *_COLUMNS[-2:])


class ViaCsv(Via):
    """One CSV file of VIA 1 or 2; shape and attributes of a region are JSON in its cells, the rest is as in `via`.

    Source: VIA's `via_region_to…` export functions, version 2.
    """

    name = "via-csv"
    title = "VGG Image Annotator 1 and 2 CSV"
    suffixes = (".csv",)

    def recognise(self, path: Path) -> bool:
        """A header line with `region_shape_attributes`."""
        return _NEEDED[1] in head(path, self.suffixes).split("\n", 1)[0]

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        file = CsvFile(path, "Export it again.", _NEEDED)
        file.header = [name.removeprefix("#") for name in file.header]  # VIA 1 begins its header with one
        missing = [name for name in _NEEDED if name not in file.header]
        if missing or len(set(file.header)) < len(file.header):
            found = f"column '{missing[0]}' is missing." if missing else "a column is there twice."
            raise file.fail(found, f"The first line of VIA names the columns {','.join(_COLUMNS)}.")
        points: list[Point] = []
        images: dict[tuple[str, str], str] = {}
        skipped: Counter[str] = Counter()
        for cells in file:
            image = Node(cells["filename"], path, f"line {file.line}, filename").text().replace("\\", "/")
            # Of an image that has no region there is a row as well.
            images[image, cells.get("file_size", "")] = image
            if cells.get("region_count", "").strip() == "0":
                continue
            names = {"shape_attributes": _NEEDED[1], "region_attributes": _NEEDED[2]}
            region = {name: _parsed(cells[column], column, file) for name, column in names.items()}
            point = self.point_of(Node(region, path, f"line {file.line}"), image)
            if isinstance(point, str):
                skipped[point] += 1
            else:
                points.append(translated(point, self.offset))
        return table_of(points, listed=images.values(), skipped=skipped)

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        attribute = self.options.attribute or "class"
        rows: list[tuple[object, ...]] = [_COLUMNS]
        for image in table.listed:
            here = table.rows.of(image)
            for index, point in enumerate(here):
                shape = {"name": "point", "cx": point.x - self.offset, "cy": point.y - self.offset}
                label = json.dumps({attribute: point.label, **attributes(point.extra)}, ensure_ascii=False)
                rows.append((image, -1, "{}", len(here), index, json.dumps(shape), label))
            if not here:
                rows.append((image, -1, "{}", 0, 0, "{}", "{}"))
        write_csv_rows(path, rows)


def _parsed(text: str, column: str, file: CsvFile) -> object:
    try:
        return json.loads(text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise file.fail(
            f"found {text[:60]!r}, which is no JSON ({error}).", "Export the file again.", column
        ) from error
