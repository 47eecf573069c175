"""Rasters too large to be decoded: tiles are read from the file, coarse levels are made in the background."""

from __future__ import annotations

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointillist.annotator.images import files
from pointillist.annotator.images.catalogue import Catalogue, named
from pointillist.annotator.images.files import LevelFiles, Shape, mapped
from pointillist.annotator.images.levels import TILE, Part, Values, levels_of, reduced
from pointillist.data.rasters import OpenRaster, open_raster
from pointillist.errors import ImageError, PointillistError

AT_ONCE = 32 * 2**20
"""Bytes that a tile may need decoded to be read from the file each time, and that are decoded at a time."""

FIRST_LOOK = 96 * 2**20
"""Bytes that are decoded for the first look at an image, from blocks spread over it."""

FIRST_SIDE = 1024
"""Longer side of the first look in pixels, at most."""

KEPT = 4
"""First looks that are kept."""

KEPT_ROWS = 128 * 2**20
"""Bytes of rows of tiles that are kept of files in strips, where a tile costs as much as its whole row."""

log = logging.getLogger("pointillist.annotator")


class Plan:
    """How the levels of a raster are read: those below `base` from the file each time, the others from files made once.

    `source(level)` is the index and factor of the smaller version in the file to read a level from.
    """

    def __init__(self, catalogue: Catalogue, name: str) -> None:
        self.name = name
        self.path = catalogue.path(name)
        self.stamp = catalogue.stamp(name)
        self.key = f"{catalogue.id(name)}-{self.stamp}-levels"
        self.size = catalogue.size(name)
        bands, dtype = catalogue.kind(name)
        stored = catalogue.stored(name)
        if stored is None:
            raise ImageError("has changed.", where=name, hint="Load the image again.")
        self.block = stored.block
        self._overviews = stored.overviews
        self.in_one_piece = stored.in_one_piece
        self.strips = self.block[1] >= self.size[1] > TILE
        self.pixel = bands * np.dtype(dtype).itemsize
        self.levels = tuple(levels_of(self.size))
        costly = (level for level in range(1, len(self.levels)) if self._tile_bytes(level) > AT_ONCE)
        base = next(costly, len(self.levels))
        while base < len(self.levels) and Shape(self.levels, bands, dtype, base).bytes > files.DISK // 4:
            base += 1
        self.base = base
        self.shape = Shape(self.levels, bands, dtype, base)

    def source(self, level: int) -> tuple[int | None, int]:
        """Index (None: the image itself) and factor of the smallest version that has all pixels of a level."""
        fitting = [(f, i) for i, f in enumerate(self._overviews) if f.bit_count() == 1 and f <= 2**level]
        factor, index = max(fitting, default=(1, None))
        return index, factor

    def _tile_bytes(self, level: int) -> int:
        """What has to be decoded for one tile."""
        _, factor = self.source(level)
        side = TILE * 2**level // factor
        reach = [
            min(length // factor + 1, side + (block if factor == 1 else 0))
            for length, block in zip(self.size, self.block, strict=True)
        ]
        # A strip is as wide as the image.
        wide = max(reach[1], min(self.block[1], self.size[1])) if factor == 1 else reach[1]
        return int(reach[0] * wide * self.pixel)


class Windows:
    """Parts of large rasters.

    Attributes:
        made: Stamps of the images, by name, whose coarse levels have become exact.
        on_made: Called when there is another one.
    """

    def __init__(self, catalogue: Catalogue, level_files: LevelFiles) -> None:
        self._catalogue = catalogue
        self._files = level_files
        self.made: dict[str, str] = {}
        self.on_made: Callable[[], None] = lambda: None
        self._plans: dict[tuple[str, str], Plan] = {}
        self._looks: OrderedDict[str, Values] = OrderedDict()
        self._looking = threading.Lock()
        self._rows: OrderedDict[tuple[str, int, int, int], Values] = OrderedDict()
        self._reading = threading.Lock()
        self._changed = threading.Condition()
        self._wanted: list[Plan] = []
        self._failed: set[str] = set()
        self._maker: threading.Thread | None = None
        self._closed = False

    def close(self) -> None:
        """Stop making levels."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._maker is not None:
            self._maker.join()

    def part(self, name: str, level: int, top: int, left: int, height: int, width: int) -> Part:
        """Some pixels of a level, in pixels of the level; cut at its right and bottom edge.

        Raises:
            ImageError: The file cannot be read.
        """
        plan = self._plan(name)
        with named(name):
            if level < plan.base and plan.strips and height == TILE:
                return Part(np.array(self._row(plan, level, top, height)[:, left : left + width]))
            if level < plan.base:
                return Part(_direct(plan, level, top, left, height, width))
            made = self._files.find(plan.key, plan.shape)
            if made is not None:
                return Part(np.array(made[level - plan.base][top : top + height, left : left + width]))
            self._order(plan)
            look, size = self._first_look(plan), plan.levels[level]
            rows = np.arange(top, min(top + height, size.height)) * look.shape[0] // size.height
            columns = np.arange(left, min(left + width, size.width)) * look.shape[1] // size.width
            return Part(look[rows][:, columns], exact=False)

    def _plan(self, name: str) -> Plan:
        key = name, self._catalogue.stamp(name)
        if key not in self._plans:
            self._plans[key] = Plan(self._catalogue, name)
        return self._plans[key]

    def _row(self, plan: Plan, level: int, top: int, height: int) -> Values:
        key = plan.key, level, top, height
        # Tiles of one row are asked for at the same time.
        with self._reading:
            found = self._rows.get(key)
            if found is None:
                found = self._rows[key] = _direct(plan, level, top, 0, height, plan.levels[level].width)
                while len(self._rows) > 1 and sum(row.nbytes for row in self._rows.values()) > KEPT_ROWS:
                    self._rows.popitem(last=False)
            self._rows.move_to_end(key)
            return found

    def _first_look(self, plan: Plan) -> Values:
        with self._looking:
            found = self._looks.get(plan.key)
            if found is None:
                found = self._looks[plan.key] = _first_look(plan)
                while len(self._looks) > KEPT:
                    self._looks.popitem(last=False)
            return found

    # Making levels

    def _order(self, plan: Plan) -> None:
        with self._changed:
            if self._closed or plan.key in self._failed or plan in self._wanted:
                return
            self._wanted.append(plan)
            if self._maker is None:
                self._maker = threading.Thread(target=self._make_all, name="annotator-levels", daemon=True)
                self._maker.start()
            self._changed.notify_all()

    def _make_all(self) -> None:
        while True:
            with self._changed:
                while not self._wanted and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                plan = self._wanted[-1]  # what is looked at now comes first
            try:
                self._files.make(plan.key, plan.shape, partial(self._write, plan))
            except _ClosedError:
                return
            except PointillistError as error:
                log.error("%s: no levels were made: %s", plan.name, error)
                self._failed.add(plan.key)
            with self._changed:
                self._wanted.remove(plan)
            if plan.key not in self._failed:
                self.made[plan.name] = plan.stamp
                self.on_made()

    def _write(self, plan: Plan, folder: Path) -> None:
        index, factor = plan.source(plan.base)
        level = plan.levels[plan.base]
        top = 0
        with named(plan.name), open_raster(plan.path, index) as raster:
            for band in _bands_of_rows(plan, raster, 2**plan.base // factor, 0, 0, level.height, level.width):
                out = mapped(folder, plan.shape, plan.base, "r+" if top else "w+")
                out[top : top + len(band)] = band[: level.height - top, : level.width]
                out.flush()
                del out
                top += len(band)
                if self._closed:
                    raise _ClosedError


class _ClosedError(Exception):
    """The annotator ends while levels are being made."""


def _direct(plan: Plan, level: int, top: int, left: int, height: int, width: int) -> Values:
    """Part of a level, read from the file."""
    index, factor = plan.source(level)
    with open_raster(plan.path, index) as raster:
        bands = list(_bands_of_rows(plan, raster, 2**level // factor, top, left, height, width))
    return bands[0] if len(bands) == 1 else np.concatenate(bands)


def _bands_of_rows(
    plan: Plan, raster: OpenRaster, ratio: int, top: int, left: int, height: int, width: int
) -> Iterator[Values]:
    """Rows of a level from a raster that is `ratio` times as large, as many at a time as memory allows."""
    rows, columns = raster.size
    first, last = top * ratio, min((top + height) * ratio, rows)
    left, right = left * ratio, min((left + width) * ratio, columns)
    line = (right - left) * plan.pixel
    # Whole rows of blocks, so that none is decoded twice, unless they are very high.
    aligned = math.lcm(ratio, raster.block[0])
    unit = aligned if aligned * line <= 4 * AT_ONCE else ratio
    step = max(unit, AT_ONCE // line // unit * unit)
    at = first
    while at < last:
        end = min(last, (at // step + 1) * step)
        yield reduced(raster.read(at, left, end - at, right - left), ratio)
        at = end


def _first_look(plan: Plan) -> Values:
    """The whole image, small, from blocks spread over it: what lies between them looks like the nearest one."""
    level = max(plan.base, next(i for i, s in enumerate(plan.levels) if max(s.width, s.height) <= FIRST_SIDE))
    goal, factor = plan.levels[level], 2**level
    if plan.in_one_piece:
        # A row costs all rows before it, so going through all of them once is the quickest way to any.
        return _direct(plan, level, 0, 0, goal.height, goal.width)
    with open_raster(plan.path) as raster:
        high, wide = raster.block
        (height, width), most = raster.size, max(1, FIRST_LOOK // (high * wide * plan.pixel))
        across = min(-(-width // wide), goal.width, max(1, round(math.sqrt(most * width / height))))
        down = min(-(-height // high), goal.height, max(1, most // across))
        ys: list[float] = []
        grid: list[Values] = []
        for top in _spread(height, high, down):
            row = []
            xs: list[float] = []
            for left in _spread(width, wide, across):
                block = raster.read(top, left, min(high, height - top), min(wide, width - left))
                small = reduced(block, factor)
                row.append(small)
                xs += _centres(left, block.shape[1], small.shape[1])
            grid.append(np.concatenate(row, axis=1))
            ys += _centres(top, block.shape[0], small.shape[0])
    values = np.concatenate(grid)
    return values[_nearest(ys, goal.height, factor)][:, _nearest(xs, goal.width, factor)]


def _spread(length: int, block: int, count: int) -> list[int]:
    last = -(-length // block) - 1
    return [int(place) * block for place in np.unique(np.linspace(0, last, count).round())]


def _centres(start: int, length: int, count: int) -> list[float]:
    return [start + (i + 0.5) * length / count for i in range(count)]


def _nearest(places: list[float], length: int, factor: int) -> NDArray[np.intp]:
    """For each pixel of a level, the number of the nearest place."""
    there = np.array(places)
    middles = (there[1:] + there[:-1]) / 2
    return np.searchsorted(middles, (np.arange(length) + 0.5) * factor)
