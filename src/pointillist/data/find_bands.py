"""Finding out which bands a data set has, and the range of their values."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from pointillist.data.bands import EIGHT_BITS, Bands, Range
from pointillist.data.images import image_kind, image_size, read_pixels, reads_windows
from pointillist.data.pixels import Pixels, Plane, kind_of
from pointillist.data.rasters import open_raster
from pointillist.data.regions import InMemory, Region, Source, file_of, window_of
from pointillist.errors import DatasetError, ImageError, ImageWarning
from pointillist.schema import Strict

Number = Annotated[int, Field(ge=1)]

PERCENTILES = (0.1, 99.9)
"""What counts as the darkest and the brightest value of a band: a few dead pixels must not decide."""

LEAST_USE = 0.05
"""Photographs of 8 bits that use less of the range than this are measured like all other images."""

MEASURED_IMAGES = 64
MEASURED_SIDE = 256
MEASURED_WHOLE = 2**24
"""At most so many images are looked at for the ranges, and of each a grid of at most so many rows and columns;
a raster with more pixels is read in windows, and a photograph with more is not looked at."""


class DeclaredBands(Strict):
    """What the owner of a data set says about its bands; what is left out is found out."""

    names: tuple[str, ...] | None = None
    """Names of the bands that are used."""
    select: Annotated[tuple[Number, ...], Field(min_length=1)] | None = None
    """Bands of the files that are used, counted from 1; all when left out."""
    display: tuple[str | int, ...] | None = Field(default=None, min_length=1, max_length=3)
    """Bands that are shown as red, green and blue: names, or numbers counted from 1."""
    range: Literal["auto"] | Range | Annotated[tuple[Range, ...], Field(min_length=1)] = "auto"
    """Values that become black and white: one pair for all bands, or one for each; `auto` measures them."""
    plane: dict[str, Number] = Field(default_factory=dict)
    """Which picture of files with several, counted from 1: {page: 2}, {Z: 5}."""

    @field_validator("range")
    @classmethod
    def _rises(cls, value: Any) -> Any:
        if value != "auto" and any(low >= high for low, high in _pairs(value)):
            raise ValueError("the first value of a range must be below the second")
        return value

    @property
    def ranges(self) -> tuple[Range, ...] | None:
        """One range for all bands, or one for each; None when they are to be measured."""
        return None if self.range == "auto" else _pairs(self.range)


def _pairs(value: Range | tuple[Range, ...]) -> tuple[Range, ...]:
    return (value,) if isinstance(value[0], float) else value


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
        bands, dtype, own_names = image_kind(source, plane=declared.plane)
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
    if dtype == "uint8":
        # A large photograph would be decoded whole, which takes gigabytes; it is taken for what nearly all are.
        looked_at = [one for one in looked_at if _is_small(one) or reads_windows(one)]
        # A single dark photograph is no reason; a data set that never leaves the bottom is. Mostly the first tells.
        if not looked_at or any(_is_bright(one, draft) for one in looked_at):
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
    together = np.concatenate([_values(source, bands) for source in sources])
    if not len(together):
        raise ImageError("no pixel has data.", where=file_of(sources[0]), hint="Check the no-data value.")
    low, high = np.percentile(together, PERCENTILES, axis=0)
    return tuple((float(a), float(b) if b > a else float(a) + 1) for a, b in zip(low, high, strict=True))


def _is_small(source: Source) -> bool:
    height, width = image_size(source)
    return height * width <= MEASURED_WHOLE


def _is_bright(source: Source, bands: Bands) -> bool:
    values = _values(source, bands)
    return len(values) > 0 and bool(np.percentile(values, PERCENTILES[1], axis=0).max() > LEAST_USE * 255)


def _values(source: Source, bands: Bands) -> NDArray[np.float32]:
    """N×K values of some of an image's pixels that have data; N may be 0."""
    pixels = _grid(source, bands.plane)
    values = bands.colored(pixels.values)
    if bands.select is not None:
        values = values[:, :, [band - 1 for band in bands.select]]
    rows: NDArray[np.float32] = values.reshape(-1, values.shape[2]).astype(np.float32)
    kept = np.isfinite(rows).all(axis=1)
    return rows[kept if pixels.valid is None else kept & pixels.valid.reshape(-1)]


def _grid(source: Source, plane: Plane) -> Pixels:
    """A bounded number of an image's pixels: the grid of a whole one, windows of a large one."""
    if _is_small(source) or not reads_windows(source):
        pixels = read_pixels(source, plane=plane)
        rows, columns = (slice(None, None, max(1, side // MEASURED_SIDE)) for side in pixels.size)
        return Pixels(pixels.values[rows, columns], None if pixels.valid is None else pixels.valid[rows, columns])
    height, width = image_size(source)
    tall, wide = (min(MEASURED_SIDE // 4, side) for side in (height, width))
    tops = np.linspace(0, height - tall, 4).round().astype(int)
    lefts = np.linspace(0, width - wide, 4).round().astype(int)
    places = [(int(top), int(left)) for top in tops for left in lefts]
    if isinstance(source, InMemory):
        parts = [read_pixels(window_of(source, *place, tall, wide)) for place in places]
    else:
        # Opened once: where rows are compressed together, each opening costs all rows above.
        top, left = (source.top, source.left) if isinstance(source, Region) else (0, 0)
        with open_raster(file_of(source)) as raster:
            parts = [raster.pixels(top + y, left + x, tall, wide) for y, x in places]
    valid = [np.ones(part.size, bool) if part.valid is None else part.valid for part in parts]
    return Pixels(np.concatenate([part.values for part in parts]), np.concatenate(valid))
