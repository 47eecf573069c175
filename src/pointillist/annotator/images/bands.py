"""Bands of the images: what black and white mean in this folder, and which three bands a person looks at."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pointillist.annotator.folder import DataFolder
from pointillist.annotator.images.catalogue import Catalogue, named
from pointillist.data.bands import Bands, Range
from pointillist.data.find_bands import find_bands, measure
from pointillist.data.pixels import Pixels
from pointillist.errors import ImageError, PointillistError

SAMPLED = 64
"""Images that are looked at to find others of the same kind."""

KEPT = 4096
"""Images whose own ranges are kept."""

Stretch = Literal["data", "image"]
"""What is black and white on the screen: the ends of the data set's range, or of the image's own."""

_VIEW = re.compile(rf"([0-9]{{1,5}})-([0-9]{{1,5}})\.([0-9]{{1,5}})\.([0-9]{{1,5}})-({'|'.join(get_args(Stretch))})")


@dataclass(frozen=True)
class View:
    """How a person looks at images of `bands` bands: three of them, counted from 0, as red, green and blue.

    Labels know nothing of it. Images with another number of bands are shown as if nothing was chosen.
    """

    bands: int
    display: tuple[int, int, int]
    stretch: Stretch

    @classmethod
    def parse(cls, text: str) -> View | None:
        """The view that an address of the page carries, `bands-red.green.blue-stretch`; None for an empty one.

        >>> View.parse("5-4.3.2-image")
        View(bands=5, display=(3, 2, 1), stretch='image')

        Raises:
            ImageError: It is no view.
        """
        if not text:
            return None
        if found := _VIEW.fullmatch(text):
            bands, *display = map(int, found.groups()[:4])
            if all(1 <= band <= bands for band in display):
                red, green, blue = display
                return cls(bands, (red - 1, green - 1, blue - 1), found[5])  # type: ignore[arg-type]
        raise ImageError("this is no choice of bands.", field="view", hint="Choose the bands again.")


class FolderBands:
    """One `Bands` for each kind of image: a folder may hold several kinds side by side."""

    def __init__(self, folder: DataFolder, catalogue: Catalogue) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._found: dict[tuple[int, str], Bands] = {}
        self._own: OrderedDict[tuple[str, str], tuple[Range, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, name: str) -> Bands:
        """Bands of the images like this one, found out when the first of them is looked at.

        Raises:
            ImageError: It cannot be read.
            DatasetError: What `dataset.yaml` says of the bands does not fit it.
        """
        kind = self._catalogue.kind(name)
        if kind not in self._found:
            with self._lock:
                if kind not in self._found:
                    self._found[kind] = self._find(name, kind)
        return self._found[kind]

    def about(self, name: str) -> dict[str, Any]:
        """The bands of an image as the page reads them; `choice`: whether there is anything to choose."""
        bands = self.of(name)
        return {
            "names": list(bands.names),
            "type": bands.dtype,
            "display": [band + 1 for band in bands.display],
            "choice": len(bands) > 3 or bands.dtype != "uint8",
        }

    def picture(self, name: str, values: NDArray[Any], view: View | None = None) -> NDArray[np.uint8]:
        """H×W×3 uint8 for the screen, of values as the file has them."""
        bands = self.of(name)
        if view is None or view.bands != len(bands):
            view = View(len(bands), bands.display, "data")
        ranges = self._own_ranges(name, bands) if view.stretch == "image" else bands.ranges
        shown = list(view.display)
        if bands.select is not None:
            values = values[:, :, [band - 1 for band in bands.select]]
        # Only what is shown is scaled.
        three = Bands(("red", "green", "blue"), bands.dtype, tuple(ranges[band] for band in shown), (0, 1, 2))
        if shown != [0, 1, 2] or values.shape[2] > 3:
            values = values[:, :, shown]
        return three.picture(three.scaled(Pixels(values), name).values)

    def _own_ranges(self, name: str, bands: Bands) -> tuple[Range, ...]:
        key = name, self._catalogue.stamp(name)
        found = self._own.get(key)
        if found is None:
            with named(name):
                found = measure([self._catalogue.path(name)], bands)
            with self._lock:
                self._own[key] = found
                while len(self._own) > KEPT:
                    self._own.popitem(last=False)
        return found

    def _find(self, name: str, kind: tuple[int, str]) -> Bands:
        names = self._catalogue.names
        # The same images as a training that has the whole folder looks at.
        some = np.unique(np.linspace(0, len(names) - 1, min(SAMPLED, len(names))).round().astype(int))
        alike = [one for one in (names[place] for place in some) if self._is(one, kind)] or [name]
        while True:
            paths = {str(self._catalogue.path(one)): one for one in alike}
            try:
                return find_bands([Path(path) for path in paths], self._folder.bands, self._folder.dataset_file)
            except ImageError as error:
                # A damaged image tells so when it is opened; the others are measured without it.
                damaged = paths.get(error.where or "")
                if damaged is None or alike == [name]:
                    raise ImageError(error.found, where=damaged or name, field=error.field, hint=error.hint) from error
                alike = [one for one in alike if one != damaged] or [name]

    def _is(self, name: str, kind: tuple[int, str]) -> bool:
        try:
            return self._catalogue.kind(name) == kind
        except PointillistError:
            return False
