"""What outputs that are tables share: a CSV file for each image, a CSV and a Parquet file of all images."""

from __future__ import annotations

import csv
import math
import os
import shutil
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from pointillist.errors import SaveError
from pointillist.files import replacing
from pointillist.inference.writers.base import Result, Writer

BLOCK = 2**24
"""Bytes of text that become one row group of a Parquet file."""

Cell = str | int | float | None


class Table(Writer):
    """Rows with one meaning for each column; a value that does not exist is empty, in Parquet null.

    Attributes:
        columns: Type of each column: str, int, float.
    """

    columns: ClassVar[dict[str, type]]
    needs = frozenset({"confidence"})
    libraries = ("pyarrow", "pyproj")
    extra = "tables"

    @abstractmethod
    def rows(self, result: Result) -> Iterator[list[Cell]]:
        """The rows of one image, in the order of `columns`."""

    def write(self, result: Result, path: Path) -> None:
        """See `Writer.write`."""
        # Names of files may hold halves of characters, which are no UTF-8.
        with (
            replacing(path) as temporary,
            temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream,
        ):
            rows = csv.writer(stream, lineterminator="\n")
            rows.writerow(self.columns)
            for row in self.rows(result):
                rows.writerow(["" if isinstance(cell, float) and math.isnan(cell) else cell for cell in row])

    def collect(self, files: Iterable[Path], out: Path) -> None:
        """See `Writer.collect`."""
        import pyarrow as pa
        from pyarrow import csv as arrow
        from pyarrow import parquet

        kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
        schema = pa.schema([(name, kinds[kind]) for name, kind in self.columns.items()])
        text, binary = (out / name for name in self.together)
        with replacing(text) as temporary, replacing(binary) as temporary_binary:
            rows = self._join(files, temporary)
            with parquet.ParquetWriter(temporary_binary, schema) as groups:
                try:
                    if rows:
                        blocks = arrow.open_csv(
                            temporary,
                            arrow.ReadOptions(use_threads=False, block_size=BLOCK),
                            arrow.ParseOptions(newlines_in_values=True),
                            arrow.ConvertOptions(column_types=schema),
                        )
                        for block in blocks:
                            groups.write_batch(block)
                except pa.ArrowInvalid as error:  # somebody changed a file
                    raise _refused(text, f"cannot be put together ({error})") from error

    def _join(self, files: Iterable[Path], joined: Path) -> bool:
        """Write the rows of all files into one; whether there are any."""
        header = ",".join(self.columns).encode() + b"\n"
        with joined.open("wb") as stream:
            stream.write(header)
            for file in files:
                with file.open("rb") as part:
                    if part.readline() != header:
                        raise _refused(file, "has other columns")
                    shutil.copyfileobj(part, stream)
                    part.seek(-1, os.SEEK_END)
                    if part.read() != b"\n":
                        raise _refused(file, "has no end")
            return stream.tell() > len(header)


def _refused(file: Path, found: str) -> SaveError:
    return SaveError(f"{found}.", where=file, hint="Predict without --resume.")
