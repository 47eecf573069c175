"""The pixels of all images in levels, as the files have them: decoded into memory, into files, or read in windows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from PIL import ImageOps

from pointillist.annotator.images.catalogue import Catalogue, named
from pointillist.annotator.images.files import ROWS, LevelFiles, Shape, mapped
from pointillist.annotator.images.levels import (
    TILE,
    Part,
    Values,
    fitted_size,
    level_for,
    levels_of,
    reduced,
    resized,
)
from pointillist.annotator.images.windows import Windows
from pointillist.data.images import opened, read_pixels
from pointillist.data.pixels import Plane, kind_of
from pointillist.errors import ImageError

MEMORY = 256 * 2**20
"""Bytes of decoded images that are kept."""

_PHOTOGRAPH = (3, "uint8")
_ORIENTATION = 0x0112


class Pyramids:
    """Pixels of images, the last used ones kept in bounded memory and disk space; `plane` as in `read_pixels`."""

    def __init__(self, catalogue: Catalogue, cache: Path, plane: Plane) -> None:
        self._catalogue = catalogue
        self._plane = plane
        self.files = LevelFiles(cache)
        self.windows = Windows(catalogue, self.files)
        self._kept: OrderedDict[tuple[str, str], list[Values]] = OrderedDict()
        self._lock = threading.Lock()
        # One image of each kind is decoded at a time; a large one does not keep a small one waiting.
        self._decoding = {False: threading.Lock(), True: threading.Lock()}

    def tile(self, name: str, level: int, column: int, row: int) -> Part:
        """Pixels of a tile."""
        sizes = levels_of(self._catalogue.size(name))
        if not 0 <= level < len(sizes):
            raise ImageError("has no such level.", where=name, hint="Load the image again.")
        if not (0 <= column < sizes[level].columns and 0 <= row < sizes[level].rows):
            raise ImageError("has no such tile.", where=name, hint="Load the image again.")
        return self._part(name, level, row * TILE, column * TILE, TILE, TILE)

    def window(self, name: str, top: int, left: int, height: int, width: int) -> Part:
        """Some pixels of the image itself, cut at its right and bottom edge."""
        return self._part(name, 0, top, left, height, width)

    def fitted(self, name: str, pixels: int) -> Part:
        """The image at the largest size of its shape that has at most so many pixels."""
        size = self._catalogue.size(name)
        goal = fitted_size(size, pixels)
        level = level_for(size, goal)
        whole = self._part(name, level, 0, 0, *size)
        return Part(resized(whole.values, goal), whole.exact)

    def reduced(self, name: str, pixels: int) -> Part:
        """The same, quicker where the kind of file allows, and without keeping the decoded image."""
        size = self._catalogue.size(name)
        large = self._catalogue.large(name)
        if large and (self._catalogue.stored(name) is not None or self._find((name, self._catalogue.stamp(name)))):
            return self.fitted(name, pixels)
        goal, path = fitted_size(size, pixels), self._catalogue.path(name)
        kind = self._catalogue.kind(name)
        photograph = kind == _PHOTOGRAPH and not self._plane
        found = None
        with named(name), self._decoding[True] if large else nullcontext():
            if photograph:
                found = _read_draft(path, goal)
            if photograph and large and found is None:
                found = _read_coarse(path, goal)
            return Part(resized(_read(path, kind, self._plane) if found is None else found, goal))

    def _part(self, name: str, level: int, top: int, left: int, height: int, width: int) -> Part:
        if self._catalogue.large(name) and self._catalogue.stored(name) is not None:
            return self.windows.part(name, level, top, left, height, width)
        values = self._levels(name)[level][top : top + height, left : left + width]
        return Part(np.array(values))

    def _levels(self, name: str) -> list[Values]:
        key = (name, self._catalogue.stamp(name))
        large = self._catalogue.large(name)
        found = self._find(key)
        if found is None:
            with self._decoding[large]:
                found = self._find(key)
                if found is None:
                    found = self._on_disk(name, key[1]) if large else self._in_memory(name)
                    self._keep(key, found)
        return found

    def _find(self, key: tuple[str, str]) -> list[Values] | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: tuple[str, str], levels: list[Values]) -> None:
        with self._lock:
            self._kept[key] = levels
            # Files that are mapped cost address space, not memory, but their number is bounded all the same.
            while len(self._kept) > 1 and (self._bytes() > MEMORY or len(self._kept) > 64):
                self._kept.popitem(last=False)

    def _bytes(self) -> int:
        return sum(
            level.nbytes for levels in self._kept.values() for level in levels if not isinstance(level, np.memmap)
        )

    def _in_memory(self, name: str) -> list[Values]:
        path = self._catalogue.path(name)
        with named(name):
            levels = [_read(path, self._catalogue.kind(name), self._plane)]
        while max(levels[-1].shape[:2]) > TILE:
            levels.append(reduced(levels[-1], 2))
        return levels

    def _on_disk(self, name: str, stamp: str) -> list[Values]:
        key = f"{self._catalogue.id(name)}-{stamp}"
        kind = self._catalogue.kind(name)
        shape = Shape(tuple(levels_of(self._catalogue.size(name))), *kind)
        found = self.files.find(key, shape)
        if found is None:
            path = self._catalogue.path(name)
            whole = kind != _PHOTOGRAPH or bool(self._plane)
            with named(name):
                if whole:
                    self.files.make(key, shape, lambda folder: _write(_read(path, kind, self._plane), folder, shape))
                else:
                    self.files.make(key, shape, lambda folder: _decode(path, folder, shape))
            found = self.files.find(key, shape)
        if found is None:
            raise ImageError("was removed from the cache meanwhile.", where=name, hint="Load the image again.")
        return found


def _read(path: Path, kind: tuple[int, str], plane: Plane) -> Values:
    """All pixels; brightnesses of 8 bits as red, green and blue."""
    values = read_pixels(path, plane=plane).values
    if kind == _PHOTOGRAPH and values.shape[2] == 1:
        values = np.repeat(values, 3, axis=2)
    found = values.shape[2], values.dtype.name
    if found != kind:
        raise ImageError(
            f"has {kind_of(*found)}, and its header says {kind_of(*kind)}.", where=path, hint="Save it again."
        )
    return values


def _read_draft(path: Path, goal: tuple[int, int]) -> Values | None:
    """A JPEG near a size, in a fraction of the time; None for other files."""
    with opened(path) as image:
        if image.format != "JPEG" or image.mode not in ("RGB", "L"):
            return None
        image.draft("RGB", (max(goal), max(goal)))
        image.load()
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def _read_coarse(path: Path, goal: tuple[int, int]) -> Values:
    """A photograph, shrunk as it is decoded to at least a size: no second copy of its pixels is made."""
    with opened(path) as image:
        image.load()
        factor = max(1, max(image.size) // max(goal))
        stored = (image if image.mode in ("RGB", "L") else image.convert("RGB")).reduce(factor).convert("RGB")
        orientation = image.getexif().get(_ORIENTATION, 1)
    size = stored.size if orientation in (5, 6, 7, 8) else stored.size[::-1]
    upright = np.empty((*size, 3), np.uint8)
    _as_stored(upright, orientation)[:] = np.asarray(stored)
    return upright


def _write(values: Values, folder: Path, shape: Shape) -> None:
    out = mapped(folder, shape, 0, "w+")
    out[:] = values
    out.flush()


def _decode(path: Path, folder: Path, shape: Shape) -> None:
    """Write the pixels of a large photograph, a band of rows at a time."""
    with opened(path) as image:
        image.load()
        orientation = image.getexif().get(_ORIENTATION, 1)
        for top in range(0, image.height, ROWS):
            bottom = min(top + ROWS, image.height)
            band = np.asarray(image.crop((0, top, image.width, bottom)).convert("RGB"))
            out = mapped(folder, shape, 0, "r+" if top else "w+")
            _as_stored(out, orientation)[top:bottom] = band
            out.flush()
            del out


def _as_stored(upright: Values, orientation: int) -> Values:
    """A view of an upright image that has rows and columns as the file has them (EXIF orientations 1 to 8)."""
    turned = upright.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else upright
    rows = -1 if orientation in (3, 4, 6, 7) else 1
    columns = -1 if orientation in (2, 3, 7, 8) else 1
    return turned[::rows, ::columns]
