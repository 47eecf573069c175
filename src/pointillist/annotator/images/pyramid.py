"""Large images in levels of half the size each, so that a page needs only the part that it shows."""

from __future__ import annotations

import os
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pointillist.annotator.images.catalogue import Catalogue, named
from pointillist.data.images import opened, read_image
from pointillist.errors import ImageError, SaveError
from pointillist.files import make_folder

TILE = 512
"""Side of a tile in pixels."""

IN_MEMORY = 24_000_000
"""Pixels of the largest image that is kept decoded in memory; larger ones are decoded into files, once."""

MEMORY = 256 * 2**20
"""Bytes of decoded images that are kept."""

DISK = 4 * 2**30
"""Bytes of decoded large images that are kept in files."""

_ROWS = 512
_ORIENTATION = 0x0112

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Level:
    """Size of a level in pixels and in tiles."""

    width: int
    height: int

    @property
    def columns(self) -> int:
        """Tiles side by side."""
        return -(-self.width // TILE)

    @property
    def rows(self) -> int:
        """Tiles above one another."""
        return -(-self.height // TILE)


def levels_of(size: tuple[int, int]) -> list[Level]:
    """Levels of an image of (height, width): each half as large as the one before, until one tile holds it.

    >>> [(level.width, level.height) for level in levels_of((900, 1601))]
    [(1601, 900), (801, 450), (401, 225)]
    """
    height, width = size
    levels = [Level(width, height)]
    while max(height, width) > TILE:
        height, width = -(-height // 2), -(-width // 2)
        levels.append(Level(width, height))
    return levels


class Pyramids:
    """Decoded images, the last used ones kept in bounded memory and disk space."""

    def __init__(self, catalogue: Catalogue, cache: Path) -> None:
        self._catalogue = catalogue
        self._cache = cache
        self._kept: OrderedDict[tuple[str, str], list[Pixels]] = OrderedDict()
        self._lock = threading.Lock()
        # One image of each kind is decoded at a time; a large one does not keep a small one waiting.
        self._decoding = {False: threading.Lock(), True: threading.Lock()}

    def tile(self, name: str, level: int, column: int, row: int) -> Pixels:
        """Pixels of a tile."""
        pixels = self.level(name, level)
        tile = pixels[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
        if min(column, row) < 0 or 0 in tile.shape:
            raise ImageError("has no such tile.", where=name, hint="Load the image again.")
        return np.array(tile)

    def level(self, name: str, level: int) -> Pixels:
        """All pixels of a level, H×W×3."""
        size = self._catalogue.size(name)
        sizes = levels_of(size)
        if not 0 <= level < len(sizes):
            raise ImageError("has no such level.", where=name, hint="Load the image again.")
        key = (name, self._catalogue.stamp(name))
        large = size[0] * size[1] > IN_MEMORY
        found = self._find(key)
        if found is None:
            with self._decoding[large]:
                found = self._find(key)
                if found is None:
                    found = self._on_disk(name, key[1], sizes) if large else self._in_memory(name)
                    self._keep(key, found)
        return found[level]

    def fitted(self, name: str, pixels: int) -> Pixels:
        """The image at the largest size of its shape that has at most so many pixels."""
        height, width = self._catalogue.size(name)
        goal = fitted_size((height, width), pixels)
        if goal == (height, width):
            return np.array(self.level(name, 0))
        sizes = levels_of((height, width))
        level = max(i for i, s in enumerate(sizes) if s.height >= goal[0] and s.width >= goal[1])
        return scaled(np.array(self.level(name, level)), goal)

    def reduced(self, name: str, pixels: int) -> Pixels:
        """The same, quicker where the kind of file allows, and without keeping the decoded image."""
        size = self._catalogue.size(name)
        if size[0] * size[1] > IN_MEMORY:
            return self.fitted(name, pixels)
        return read_reduced(name, self._catalogue.path(name), fitted_size(size, pixels))

    def _find(self, key: tuple[str, str]) -> list[Pixels] | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: tuple[str, str], levels: list[Pixels]) -> None:
        with self._lock:
            self._kept[key] = levels
            # Files that are mapped cost address space, not memory, but their number is bounded all the same.
            while len(self._kept) > 1 and (self._bytes() > MEMORY or len(self._kept) > 64):
                self._kept.popitem(last=False)

    def _bytes(self) -> int:
        return sum(
            level.nbytes for levels in self._kept.values() for level in levels if not isinstance(level, np.memmap)
        )

    def _in_memory(self, name: str) -> list[Pixels]:
        path = self._catalogue.path(name)
        with named(name):
            levels = [read_image(path)]
        while max(levels[-1].shape[:2]) > TILE:
            levels.append(np.asarray(Image.fromarray(levels[-1]).reduce(2)))
        return levels

    def _on_disk(self, name: str, stamp: str, sizes: list[Level]) -> list[Pixels]:
        folder = self._cache / f"{self._catalogue.id(name)}-{stamp}"
        if not folder.is_dir():
            self._make_room(sum(level.width * level.height * 3 for level in sizes))
            making = make_folder(folder.with_name(f"{folder.name}.new"))
            try:
                _decode(name, self._catalogue.path(name), making, sizes)
                making.replace(folder)
            except OSError as error:
                raise SaveError(
                    f"could not be decoded into a file ({error.strerror or error}).",
                    where=name,
                    hint="Free space on this disk.",
                ) from error
            finally:
                shutil.rmtree(making, ignore_errors=True)
        os.utime(folder)
        return [_mapped(folder, index, level, "r") for index, level in enumerate(sizes)]

    def _make_room(self, needed: int) -> None:
        """Drop the decoded images that were not used for longest."""
        folders = sorted((entry for entry in self._cache.iterdir() if entry.is_dir()), key=lambda f: f.stat().st_mtime)
        sizes = {folder: sum(file.stat().st_size for file in folder.iterdir()) for folder in folders}
        for folder in folders:
            if sum(sizes.values()) + needed <= DISK:
                return
            shutil.rmtree(folder, ignore_errors=True)
            del sizes[folder]


def fitted_size(size: tuple[int, int], pixels: int) -> tuple[int, int]:
    """(height, width) of the same shape with at most so many pixels.

    >>> fitted_size((1000, 2000), 200_000)
    (316, 632)
    """
    height, width = size
    if height * width <= pixels:
        return size
    scale = (pixels / (height * width)) ** 0.5
    return max(1, int(height * scale)), max(1, int(width * scale))


def scaled(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Bring an image to (height, width)."""
    return np.asarray(Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BOX))


def read_reduced(name: str, path: Path, goal: tuple[int, int]) -> Pixels:
    """Read an image at (height, width), quickly where its kind allows; errors call it by its name."""
    with named(name), opened(path) as image:
        if image.format == "JPEG" and image.mode in ("RGB", "L"):
            # The reader of JPEG files makes smaller pictures in a fraction of the time.
            image.draft("RGB", (max(goal), max(goal)))
            image.load()
            found = np.array(ImageOps.exif_transpose(image).convert("RGB"))
        else:
            found = read_image(path)
    return found if found.shape[:2] == goal else scaled(found, goal)


def _decode(name: str, path: Path, folder: Path, sizes: list[Level]) -> None:
    """Write all levels of a large image as raw files, a band of rows at a time."""
    with named(name), opened(path) as image:
        image.load()
        if image.mode in ("F", "I", "I;16", "I;16B", "I;16L"):
            raise ImageError(
                f"has pixels of the kind {image.mode}, which are opened up to {IN_MEMORY:,} pixels only.",
                where=name,
                hint="Save it with 8 bits per channel.",
            )
        orientation = image.getexif().get(_ORIENTATION, 1)
        for top in range(0, image.height, _ROWS):
            bottom = min(top + _ROWS, image.height)
            band = np.asarray(image.crop((0, top, image.width, bottom)).convert("RGB"))
            # Mapped anew for each band, so that what is written does not count as memory in use.
            out = _mapped(folder, 0, sizes[0], "r+" if top else "w+")
            _as_stored(out, orientation)[top:bottom] = band
            out.flush()
            del out
    for index in range(1, len(sizes)):
        above = sizes[index - 1]
        for top in range(0, above.height, 2 * _ROWS):
            source = _mapped(folder, index - 1, above, "r")
            band = np.asarray(Image.fromarray(np.array(source[top : top + 2 * _ROWS])).reduce(2))
            out = _mapped(folder, index, sizes[index], "r+" if top else "w+")
            out[top // 2 : top // 2 + band.shape[0]] = band
            out.flush()
            del source, out


def _mapped(folder: Path, index: int, level: Level, mode: str) -> np.memmap[tuple[int, ...], np.dtype[np.uint8]]:
    return np.memmap(folder / f"{index}.rgb", np.uint8, mode, shape=(level.height, level.width, 3))  # type: ignore[call-overload,no-any-return]


def _as_stored(upright: Pixels, orientation: int) -> Pixels:
    """A view of an upright image that has rows and columns as the file has them (EXIF orientations 1 to 8)."""
    turned = upright.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else upright
    rows = -1 if orientation in (3, 4, 6, 7) else 1
    columns = -1 if orientation in (2, 3, 7, 8) else 1
    return turned[::rows, ::columns]
