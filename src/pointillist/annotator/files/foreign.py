"""What others write into the label files: read when it is whole, kept, and asked about where much is gone."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pointillist.errors import PointillistError, SaveError

REST, TRIES = 0.1, 20
"""Seconds for which a file that others write must not change before it is read, and how often that is tried."""

BACKUPS = 20
"""Versions of a file that are kept."""

FEW, SHARE = 5, 0.05
"""So many rows of points.csv, or such a share of them, others may remove without anybody being asked."""

_Content = TypeVar("_Content")


class RowsRemovedError(SaveError):
    """Others removed many rows of points.csv, or are not done with writing it: nothing is taken in until somebody says.

    Attributes:
        digest: Of the file as they left it.
        removed: How many rows are gone.
        of: How many there were.
    """

    def __init__(self, path: Path, digest: str, removed: int, of: int) -> None:
        found = f"another program has taken {removed:,} of {of:,} points out of it, so it is not written."
        super().__init__(found, where=path, hint="Say in the page whether they are to go; until then nothing is lost.")
        self.digest, self.removed, self.of = digest, removed, of


def is_much(removed: int, of: int) -> bool:
    """Whether so many rows are not removed unasked; all of them never are.

    >>> is_much(5, 10), is_much(6, 10), is_much(50, 1000), is_much(51, 1000), is_much(2, 2)
    (False, True, False, True, True)
    """
    return removed > max(FEW, SHARE * of) or 0 < of == removed


class Backups:
    """Numbered copies of label files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def next(self, path: Path) -> Path:
        """Where the next copy of a file goes; the oldest ones are removed."""
        kept = sorted(self._folder.glob(f"{path.stem}-{'[0-9]' * 6}{path.suffix}"))
        for old in kept[: max(0, len(kept) + 1 - BACKUPS)]:
            old.unlink(missing_ok=True)
        number = int(kept[-1].stem.rpartition("-")[2]) + 1 if kept else 1
        return self._folder / f"{path.stem}-{number:06d}{path.suffix}"


def read_at_rest(path: Path, backups: Backups, read: Callable[[Path], _Content]) -> tuple[_Content, Path]:
    """The content of a file that others write, and a copy among the backups: of one state, not of half a writing.

    A copy that cannot be read is no backup, and the error is the original's.

    Raises:
        PointillistError: It is being written all the time, or cannot be read.
    """
    copy = backups.next(path)
    for _ in range(TRIES):
        before = path.stat()
        time.sleep(REST)
        shutil.copyfile(path, copy)
        after = path.stat()
        if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
            break
    else:
        copy.unlink()
        raise SaveError("is being written by another program.", where=path, hint="Let that end; it is then read.")
    try:
        return read(copy), copy
    except PointillistError as error:
        copy.unlink()
        raise type(error)(error.found, where=path, line=error.line, field=error.field, hint=error.hint) from error


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
