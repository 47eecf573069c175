"""What outputs that are tables share: a CSV file for each image, a CSV and a Parquet file of all images."""

from __future__ import annotations

import csv
import math
import shutil
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

from pointillist.errors import ConfigError, SaveError
from pointillist.files import replacing
from pointillist.inference.writers.base import Result, Writer
from pointillist.schema import Strict

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 2**16
"""Rows of the Parquet file that are kept in memory before they are written: its row groups."""

Cell = str | int | float | None


class Table(Writer):
    """Rows with one meaning for each column; a value that does not exist is empty, in Parquet null.

    Attributes:
        columns: Type of each column: str, int, float.

    Raises:
        ConfigError: pyarrow or pyproj is not installed. Said when an output is chosen, not after hours of prediction.
    """

    columns: ClassVar[dict[str, type]]
    needs = frozenset({"confidence"})

    def __init__(self, options: Strict | None = None) -> None:
        super().__init__(options)
        for module in ("pyarrow", "pyproj"):
            if find_spec(module) is None:
                raise ConfigError(
                    f"the output '{self.name}' needs {module}, which is not installed.",
                    field="write",
                    hint="Install it with: pip install 'pointillist[tables]'.",
                )

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
        from pyarrow import parquet

        kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
        schema = pa.schema([(name, kinds[kind]) for name, kind in self.columns.items()])
        text, binary = (out / name for name in self.together)
        header = ",".join(self.columns).encode() + b"\n"
        with (
            replacing(text) as temporary,
            replacing(binary) as temporary_binary,
            temporary.open("wb") as joined,
            parquet.ParquetWriter(temporary_binary, schema) as groups,
        ):
            joined.write(header)
            waiting: list[pa.RecordBatch] = []
            count = 0
            for file in files:
                for batch in self._copied(file, header, joined, schema):
                    waiting.append(batch)
                    count += len(batch)
                    if count >= ROWS:
                        groups.write_table(pa.Table.from_batches(waiting, schema))
                        waiting, count = [], 0
            if count:
                groups.write_table(pa.Table.from_batches(waiting, schema))

    @staticmethod
    def _copied(file: Path, header: bytes, joined: IO[bytes], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The rows of a file, after they were added to another one."""
        from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, open_csv

        try:
            with file.open("rb") as part:
                if part.readline() != header:
                    raise ValueError("other columns")
                shutil.copyfileobj(part, joined)
                rows = part.tell() > len(header)
            if rows:
                yield from open_csv(
                    file,
                    ReadOptions(use_threads=False),
                    ParseOptions(newlines_in_values=True),
                    ConvertOptions(column_types=schema),
                )
        except (ValueError, FileNotFoundError) as error:
            raise SaveError(
                f"could not be put together with the others ({error}).", where=file, hint="Predict without --resume."
            ) from error
