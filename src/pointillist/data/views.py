"""Images at the scale of a network, and for people, in windows: whole in memory, or from disk where they are large."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from pointillist.data.images import image_size, reads_windows
from pointillist.data.inputs import InputSpec, shares
from pointillist.data.pixels import Pixels
from pointillist.data.rasters import OpenRaster, open_raster
from pointillist.data.regions import InMemory, Region, Source, file_of
from pointillist.data.resize import under_centres

LARGE = 2**24
"""Pixels; files with more are read in windows, where their kind allows it."""

ROWS = 1024
"""At least as many rows of what is seen as a row of tiles takes, with what the filters reach beyond it."""

AT_ONCE = 2**22
"""About how many pixels of a file a window reads at once, however much the network sees it shrunk."""


class View(ABC):
    """An image at the scale at which a network sees it.

    Attributes:
        own: (height, width) of the image itself.
        size: (height, width) at which it is seen.
    """

    own: tuple[int, int]
    size: tuple[int, int]

    @abstractmethod
    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.float32]:
        """K×height×width in [0, 1] of a window of what is seen.

        Raises:
            ImageError: The file cannot be read there.
        """

    @abstractmethod
    def valid(self, top: int, left: int, height: int, width: int) -> NDArray[np.bool_] | None:
        """height×width, which pixels of a window of the image itself have data; None for all of them."""

    @abstractmethod
    def picture(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """rows×W×3 for people, of some rows of the image itself."""


class WholeView(View):
    """An image in memory, as `Bands.read` gives it; of a large one, what is seen is made window by window."""

    def __init__(self, spec: InputSpec, pixels: Pixels) -> None:
        self._bands, self._pixels = spec.bands, pixels
        self.own = pixels.size
        large = math.prod(self.own) > LARGE and pixels.shrunk_from is None
        self._seen = None if large else spec.array(pixels)
        self.size = spec.scale.size_of(self.own) if self._seen is None else (self._seen.shape[1], self._seen.shape[2])

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.float32]:
        """See `View.read`."""
        if self._seen is None:
            return seen_window(self._window, self.own, self.size, (top, left, height, width))
        return self._seen[:, top : top + height, left : left + width]

    def valid(self, top: int, left: int, height: int, width: int) -> NDArray[np.bool_] | None:
        """See `View.valid`."""
        return self._window(top, left, height, width).valid

    def picture(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """See `View.picture`."""
        return self._bands.picture(self._pixels.values[top:bottom])

    def _window(self, top: int, left: int, height: int, width: int) -> Pixels:
        part, valid = (slice(top, top + height), slice(left, left + width)), self._pixels.valid
        return Pixels(self._pixels.values[part], None if valid is None else valid[part])


class FileView(View):
    """A file that is read in windows."""

    def __init__(self, spec: InputSpec, source: Source, raster: OpenRaster) -> None:
        self._spec, self._source, self._raster = spec, source, raster
        self.own = image_size(source)
        self.size = spec.scale.size_of(self.own)
        self._corner = (source.top, source.left) if isinstance(source, Region) else (0, 0)

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.float32]:
        """See `View.read`."""
        return seen_window(self._window, self.own, self.size, (top, left, height, width))

    def valid(self, top: int, left: int, height: int, width: int) -> NDArray[np.bool_] | None:
        """See `View.valid`."""
        return self._window(top, left, height, width).valid if self._raster.gaps else None

    def picture(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """See `View.picture`."""
        part = Region(file_of(self._source), self._corner[0] + top, self._corner[1], bottom - top, self.own[1])
        # Writers ask in threads of their own, and an open raster is for one thread.
        return self._spec.bands.picture_of(part)

    def _window(self, top: int, left: int, height: int, width: int) -> Pixels:
        pixels = self._raster.pixels(self._corner[0] + top, self._corner[1] + left, height, width)
        return self._spec.bands.scaled(pixels, file_of(self._source))


def seen_window(
    read: Callable[[int, int, int, int], Pixels],
    own: tuple[int, int],
    seen: tuple[int, int],
    window: tuple[int, int, int, int],
) -> NDArray[np.float32]:
    """A window of what is seen, as it is in the whole, of no more of the image than it needs.

    Args:
        read: A window (top, left, height, width) of the image itself, as `Bands.read` gives it.
        own: (height, width) of the image.
        seen: (height, width) at which it is seen.
        window: Top, left, height, width.

    Returns:
        K×height×width in [0, 1].
    """
    top, left, height, width = window
    tall, wide = (own_side / seen_side for own_side, seen_side in zip(own, seen, strict=True))
    if height * tall * width * wide > AT_ONCE and height > 1:
        half = height // 2
        halves = ((top, left, half, width), (top + half, left, height - half, width))
        return np.concatenate([seen_window(read, own, seen, part) for part in halves], axis=1)
    # The filter reaches as far beyond the window as one pixel of what is seen, and at least one of the image.
    first = [max(0, math.floor(start * step - max(1.0, step)) - 1) for start, step in ((top, tall), (left, wide))]
    last = [
        min(side, math.ceil(end * step + max(1.0, step)) + 1)
        for side, end, step in zip(own, (top + height, left + width), (tall, wide), strict=True)
    ]
    pixels = read(first[0], first[1], last[0] - first[0], last[1] - first[1])
    box = (
        top * tall - first[0],
        left * wide - first[1],
        (top + height) * tall - first[0],
        (left + width) * wide - first[1],
    )
    valid = None
    if pixels.valid is not None:
        rows = under_centres(own[0], seen[0])[top : top + height] - first[0]
        columns = under_centres(own[1], seen[1])[left : left + width] - first[1]
        valid = pixels.valid[rows[:, None], columns]
    return shares(pixels.values, valid, (height, width), box)


@contextmanager
def open_view(spec: InputSpec, source: Source) -> Iterator[View]:
    """An image as a network sees it, for the block and its thread; a large one stays on disk.

    Raises:
        ImageError: It cannot be read, or its bands or its type are others.
    """
    if stays_on_disk(source) and not spec.bands.plane:
        with open_raster(file_of(source)) as raster:
            view = FileView(spec, source, raster)
            with raster.keeping(math.ceil(ROWS * view.own[0] / view.size[0])):
                yield view
    else:
        yield WholeView(spec, spec.bands.read(source))


def stays_on_disk(source: Source) -> bool:
    """Whether an image is so large that it is read in windows, and of a kind that can be."""
    if isinstance(source, InMemory):
        return False
    height, width = image_size(source)
    return height * width > LARGE and reads_windows(source)
