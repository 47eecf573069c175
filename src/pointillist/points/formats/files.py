"""What formats share in dealing with files: which to read, how much of them, and what they may be called."""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from pointillist.errors import PointsError, PointsWarning
from pointillist.files import make_folder, read_text, regular, write_text
from pointillist.naming import file_key, has_controls

MAX_BYTES = 2**28
"""256 MB: the largest label file known (COCO's person key points) has 238 MB."""


MAX_ROWS = 5_000_001
"""Of a CSV file: a header and the most points that are read."""

MAX_COLUMNS = 1_000
"""Of a CSV file."""

MAX_CELLS = 25_000_000
"""Rows times columns of a CSV file: five values for each of the most points."""


def read_label_text(path: Path, *, max_bytes: int = MAX_BYTES) -> str:
    """Read a label file as text: UTF-8, or the UTF-16 with a byte-order mark that Excel and PowerShell write.

    Raises:
        PointsError: It is missing, no ordinary file, too large, or neither.
    """
    regular(path, PointsError)
    if _encoding(path) != "utf-16" or path.stat().st_size > max_bytes:
        return read_text(path, PointsError, max_bytes=max_bytes)
    try:
        return path.read_text(encoding="utf-16")
    except UnicodeDecodeError as error:
        raise PointsError(
            f"byte {error.start} is not UTF-16 text.", where=path, hint="Save the file with UTF-8 encoding."
        ) from error


def _encoding(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return "utf-16" if stream.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    except OSError:
        return "utf-8-sig"


class CsvFile:
    """A CSV file with a header line; going through it gives each row's cells by the names of their columns.

    Blank rows are left out. `header` has the names without blanks around them, `line` the number of the last line read.
    What Excel makes of a CSV where numbers have decimal commas is read, with a note: semicolons or tabs between the
    columns, if the header has the needed names that way and no other.

    Args:
        path: The file.
        hint: What to do when it is empty.
        needed: Columns that it must have, by which its separator is known.
        header: Names of its columns, when it has no header line.

    Raises:
        PointsError: It cannot be read, is empty, is no CSV, or has a row of more or fewer cells than columns.
    """

    def __init__(self, path: Path, hint: str, needed: Sequence[str] = (), header: Sequence[str] = ()) -> None:
        self.path = path
        self.line = 0
        self._decimal: str | None = None
        self._delimiter = ","
        text = read_label_text(path)
        self._rows = self._split(text, ",")
        self.header = list(header) or next(self._rows, [])
        if not self.header:
            raise PointsError("is empty.", where=path, hint=hint)
        if not set(needed) <= set(self.header):
            self._try_other_separators(text, needed)
        _check_table(text, len(self.header), path)

    def _try_other_separators(self, text: str, needed: Sequence[str]) -> None:
        """What Excel makes of a CSV file where numbers have decimal commas."""
        for delimiter in ";\t":
            rows = self._split(text, delimiter)
            with suppress(PointsError):
                names = next(rows, [])
                if set(needed) <= set(names):
                    self._rows, self.header, self._delimiter = rows, names, delimiter

    def fail(self, found: str, hint: str, field: str | None = None) -> PointsError:
        """An error in the last line read."""
        return PointsError(found, where=self.path, line=self.line, field=field, hint=hint)

    def number(self, cells: Mapping[str, str], column: str) -> float:
        """A number of pixels in the last line read, which may be NaN or infinite.

        Raises:
            PointsError: It is none, or some numbers of the file have decimal commas and others decimal points.
        """
        text = cells[column].strip()
        mark = "," if "," in text and self._delimiter != "," else "." if "." in text else None
        if mark is not None and mark != (self._decimal or mark):
            raise self.fail(
                f"found {text[:60]!r}; the numbers above have '{self._decimal}'.", "Write all of them one way.", column
            )
        self._decimal = self._decimal or mark
        try:
            return float(text.replace(",", ".") if mark == "," else text)
        except ValueError:
            found = f"found {text[:60]!r}, which is no number."
            raise self.fail(found, "Write pixels with a decimal point, for example 12.5.", column) from None

    def __iter__(self) -> Iterator[dict[str, str]]:
        for row in self._rows:
            if len(row) != len(self.header):
                raise self.fail(
                    f"{len(row)} values for {len(self.header)} columns.",
                    "Give every column a value; write decimal points, and put text that has commas into double quotes.",
                )
            yield dict(zip(self.header, row, strict=True))
        if self._delimiter != ",":
            separator = "tabs" if self._delimiter == "\t" else "semicolons"
            commas = " and its numbers as having decimal commas" if self._decimal == "," else ""
            warnings.warn(
                f"{self.path}: its columns were read as separated by {separator}{commas}.", PointsWarning, stacklevel=2
            )

    def _split(self, text: str, delimiter: str) -> Iterator[list[str]]:
        """The cells of each row that is not blank; those of the first without blanks around them."""
        rows = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
        first = True
        try:
            for row in rows:
                self.line = rows.line_num
                if any(cell.strip() for cell in row):
                    yield [cell.strip() for cell in row] if first else row
                    first = False
        except csv.Error as error:
            self.line = rows.line_num
            raise self.fail(f"is not readable as CSV ({error}).", "Check the quotes there.") from error


def _check_table(text: str, columns: int, path: Path) -> None:
    rows = text.count("\n")
    if rows > MAX_ROWS:
        raise PointsError(f"has more than {MAX_ROWS:,} rows.", where=path, hint="Split the file.")
    if columns > MAX_COLUMNS or columns * rows > MAX_CELLS:
        most = f"at most {MAX_COLUMNS:,} columns and {MAX_CELLS:,} values are read"
        found = f"has {columns:,} columns and {rows:,} rows; {most}."
        raise PointsError(found, where=path, hint="Leave out the columns that nobody needs.")


def write_csv_rows(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """Write a CSV file, the first of whose rows may be a header, whole or not at all.

    Raises:
        PointsError: It would be refused when it is read: too many rows, columns or bytes.
        SaveError: It cannot be written.
    """
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    _check_table(text.getvalue(), len(rows[0]) if rows else 0, path)
    write_label_text(path, text.getvalue())


def write_label_text(path: Path, text: str, *, max_bytes: int = MAX_BYTES) -> None:
    """Write a label file, whole or not at all.

    Raises:
        PointsError: It has more bytes than are read.
        SaveError: It cannot be written.
    """
    if (size := len(text.encode())) > max_bytes:
        found = f"would have {size / 2**20:,.0f} MiB; at most {max_bytes / 2**20:,.0f} are read."
        raise PointsError(found, where=path, hint="Split the points, or leave out columns that nobody needs.")
    write_text(path, text, keep=True)


def head(path: Path, suffixes: tuple[str, ...], *, in_folder: bool = False) -> str:
    """The first bytes, as text, of a file with one of these endings, for recognising it; empty for anything else.

    Where `in_folder` says so, a folder is known by its first such file, without looking into subfolders.
    """
    if in_folder and path.is_dir():
        names = sorted(entry.name for entry in os.scandir(path) if not entry.name.startswith("."))
        path = next((path / name for name in names if Path(name).suffix.lower() in suffixes), path)
    if path.suffix.lower() not in suffixes or not path.is_file():
        return ""
    try:
        with path.open("rb") as stream:
            return stream.read(65536).decode(_encoding(path), errors="replace")
    except OSError:
        return ""


def label_files(path: Path, suffixes: tuple[str, ...]) -> list[tuple[Path, str]]:
    """Label files of a format that has one per image, with the name each gives its image: its path without suffix.

    Args:
        path: A folder, searched with its subfolders; or one file.
        suffixes: Endings that count, lower case.

    Raises:
        PointsError: There is none.
    """
    if path.is_file():
        return [(path, path.stem)]
    found = []
    for parent, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(parent, name)
            if file.suffix.lower() in suffixes and not name.startswith("."):
                found.append((file, str(PurePosixPath(file.relative_to(path).as_posix()).with_suffix(""))))
    if not found:
        raise PointsError(
            f"holds no {' or '.join(suffixes)} file." if path.is_dir() else "there is no such file or folder.",
            where=path,
            hint="Check the path of the label files.",
        )
    return found


class Outputs:
    """Chooses file names for a format that has one file per image, below one folder and nowhere else.

    Args:
        path: The folder; or, where it has the format's suffix, the one file of a single image.
        suffix: Of the files to be written.
    """

    def __init__(self, path: Path, suffix: str) -> None:
        self.path = path
        self.suffix = suffix
        self._taken: dict[str, str] = {}

    def file(self, image: str) -> Path:
        """Where the labels of an image go; its folder is made.

        Raises:
            PointsError: The image's name leads out of the folder, or two images would share a file.
            SaveError: The folder cannot be made.
        """
        single = self.path.suffix.lower() == self.suffix and not self.path.is_dir()
        parts = PurePosixPath(image).parts
        if not parts or ".." in parts or image.startswith("/") or ":" in parts[0] or has_controls(image):
            raise PointsError(
                f"{image!r} cannot become the name of a file.",
                where=self.path,
                hint="Image names are paths below the image folder.",
            )
        name = "" if single else f"{PurePosixPath(image).with_suffix('')}{self.suffix}"
        other = self._taken.setdefault(file_key(name), image)
        if other != image:
            raise PointsError(
                f"images '{other}' and '{image}' would share one file.",
                where=self.path,
                hint="Name a folder, not a file." if single else "Rename one of them.",
            )
        if single:
            return self.path
        target = self.path / name
        make_folder(target.parent)
        return target
