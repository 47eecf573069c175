"""Bands of a data set: which, of what type, and which range of values is black to white; one per data set and band."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.data.images import image_kind, image_size, read_pixels
from pointillist.data.pixels import Pixels, Plane, kind_of
from pointillist.data.regions import Source, file_of, window_of
from pointillist.errors import DatasetError, ImageError, ImageWarning

Range = tuple[float, float]

EIGHT_BITS: Range = (0.0, 255.0)

PERCENTILES = (0.1, 99.9)
"""What counts as the darkest and the brightest value of a band: a few dead pixels must not decide."""

LEAST_USE = 0.05
"""Photographs of 8 bits that use less of the range than this are measured like all other images."""

MEASURED_IMAGES = 64
MEASURED_SIDE = 256
"""At most so many images are looked at for the ranges, and of each a grid of at most so many rows and columns."""


@dataclass(frozen=True)
class Bands:
    """How the pixels of files become numbers between 0 and 1.

    Args:
        names: Names of the K bands.
        dtype: NumPy's name of the files' type, one of `pixels.TYPES`.
        ranges: Per band the values that become 0 and 1; what lies beyond is cut off.
        display: Which three bands are shown as red, green and blue, counted from 0.
        select: Bands of the files that are used, counted from 1; None uses all.
        plane: Which picture of files with several.
    """

    names: tuple[str, ...]
    dtype: str
    ranges: tuple[Range, ...]
    display: tuple[int, int, int]
    select: tuple[int, ...] | None = None
    plane: Plane = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return f"{kind_of(len(self), self.dtype)} ({', '.join(self.names)})"

    @property
    def photograph(self) -> bool:
        """Whether these are plain photographs: red, green and blue of 8 bits in their full range."""
        return self == RGB

    def read(self, source: Source, size: tuple[int, int] | None = None) -> Pixels:
        """Read an image as H×W×K between 0 (black) and the largest value of its type (white), uint8 or uint16.

        Args:
            source: The file or window.
            size: See `read_pixels`.

        Raises:
            ImageError: It cannot be read, or its bands or its type are others.
        """
        return self.scaled(read_pixels(source, plane=self.plane, size=size), file_of(source))

    def scaled(self, pixels: Pixels, where: Any = None) -> Pixels:
        """The same as `read`, of pixels as a file has them.

        Raises:
            ImageError: The bands or the type are others.
        """
        values = pixels.values
        if self.select is None and len(self) == 3 and values.shape[2] == 1 and values.dtype == np.uint8:
            values = np.repeat(values, 3, axis=2)  # a grey photograph among others in colour
        found = kind_of(values.shape[2], values.dtype.name)
        if self.select is not None and max(self.select) <= values.shape[2]:
            values = values[:, :, [band - 1 for band in self.select]]
        if values.shape[2] != len(self) or values.dtype.name != self.dtype:
            hint = "Choose bands and range: --bands 1,2,3 --range 0,255 in predict, or bands: in dataset.yaml."
            raise ImageError(f"has {found}; what was learnt has {self}.", where=where, field="bands", hint=hint)
        if self.dtype == "uint8" and set(self.ranges) == {EIGHT_BITS}:
            return Pixels(values, pixels.valid)
        valid = pixels.valid
        if self.dtype == "float32":
            finite = np.isfinite(values).all(axis=2)
            if not finite.all():
                valid = finite if valid is None else valid & finite
        low = np.array([low for low, _ in self.ranges], np.float32)
        high = np.array([high for _, high in self.ranges], np.float32)
        # 16 bits are finer than any picture is used here, and half the size of floating point.
        share = np.nan_to_num((values.astype(np.float32) - low) / np.maximum(high - low, 1e-30))
        return Pixels(np.rint(share.clip(0, 1) * 65535).astype(np.uint16), valid)

    def picture(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """H×W×3 uint8 for people, of what `read` gives."""
        shown = values[:, :, list(self.display)] if self.display != (0, 1, 2) or values.shape[2] > 3 else values
        shown = shown if shown.dtype == np.uint8 else (shown >> 8)
        return np.ascontiguousarray(shown.astype(np.uint8))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "names": list(self.names),
            "type": self.dtype,
            "range": [list(one) for one in self.ranges],
            "display": [band + 1 for band in self.display],
            "select": None if self.select is None else list(self.select),
            "plane": dict(self.plane),
        }


RGB = Bands(("red", "green", "blue"), "uint8", (EIGHT_BITS,) * 3, (0, 1, 2))


@dataclass(frozen=True)
class DeclaredBands:
    """What the owner of a data set says about its bands; what is None is found out.

    Args:
        names: Names of the bands that are used.
        select: Bands of the files that are used, counted from 1.
        display: Three names, or numbers counted from 1, to be shown as red, green and blue.
        ranges: Per band the values that become black and white.
        plane: Which picture of files with several.
    """

    names: tuple[str, ...] | None = None
    select: tuple[int, ...] | None = None
    display: tuple[str | int, ...] | None = None
    ranges: tuple[Range, ...] | None = None
    plane: Plane = field(default_factory=dict)


def find_bands(sources: Sequence[Source], declared: DeclaredBands, where: Any) -> Bands:
    """Bands of a data set: what its owner says, and the rest from a bounded number of its images.

    Args:
        sources: Its training images.
        declared: What is known already.
        where: For messages.

    Raises:
        DatasetError: The images differ in their bands or type, or what is declared does not fit them.
        ImageError: One of them cannot be read.
    """
    looked_at = _some(sources, MEASURED_IMAGES)
    kinds: dict[tuple[int, str], list[Source]] = {}
    names: tuple[str, ...] = ()
    for source in looked_at:
        bands, dtype, own_names = image_kind(file_of(source), plane=declared.plane)
        kinds.setdefault((bands, dtype), []).append(source)
        names = names or own_names
    if len(kinds) > 1:
        found = "; ".join(f"{kind_of(*kind)}, such as '{file_of(some[0]).name}'" for kind, some in kinds.items())
        hint = "Train on images of one kind; put the others into a data set of their own."
        raise DatasetError(f"its images differ: {found}.", where=where, field="bands", hint=hint)
    (bands, dtype), _ = next(iter(kinds.items()))
    draft = _draft(bands, dtype, names, declared, where)
    if declared.ranges is not None:
        return draft
    # A single dark photograph is no reason; a whole data set that never leaves the bottom is. Mostly the first tells.
    if dtype == "uint8" and any(high > LEAST_USE * 255 for one in looked_at for _, high in measure([one], draft)):
        return draft
    measured = measure(looked_at, draft)
    if dtype == "uint8":
        text = f"the images use values from {measured[0][0]:g} to {max(h for _, h in measured):g} of 0 to 255; "
        warnings.warn(text + "this range is taken as black to white.", ImageWarning, stacklevel=2)
    return replace(draft, ranges=measured)


def _some(sources: Sequence[Source], count: int) -> list[Source]:
    places = np.unique(np.linspace(0, len(sources) - 1, min(count, len(sources))).round().astype(int))
    return [sources[place] for place in places]


def _draft(bands: int, dtype: str, names: tuple[str, ...], declared: DeclaredBands, where: Any) -> Bands:
    def refused(found: str, hint: str) -> DatasetError:
        return DatasetError(found, where=where, field="bands", hint=hint)

    kind = kind_of(bands, dtype)
    if declared.select is not None and max(declared.select) > bands:
        raise refused(f"there is no band {max(declared.select)}: the images have {kind}.", "Correct bands: select.")
    used = declared.select or tuple(range(1, bands + 1))
    own = ("red", "green", "blue") if bands == 3 and dtype == "uint8" else names
    chosen = declared.names or tuple((own[band - 1] if len(own) == bands else "") or f"band {band}" for band in used)
    if len(chosen) != len(used) or len(set(chosen)) != len(chosen):
        raise refused(f"{len(chosen)} names for {len(used)} bands of the images ({kind}).", "Name each band once.")
    ranges = declared.ranges or (EIGHT_BITS,) * len(used)
    ranges = ranges * len(used) if len(ranges) == 1 else ranges
    if len(ranges) != len(used):
        raise refused(f"{len(ranges)} ranges for {len(used)} bands.", "Give one range, or one for each band.")
    display = []
    for wanted in declared.display or tuple(range(1, min(3, len(used)) + 1)):
        if wanted in chosen:
            display.append(chosen.index(str(wanted)))
        elif isinstance(wanted, int) and 1 <= wanted <= len(used):
            display.append(wanted - 1)
        else:
            raise refused(f"there is no band '{wanted}' to show.", f"Choose three of {', '.join(chosen)}.")
    three = display * 3 if len(display) == 1 else [*display, display[-1]][:3]
    return Bands(chosen, dtype, ranges, (three[0], three[1], three[2]), declared.select, declared.plane)


def measure(sources: Sequence[Source], bands: Bands) -> tuple[Range, ...]:
    """Robust range of each band over a grid of pixels of each image.

    Raises:
        ImageError: One of them cannot be read, or none has a pixel with data.
    """
    seen: list[NDArray[np.float32]] = []
    for source in sources:
        pixels = _grid(source, bands.plane)
        values = pixels.values
        if values.shape[2] == 1 and len(bands) == 3 and bands.select is None:
            values = np.repeat(values, 3, axis=2)
        if bands.select is not None:
            values = values[:, :, [band - 1 for band in bands.select]]
        rows = values.reshape(-1, values.shape[2]).astype(np.float32)
        kept = np.isfinite(rows).all(axis=1)
        seen.append(rows[kept if pixels.valid is None else kept & pixels.valid.reshape(-1)])
    together = np.concatenate(seen)
    if not len(together):
        raise ImageError("no pixel has data.", where=file_of(sources[0]), hint="Check the no-data value.")
    low, high = np.percentile(together, PERCENTILES, axis=0)
    return tuple((float(a), float(b) if b > a else float(a) + 1) for a, b in zip(low, high, strict=True))


def _grid(source: Source, plane: Plane) -> Pixels:
    """A bounded number of an image's pixels: the grid of a whole one, windows of a large one."""
    height, width = image_size(source)
    if height * width <= 2**24 or plane:
        pixels = read_pixels(source, plane=plane)
        rows, columns = (slice(None, None, max(1, side // MEASURED_SIDE)) for side in pixels.size)
        return Pixels(pixels.values[rows, columns], None if pixels.valid is None else pixels.valid[rows, columns])
    side = MEASURED_SIDE // 4
    tops = np.linspace(0, height - side, 4).round().astype(int)
    lefts = np.linspace(0, width - side, 4).round().astype(int)
    parts = [read_pixels(window_of(source, int(t), int(x), side, side)) for t in tops for x in lefts]
    valid = [np.ones(part.size, bool) if part.valid is None else part.valid for part in parts]
    return Pixels(np.concatenate([part.values for part in parts]), np.concatenate(valid))
