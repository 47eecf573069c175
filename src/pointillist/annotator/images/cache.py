"""Where pictures are kept that can be made again: the user's cache folder, shared by all data folders."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

from pointillist.files import make_folder

THUMBNAILS = 2**29
"""Bytes of thumbnails that are kept."""


def cache_folder(kind: str) -> Path:
    """A folder of the user's cache, which `XDG_CACHE_HOME` moves on Linux; others may not read it.

    Raises:
        SaveError: It cannot be made.
    """
    home = make_folder(user_cache_path("pointillist", appauthor=False) / "annotator")
    with suppress(OSError):  # another owner's, or a disk that knows no such thing
        home.chmod(0o700)
    return make_folder(home / kind)


def trim(entries: Iterable[Path], most: int) -> None:
    """Remove the longest unused files and folders until the rest has at most so many bytes.

    Other annotators do the same at the same time, so that any of them may be gone.
    """
    found = []
    for entry in entries:
        with suppress(FileNotFoundError):
            found.append((entry.stat().st_mtime, bytes_of(entry), entry))
    total = sum(size for _, size, _ in found)
    for _, size, entry in sorted(found, key=lambda each: each[0]):
        if total <= most:
            return
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
        total -= size


def bytes_of(entry: Path) -> int:
    """Of a file, or of the files in a folder."""
    total = 0
    with suppress(FileNotFoundError):
        for file in entry.iterdir() if entry.is_dir() else (entry,):
            total += file.stat().st_size
    return total
