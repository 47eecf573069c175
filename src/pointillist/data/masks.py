"""One reader for all masks: values become class indices, and a value that names no class is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import IGNORE, ClassSet, Color, hex_color
from pointillist.data import matlab
from pointillist.data.images import opened, read_pixels
from pointillist.data.pixels import kind_of
from pointillist.data.rasters import read_region
from pointillist.data.regions import InMemory, Region, Source, file_of
from pointillist.errors import DatasetError, MaskError

MaskEncoding = Literal["index", "palette", "color"]
"""How a mask file names classes.

`index`: the pixel value is the class index. `palette`: the same, in a PNG that must have a palette (PASCAL VOC).
`color`: the pixel's colour is the class's colour.
"""

MASK_ENCODINGS: tuple[MaskEncoding, ...] = get_args(MaskEncoding)


_DECLARE = "Set masks: color, index or palette in dataset.yaml to what the files are."
_INDEX_MODES = ("L", "P", "1", "I;16", "I;16B", "I;16L", "I")


class MaskReader:
    """Reads masks of one data set.

    Args:
        classes: Their indices, colours and `ignore_index`.
        encoding: How files name classes.
        ignore_colors: For `color`: colours that belong to no class.
        values: For `index` and `palette`, where pixel values are not the class indices: class index (or 255 = ignore)
            of every value that may occur. It takes the place of `classes.ignore_index`.

    Raises:
        DatasetError: Two classes, or a class and an ignored colour, have the same colour in colour-coded masks.
    """

    def __init__(
        self,
        classes: ClassSet,
        encoding: MaskEncoding,
        ignore_colors: Sequence[Color] = (),
        values: Mapping[int, int] | None = None,
    ) -> None:
        self.classes = classes
        self.encoding = encoding
        self.ignore_colors = tuple(ignore_colors)
        doubt = values is None and encoding != "color" and classes.ignore_index == IGNORE
        self.undeclared = IGNORE if doubt else None
        """The ignored value, where it is the custom of the field and nobody has said which values the classes have."""
        self.values = dict(values) if values is not None else {index: index for index in range(len(classes))}
        if values is None:
            self.values[classes.ignore_index] = IGNORE
        table = self._color_table() if encoding == "color" else self.values
        # A table over all 24-bit colours would be 16 MB; sorted codes and a binary search do the same.
        self._codes = np.array(sorted(table), dtype=np.int64)
        self._indices = np.array([table[code] for code in sorted(table)], dtype=np.uint8)

    def _color_table(self) -> dict[int, int]:
        table: dict[int, int] = {}
        hint = "Give each class of colour-coded masks its own colour."
        names = self.classes.names
        for index, color in enumerate(self.classes.colors):
            other = table.setdefault(int(_packed(color)), index)
            if other != index:
                found = f"'{names[other]}' and '{names[index]}' have the same colour {hex_color(color)}."
                raise DatasetError(found, field="classes", hint=hint)
        for color in self.ignore_colors:
            other = table.setdefault(int(_packed(color)), IGNORE)
            if other != IGNORE:
                found = f"{hex_color(color)} is in ignore_colors and also the colour of '{names[other]}'."
                raise DatasetError(found, field="classes", hint=hint)
        return table

    def read(self, path: Source, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Read one mask.

        Args:
            path: The mask file, or a window of a large one, or a mask in memory.
            size: (height, width) of its image.

        Returns:
            H×W class indices, 255 where ignored.

        Raises:
            MaskError: Missing, unreadable, of another size than its image, or with a value that names no class.
        """
        if isinstance(path, InMemory):
            check_size(file_of(path), (path.height, path.width), size)
            return self._look_up(read_pixels(path).values[..., 0].astype(np.int64), file_of(path))
        if isinstance(path, Region):
            return self._look_up(self._codes_of(read_region(path, MaskError), path.path), path.path)
        if path.suffix.lower() == matlab.SUFFIX:
            if self.encoding == "color":
                raise MaskError("has no colours, but masks are declared as 'color'.", where=path, hint=_DECLARE)
            codes = matlab.read_segmentation(path, "GTcls")
            check_size(path, codes.shape, size)
            return self._look_up(codes, path)
        with opened(path, MaskError) as image:
            check_size(path, (image.height, image.width), size)
            if self.encoding == "color":
                return self._look_up(_packed(np.array(image.convert("RGB"))), path)
            modes = ("P",) if self.encoding == "palette" else _INDEX_MODES
            if image.mode not in modes:
                raise MaskError(
                    f"has pixels of kind '{image.mode}', but masks are declared as '{self.encoding}'.",
                    where=path,
                    field="masks",
                    hint=_DECLARE,
                )
            return self._look_up(np.array(image).astype(np.int64), path)

    def _codes_of(self, bands: NDArray[np.generic], path: Path) -> NDArray[np.int64]:
        """The values of a raster, refused as Pillow's kinds of pixels are."""
        count, dtype = bands.shape[2], bands.dtype
        if self.encoding == "color" and dtype == np.uint8:
            return _packed(bands[..., :3] if count >= 3 else np.repeat(bands[..., :1], 3, axis=2))
        if self.encoding == "color" or count > 1 or dtype.kind not in "iu":
            found = f"has {kind_of(count, dtype.name)}, but masks are declared as '{self.encoding}'."
            raise MaskError(found, where=path, field="masks", hint=_DECLARE)
        return bands[..., 0].astype(np.int64)

    def _look_up(self, codes: NDArray[np.int64], path: Path) -> NDArray[np.uint8]:
        places = np.searchsorted(self._codes, codes).clip(max=len(self._codes) - 1)
        wrong = self._codes[places] != codes
        if wrong.any():
            raise self._unlisted(path, codes[wrong])
        labels: NDArray[np.uint8] = self._indices[places]
        return labels

    def _listed(self) -> str:
        if self.encoding == "color":
            return ", ".join(hex_color(color) for color in (*self.classes.colors, *self.ignore_colors))
        if all(self.values.get(index) == index for index in range(len(self.classes))):
            return f"0 to {len(self.classes) - 1}"
        some = sorted(self.values)
        return ", ".join(map(str, some[:40])) + (" …" if len(some) > 40 else "")

    def _unlisted(self, path: Path, wrong: NDArray[np.int64]) -> MaskError:
        values, counts = np.unique(wrong, return_counts=True)
        most = int(np.argmax(counts))
        name = f"#{int(values[most]):06x}" if self.encoding == "color" else str(values[most])
        more = f" and {len(values) - 1} more unlisted value(s)" if len(values) > 1 else ""
        key = "ignore_colors" if self.encoding == "color" else "ignore_index"
        return MaskError(
            f"value {name} on {counts[most]:,} pixels{more}, which no class has (listed: {self._listed()}).",
            where=path,
            hint=f"List the class in dataset.yaml, or declare the value as {key}.",
        )


def read_instances(path: Path, size: tuple[int, int], first: int = 1) -> NDArray[np.int64]:
    """Read an instance map: one id per object, in a grey, palette, 16-bit, colour-coded or MATLAB (SBD) file.

    Args:
        path: The file.
        size: (height, width) of its image.
        first: Smallest value that is an object; whatever is below becomes 0.

    Returns:
        H×W ids, 0 where there is no single object.

    Raises:
        MaskError: Missing, unreadable, or of another size than its image.
    """
    if path.suffix.lower() == matlab.SUFFIX:
        ids = matlab.read_segmentation(path, "GTinst")
        check_size(path, ids.shape, size)
    else:
        with opened(path, MaskError) as image:
            check_size(path, (image.height, image.width), size)
            grey = image.mode in _INDEX_MODES
            ids = np.array(image).astype(np.int64) if grey else _packed(np.array(image.convert("RGB")))
    return np.where(ids >= first, ids, 0)


def check_size(path: Path, found: tuple[int, ...], expected: tuple[int, int]) -> None:
    """Refuse a mask whose (height, width) is not that of its image.

    Raises:
        MaskError: With both sizes.
    """
    if found != expected:
        raise MaskError(
            f"is {found[1]}×{found[0]}, but its image is {expected[1]}×{expected[0]}.",
            where=path,
            hint="A mask has exactly the size of its (EXIF-oriented) image.",
        )


def _packed(colors: NDArray[np.generic] | Color) -> NDArray[np.int64]:
    """Red, green and blue of the last axis as one number, `0xrrggbb`."""
    wide = np.asarray(colors, dtype=np.int64)
    packed: NDArray[np.int64] = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
    return packed
