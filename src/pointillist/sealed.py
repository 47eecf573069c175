"""Files that are read again: with a format and checksums, which are looked at before anything else in them is."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pointillist.errors import PointillistError
from pointillist.files import read_text, write_text
from pointillist.schema import check_depth

CHECKSUM, FORMAT_KEY, FORMAT = "checksum", "format", 1
"""Keys of such a file, and the format today; versions before 0.2 wrote neither."""

LARGEST = 2**28
"""Bytes of such a file: the scores of a million images."""


def checksum(content: Mapping[str, Any]) -> str:
    """SHA-256 of all values but itself, whatever their order and the spaces between them."""
    rest = {key: value for key, value in content.items() if key != CHECKSUM}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def sealed(content: Mapping[str, Any], *, indent: int = 1) -> str:
    """The text of such a file."""
    plain = json.loads(json.dumps({FORMAT_KEY: FORMAT, **content}), parse_constant=lambda _: None)  # NaN is no JSON
    return json.dumps({**plain, CHECKSUM: checksum(plain)}, indent=indent) + "\n"


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write such a file, whole or not at all.

    Raises:
        SaveError: It cannot be written.
    """
    write_text(path, sealed(content))


def read_sealed(path: Path, kind: type[PointillistError], hint: str, *, bare: str = "") -> dict[str, Any]:
    """The content of such a file, also of an earlier version.

    Args:
        path: The file.
        kind: Of the error.
        hint: What to do without the file.
        bare: Key of the list that the whole file was in earlier versions.

    Raises:
        kind: It is missing, damaged, changed, or from a newer version.
    """
    try:
        content = json.loads(read_text(path, kind, max_bytes=LARGEST))
        check_depth(content, kind, path)
    except (ValueError, RecursionError) as error:
        raise kind(f"is not valid JSON ({error}).", where=path, hint=hint) from error
    if bare and isinstance(content, list):
        return {bare: content}
    if not isinstance(content, dict):
        raise kind("is no JSON object.", where=path, hint=hint)
    if (version := content.get(FORMAT_KEY, FORMAT)) != FORMAT:
        found = f"has format {version!r:.20}; this version reads {FORMAT}."
        raise kind(found, where=path, field=FORMAT_KEY, hint="Update pointillist.")
    if content.get(CHECKSUM, checksum(content)) != checksum(content):
        raise kind("is not what was written: something in it has changed.", where=path, field=CHECKSUM, hint=hint)
    return {key: value for key, value in content.items() if key not in (FORMAT_KEY, CHECKSUM)}


ROW_CHECKSUM = "crc32"
"""Last column of a table that is read again: that of the other cells of its row."""


def sealed_rows(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    """A table as CSV; cells that a row does not have are empty."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, ROW_CHECKSUM])
    for row in rows:
        cells = [row.get(column, "") for column in columns]
        writer.writerow([*cells, _of_cells(cells)])
    return text.getvalue()


def read_sealed_rows(path: Path, kind: type[PointillistError]) -> list[dict[str, str]]:
    """The rows of such a table, by column, also of an earlier version; none where there is no file.

    Raises:
        kind: It is damaged, or something in it has changed.
    """
    if not path.is_file():
        return []
    mend = "Restore the file, or remove it."
    lines = csv.reader(io.StringIO(read_text(path, kind, max_bytes=LARGEST), newline=""), strict=True)
    try:
        columns, *rows = list(lines) or [[]]
    except csv.Error as error:
        raise kind(f"is not readable as CSV ({error}).", where=path, line=lines.line_num, hint=mend) from error
    checked = ROW_CHECKSUM in columns[-1:]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(columns) or (checked and row[-1] != _of_cells(row[:-1])):
            raise kind("is not what was written: something in it has changed.", where=path, line=number, hint=mend)
    names = columns[:-1] if checked else columns
    return [dict(zip(names, row, strict=False)) for row in rows]


LARGEST_NUMBER = 1e30
"""More is neither written nor read as a figure: nothing here draws or rounds it."""


def read_sealed_figures(path: Path, kind: type[PointillistError]) -> list[dict[str, str]]:
    """The same for a table whose cells are numbers or empty, with an `epoch` from 1 and `seconds` in each row.

    Raises:
        kind: Also where a cell is no number up to `LARGEST_NUMBER`.
    """
    rows, mend = read_sealed_rows(path, kind), "Restore the file, or remove it."
    for number, row in enumerate(rows, start=2):
        if missing := {"epoch", "seconds"} - row.keys():
            raise kind("this column is missing.", where=path, field=min(missing), hint=mend)
        for column, cell in row.items():
            if (cell or column in ("epoch", "seconds")) and not _is_figure(cell, whole=column == "epoch"):
                found = f"{cell!r:.40} is no number here."
                raise kind(found, where=path, line=number, field=column, hint=mend)
    return rows


def _is_figure(cell: str, *, whole: bool) -> bool:
    try:
        return 1 <= int(cell) <= LARGEST_NUMBER if whole else abs(float(cell)) <= LARGEST_NUMBER
    except ValueError:
        return False


def _of_cells(cells: Sequence[str]) -> str:
    return f"{zlib.crc32(json.dumps(cells).encode()):08x}"
