"""One reader for all masks: values become class indices, and a value that names no class is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import IGNORE, ClassSet, Color, hex_color
from pointillist.data.images import opened
from pointillist.errors import MaskError

MaskEncoding = Literal["index", "palette", "color"]
"""How a mask file names classes.

`index`: the pixel value is the class index. `palette`: the same, in a PNG that must have a palette (PASCAL VOC).
`color`: the pixel's colour is the class's colour.
"""

MASK_ENCODINGS: tuple[MaskEncoding, ...] = get_args(MaskEncoding)


class MaskReader:
    """Reads masks of one data set.

    Args:
        classes: Their indices, colours and `ignore_index`.
        encoding: How files name classes.
        ignore_colors: For `color`: colours that belong to no class.
    """

    def __init__(self, classes: ClassSet, encoding: MaskEncoding, ignore_colors: Sequence[Color] = ()) -> None:
        self.classes = classes
        self.encoding = encoding
        self.ignore_colors = tuple(ignore_colors)
        # A table over all 24-bit colours would be 16 MB; sorted codes and a binary search do the same.
        table = {_code(color): index for index, color in enumerate(classes.colors)}
        table.update({_code(color): IGNORE for color in self.ignore_colors})
        self._codes = np.array(sorted(table), dtype=np.int64)
        self._indices = np.array([table[code] for code in sorted(table)], dtype=np.uint8)

    def read(self, path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Read one mask.

        Args:
            path: The mask file.
            size: (height, width) of its image.

        Returns:
            H×W class indices, 255 where ignored.

        Raises:
            MaskError: Missing, unreadable, of another size than its image, or with a value that names no class.
        """
        with opened(path, MaskError) as image:
            if (image.height, image.width) != size:
                raise MaskError(
                    f"is {image.width}×{image.height}, but its image is {size[1]}×{size[0]}.",
                    where=path,
                    cure="A mask has exactly the size of its (EXIF-oriented) image.",
                )
            if self.encoding == "color":
                return self._from_colors(np.array(image.convert("RGB")), path)
            modes = ("P",) if self.encoding == "palette" else ("L", "P", "1", "I;16", "I;16B", "I;16L", "I")
            if image.mode not in modes:
                raise MaskError(
                    f"has pixels of kind '{image.mode}', but masks are declared as '{self.encoding}'.",
                    where=path,
                    field="masks",
                    cure="Set masks: color, index or palette in dataset.yaml to what the files are.",
                )
            return self._from_indices(np.array(image), path)

    def _from_indices(self, values: NDArray[np.generic], path: Path) -> NDArray[np.uint8]:
        wide = values.astype(np.int64)
        labels = np.where(wide == self.classes.ignore_index, IGNORE, wide)
        wrong = (labels < 0) | ((labels >= len(self.classes)) & (labels != IGNORE))
        # 255 is "ignore" inside the program; in a file it is so only when the data set says so.
        if self.classes.ignore_index != IGNORE:
            wrong |= wide == IGNORE
        if wrong.any():
            raise self._unlisted(path, wide[wrong], f"0 to {len(self.classes) - 1}")
        return labels.astype(np.uint8)

    def _from_colors(self, colors: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
        wide = colors.astype(np.int64)
        codes = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
        places = np.searchsorted(self._codes, codes).clip(max=len(self._codes) - 1)
        wrong = self._codes[places] != codes
        if wrong.any():
            listed = ", ".join(hex_color(color) for color in (*self.classes.colors, *self.ignore_colors))
            raise self._unlisted(path, codes[wrong], listed)
        labels: NDArray[np.uint8] = self._indices[places]
        return labels

    def _unlisted(self, path: Path, wrong: NDArray[np.int64], listed: str) -> MaskError:
        values, counts = np.unique(wrong, return_counts=True)
        most = int(np.argmax(counts))
        name = f"#{int(values[most]):06x}" if self.encoding == "color" else str(values[most])
        more = f" and {len(values) - 1} more unlisted value(s)" if len(values) > 1 else ""
        key = "ignore_colors" if self.encoding == "color" else "ignore_index"
        return MaskError(
            f"value {name} on {counts[most]:,} pixels{more}, which no class has (listed: {listed}).",
            where=path,
            cure=f"List the class in dataset.yaml, or declare the value as {key}.",
        )


def _code(color: Color) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]
