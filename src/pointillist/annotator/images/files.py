"""Levels of large images as raw files of the cache, in bounded disk space."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointillist.annotator.images.cache import bytes_of, trim
from pointillist.annotator.images.levels import Level, Values, reduced
from pointillist.errors import SaveError
from pointillist.files import make_folder

DISK = 4 * 2**30
"""Bytes of levels that are kept in files, of all data folders together."""

ABANDONED = 3600.0
"""Seconds after which levels in the making are taken for what a killed server left."""

ROWS = 512
"""Rows that are read or written at a time."""

_NEW = ".new"


@dataclass(frozen=True)
class Shape:
    """The levels of an image that are kept: those from number `first` on, with `bands` values of a type per pixel."""

    levels: tuple[Level, ...]
    bands: int
    dtype: str
    first: int = 0

    @property
    def bytes(self) -> int:
        """Of all files."""
        pixels = sum(level.width * level.height for level in self.levels[self.first :])
        return pixels * self.bands * np.dtype(self.dtype).itemsize


class LevelFiles:
    """A folder for each image, the longest unused ones removed where there is no room; can be removed at any time."""

    def __init__(self, home: Path) -> None:
        self._home = home
        for left in home.glob(f"*{_NEW}"):
            # What is younger may be in the making, by another annotator.
            with suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - ABANDONED:
                    shutil.rmtree(left, ignore_errors=True)

    @property
    def bytes(self) -> int:
        """Of all images."""
        return sum(map(bytes_of, self._made()))

    def find(self, key: str, shape: Shape) -> list[Values] | None:
        """The levels of an image from `first` on; None where they are not there."""
        folder = self._home / key
        try:
            os.utime(folder)
            return [mapped(folder, shape, number, "r") for number in range(shape.first, len(shape.levels))]
        except FileNotFoundError:
            return None

    def make(self, key: str, shape: Shape, write: Callable[[Path], None]) -> None:
        """Make the levels of an image: `write` makes the file of level `first` in a folder, the others follow from it.

        Raises:
            SaveError: The disk is full.
        """
        self._make_room(shape.bytes)
        folder = self._home / key
        making = make_folder(folder.with_name(folder.name + _NEW))
        try:
            write(making)
            for number in range(shape.first + 1, len(shape.levels)):
                _halve(making, shape, number)
            making.replace(folder)
        except OSError as error:
            raise SaveError(
                f"could not be decoded into a file ({error.strerror or error}).",
                hint="Free space on this disk.",
            ) from error
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def _make_room(self, needed: int) -> None:
        """Drop the levels that were not used for longest."""
        trim(self._made(), DISK - needed)

    def _made(self) -> list[Path]:
        return [entry for entry in self._home.iterdir() if entry.is_dir() and entry.suffix != _NEW]


def mapped(folder: Path, shape: Shape, number: int, mode: str) -> np.memmap[tuple[int, ...], np.dtype[np.generic]]:
    """The file of a level; mapped anew for each band of rows, what is written does not count as memory in use."""
    level = shape.levels[number]
    size = (level.height, level.width, shape.bands)
    return np.memmap(folder / f"{number}.raw", shape.dtype, mode, shape=size)  # type: ignore[call-overload,no-any-return]


def _halve(folder: Path, shape: Shape, number: int) -> None:
    height = shape.levels[number - 1].height
    for top in range(0, height, 2 * ROWS):
        source = mapped(folder, shape, number - 1, "r")
        band = reduced(np.array(source[top : top + 2 * ROWS]), 2)
        out = mapped(folder, shape, number, "r+" if top else "w+")
        out[top // 2 : top // 2 + band.shape[0]] = band
        out.flush()
        del source, out
