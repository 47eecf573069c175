"""Bands of a data set: which, of what type, and which range of values is black to white; one per data set and band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.data.images import read_pixels
from pointillist.data.pixels import Pixels, Plane, kind_of
from pointillist.data.regions import Source, file_of
from pointillist.errors import ConfigError, ImageError

Range = tuple[float, float]

EIGHT_BITS: Range = (0.0, 255.0)

ANY = "any"


@dataclass(frozen=True)
class Bands:
    """How the pixels of files become numbers between 0 and 1.

    Args:
        names: Names of the K bands.
        dtype: NumPy's name of the files' type, one of `pixels.TYPES`; "any" where only the ranges count.
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

    def taking(self, select: Sequence[int] | None, ranges: Sequence[Range] | None, plane: Plane | None = None) -> Bands:
        """The same bands found in other files.

        Args:
            select: Which bands of the files they are, counted from 1.
            ranges: One range of values for all of them, or one for each; then files may be of any type.
            plane: Which picture of files with several.

        Raises:
            ConfigError: There are not as many.
        """
        for name, given in (("--bands", select), ("--range", ranges)):
            if given is not None and len(given) not in ((len(self), 1) if given is ranges else (len(self),)):
                raise ConfigError(
                    f"{len(given)} for {len(self)} bands ({', '.join(self.names)}).",
                    field=name,
                    hint="Give one for each.",
                )
        pairs = self.ranges if ranges is None else tuple(ranges) * (len(self) if len(ranges) == 1 else 1)
        return replace(
            self,
            select=self.select if select is None else tuple(select),
            ranges=pairs,
            dtype=self.dtype if ranges is None else ANY,
            plane=self.plane if plane is None else plane,
        )

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
        values = self.colored(pixels.values)
        found = kind_of(values.shape[2], values.dtype.name)
        if self.select is not None and max(self.select) <= values.shape[2]:
            values = values[:, :, [band - 1 for band in self.select]]
        if values.shape[2] != len(self) or self.dtype not in (values.dtype.name, ANY):
            hint = f"Give images with {', '.join(self.names)}, or train on images like this one."
            if values.shape[2] >= len(self):
                numbers = ",".join(str(number) for number in range(1, len(self) + 1))
                top = {"uint8": 255, "uint16": 65535}.get(values.dtype.name, 1)
                hint = f"Say which bands and values are meant, for example predict … --bands {numbers} --range 0,{top}."
            raise ImageError(f"has {found}; what was learnt has {self}.", where=where, field="bands", hint=hint)
        if values.dtype == np.uint8 and set(self.ranges) == {EIGHT_BITS}:
            return replace(pixels, values=values)
        valid = pixels.valid
        if values.dtype == np.float32:
            finite = np.isfinite(values).all(axis=2)
            if not finite.all():
                valid = finite if valid is None else valid & finite
        low = np.array([low for low, _ in self.ranges], np.float32)
        high = np.array([high for _, high in self.ranges], np.float32)
        # 16 bits are finer than any picture is used here, and half the size of floating point.
        share = np.nan_to_num((values.astype(np.float32) - low) / np.maximum(high - low, 1e-30))
        return replace(pixels, values=np.rint(share.clip(0, 1) * 65535).astype(np.uint16), valid=valid)

    def colored(self, values: NDArray[Any]) -> NDArray[Any]:
        """A grey photograph as one in colour, where others are in colour."""
        colors = len(self) == 3 if self.select is None else 2 <= max(self.select) <= 3
        grey = values.shape[2] == 1 and values.dtype == np.uint8 and self.dtype == "uint8"
        return np.repeat(values, 3, axis=2) if colors and grey else values

    def picture(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """H×W×3 uint8 for people, of what `read` gives."""
        shown = values[:, :, list(self.display)] if self.display != (0, 1, 2) or values.shape[2] > 3 else values
        shown = shown if shown.dtype == np.uint8 else (shown >> 8)
        return np.ascontiguousarray(shown.astype(np.uint8))

    def picture_of(self, source: Source, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """H×W×3 uint8 for people, of a file or window; see `read`."""
        return self.picture(self.read(source, size).values)

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
