"""What formats share in dealing with files: which to read, how much of them, and what they may be called."""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pointillist.errors import PointsError
from pointillist.files import make_folder, read_text

MAX_BYTES = 2**28
"""256 MB: the largest label file known (COCO's person key points) has 238 MB."""


def read_label_text(path: Path, *, max_bytes: int = MAX_BYTES) -> str:
    """Read a label file as UTF-8 text.

    Raises:
        PointsError: It is missing, no ordinary file, too large, or not UTF-8.
    """
    if not path.is_file():
        raise PointsError("there is no such file.", where=path, hint="Check the path of the label file.")
    return read_text(path, PointsError, max_bytes=max_bytes)


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that are not blank, with the number of their last line.

    Raises:
        PointsError: It cannot be read, or is no CSV.
    """
    rows = csv.reader(io.StringIO(read_label_text(path), newline=""), strict=True)
    try:
        for row in rows:
            if any(cell.strip() for cell in row):
                yield rows.line_num, row
    except csv.Error as error:
        raise PointsError(
            f"is not readable as CSV ({error}).", where=path, line=rows.line_num, hint="Check the quotes there."
        ) from error


def csv_cells(row: list[str], header: list[str], path: Path, line: int) -> dict[str, str]:
    """The cells of a row by the names of their columns.

    Raises:
        PointsError: There are more or fewer than columns.
    """
    if len(row) != len(header):
        raise PointsError(
            f"{len(row)} values for {len(header)} columns.",
            where=path,
            line=line,
            hint="Give every column a value; put text that has commas into double quotes.",
        )
    return dict(zip(header, row, strict=True))


def head(path: Path, count: int = 65536) -> str:
    """The first bytes of a file as text, for recognising it; empty for what is no ordinary file."""
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as stream:
            return stream.read(count).decode("utf-8-sig", errors="replace")
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


def first_file(path: Path, suffixes: tuple[str, ...]) -> Path | None:
    """The file itself, or the first of a folder that has one of these endings, without looking into subfolders."""
    if path.is_dir():
        names = sorted(entry.name for entry in os.scandir(path) if not entry.name.startswith("."))
        return next((path / name for name in names if Path(name).suffix.lower() in suffixes), None)
    return path if path.suffix.lower() in suffixes else None


def has_controls(name: str) -> bool:
    """Whether a name holds control characters or halves of characters; blanks of any script are in order."""
    return any(unicodedata.category(character) in ("Cc", "Cs") for character in name)


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
        other = self._taken.setdefault(name, image)
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
