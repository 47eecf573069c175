"""What a TIFF file says about itself, from its tags alone: who has to read it, and what to call it in a message."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import TiffImagePlugin

from pointillist.errors import ImageError

KIND, WIDTH, HEIGHT, BITS, COLORS, DESCRIPTION, ORIENTATION, SAMPLES = 254, 256, 257, 258, 262, 270, 274, 277
EXTRA, FORMAT, GEO_KEYS, NO_DATA, COMPRESSION, ROWS = 338, 339, 34735, 42113, 259, 278
"""Numbers of tags."""

_VALUES = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3}
"""Values per pixel of each way to store colours: white is zero, black is zero, RGB, palette, CMYK, YCbCr."""

_INDIRECT = (0, 3)
"""Of these: what is stored is the negative, or a number of a palette."""

_ALPHA = (1, 2)
_FORMATS = {1: "uint", 2: "int", 3: "float", 4: "uint", 5: "complex", 6: "complex"}
_REDUCED, _MASK = 1, 4
MOST_PAGES = 4096


@dataclass(frozen=True)
class TiffHeader:
    """The first page's tags.

    Args:
        size: (height, width) of the stored rows and columns.
        bands: Values per pixel.
        dtype: NumPy's name of their type, such as uint16.
        pages: Number of pages that are pictures of their own: previews and masks do not count.
        orientation: EXIF orientation, 1 to 8.
        described: Whether axes are described in it, as OME-TIFF and ImageJ do.
        photograph: Whether its values are colours of 8 bits, with or without alpha, and nothing else.
        on_a_map: Whether it says where on the earth it lies (GeoTIFF).
        direct: Whether values are stored as they are seen: no palette, no negative, no single bits.
        gaps: Whether it says which pixels have no data, by a value or by a mask; alpha does not count.
        in_one_piece: Whether all rows are compressed together, so that a row can only be read after all before it.
    """

    size: tuple[int, int]
    bands: int
    dtype: str
    pages: int
    orientation: int
    described: bool
    photograph: bool
    on_a_map: bool
    direct: bool
    gaps: bool
    in_one_piece: bool

    @property
    def stack(self) -> bool:
        """Whether it has several pictures, or axes beside rows and columns."""
        return self.pages > 1 or self.described

    @property
    def plain(self) -> bool:
        """Whether it is a single photograph."""
        return self.photograph and not self.stack


def tiff_header(path: Path) -> TiffHeader | None:
    """Read the tags of a TIFF file; None for a file that is no TIFF, or is damaged.

    Raises:
        OSError: The file cannot be opened.
        ImageError: Its pages form a ring, which others would go round for long.
    """
    with path.open("rb") as stream:
        head = stream.read(8)
        if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return None
        head += stream.read(8) if head[2:4] in (b"+\0", b"\0+") else b""
        try:
            tags = TiffImagePlugin.ImageFileDirectory_v2(head)
            first, pages, masked, seen = None, 0, False, set()
            while tags.next and tags.next not in seen and pages < MOST_PAGES:
                seen.add(tags.next)
                stream.seek(tags.next)
                tags.load(stream)
                first = first or dict(tags)
                kind = int(tags.get(KIND, 0))
                masked |= bool(kind & _MASK)
                pages += not kind & (_REDUCED | _MASK)
            if tags.next in seen:
                hint = "It is damaged; save it again from its source."
                raise ImageError("has pages that lead back to an earlier one.", where=path, hint=hint)
            if first is None:
                return None
            bands = int(first.get(SAMPLES, 1))
            dtype = f"{_FORMATS.get(_one(first.get(FORMAT, 1)), 'uint')}{_one(first.get(BITS, 1))}"
            colors = int(first.get(COLORS, 1))
            alpha = int(_one(first.get(EXTRA, 0)) in _ALPHA)
            return TiffHeader(
                size=(int(first[HEIGHT]), int(first[WIDTH])),
                bands=bands,
                dtype=dtype,
                pages=pages,
                orientation=int(first.get(ORIENTATION, 1)),
                described="<OME" in str(first.get(DESCRIPTION, "")) or "ImageJ=" in str(first.get(DESCRIPTION, "")),
                on_a_map=GEO_KEYS in first,
                photograph=dtype in ("uint1", "uint8") and bands - alpha == _VALUES.get(colors),
                direct=dtype != "uint1" and colors not in _INDIRECT,
                gaps=masked or NO_DATA in first,
                in_one_piece=int(first.get(COMPRESSION, 1)) != 1
                and ROWS in first
                and int(first[ROWS]) >= int(first[HEIGHT]),
            )
        except (struct.error, SyntaxError, KeyError, TypeError, ValueError, RuntimeError, MemoryError, EOFError):
            return None


def _one(value: Any) -> int:
    """The first of several values; they are equal in all files that are read here."""
    return int(value[0] if isinstance(value, tuple) else value)
