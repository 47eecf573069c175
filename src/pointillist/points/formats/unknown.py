"""What a file is that no format knows, in words that help its owner."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

from pointillist.errors import PointsError
from pointillist.points.formats.files import head
from pointillist.points.formats.zipped import is_zip

_WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp")
_NO_POINTS = "It has no points; click some with 'pointillist annotate'."


def unknown(path: Path, known: Collection[str]) -> PointsError:
    """The error about a file or folder of no known label format.

    Args:
        path: The file or folder, which exists.
        known: Names of the formats there are.
    """
    found, hint = _what(path)
    names = f"Known formats: {', '.join(known)}. Name one."
    return PointsError(found or "is of no known label format.", where=path, hint=hint or names)


def _what(path: Path) -> tuple[str | None, str | None]:
    suffix = path.suffix.lower()
    if path.is_dir():
        return "is a folder without a label file of a known format at its top.", "Name the folder of the label files."
    if path.stat().st_size == 0:
        return "is empty.", "Export it again."
    if is_zip(path):
        return "is a zip without a label file of a known format.", "Check that this is the export of the labels."
    if suffix in _WORKBOOKS:
        return "is a workbook of a spreadsheet.", "Save the sheet as CSV with the columns image, x, y and class."
    if suffix in _PICTURES:
        return "is a picture.", "If its pixels are points, name the format: point-png or craid."
    start = head(path, (suffix,))
    if suffix == ".xml":
        if re.search(r"<annotation[\s>]", start):
            return "is of Pascal VOC: boxes.", _NO_POINTS
        return "is XML, but not of CVAT for images 1.1.", "Export it from CVAT as 'CVAT for images 1.1'."
    if suffix == ".txt" and re.fullmatch(r"\d+( \d*\.?\d+){4,}\s*", start.partition("\n")[0] + "\n"):
        return "looks like YOLO: boxes or polygons.", _NO_POINTS
    if start.lstrip()[:1] in ("{", "["):
        keys = list(dict.fromkeys(re.findall(r'"((?:[^"\\]|\\.){1,40})"\s*:', start)))[:8]
        return f"is JSON of no known label format; it has {', '.join(map(json.dumps, keys)) or 'no keys'}.", None
    return None, None
