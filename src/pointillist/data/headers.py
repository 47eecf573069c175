"""Sizes of JPEG and PNG files from their first bytes, for folders of 100,000 images.

Only what is plain is answered here; whatever may turn an image, or is odd, is left to Pillow, which takes ten times as
long.
"""

from __future__ import annotations

from io import FileIO
from pathlib import Path

_PNG = b"\x89PNG\r\n\x1a\n"
_TURNS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
"""Chunks of a PNG that may hold an orientation; some programs keep EXIF data in a text chunk."""

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG that tell its size."""

_APP1 = 0xE1
"""Where EXIF and XMP data stand."""


def plain_size(path: Path) -> tuple[int, int] | None:
    """(height, width) of a JPEG or PNG that nothing turns; None for every other file, readable or not.

    Raises:
        OSError: The file cannot be opened.
    """
    # Without a buffer: most headers are a few short reads, and a buffer costs more than they do.
    with path.open("rb", buffering=0) as stream:
        head = stream.read(24)
        if head.startswith(_PNG) and head[12:16] == b"IHDR":
            size = int.from_bytes(head[20:24], "big"), int.from_bytes(head[16:20], "big")
            return size if min(size) > 0 and not _png_may_turn(stream) else None
        if head.startswith(b"\xff\xd8\xff"):
            return _jpeg_size(stream)
    return None


def is_deep_png(path: Path) -> bool:
    """Whether a file is a PNG in colour with 16 bits, of which Pillow keeps 8.

    Raises:
        OSError: The file cannot be opened.
    """
    with path.open("rb", buffering=0) as stream:
        head = stream.read(26)
    return head.startswith(_PNG) and head[24:25] == b"\x10" and head[25:26] in (b"\x02", b"\x04", b"\x06")


def _png_may_turn(stream: FileIO) -> bool:
    """Walk over the chunks to the end: EXIF data may stand behind the pixels."""
    stream.seek(len(_PNG))
    while len(head := stream.read(8)) == 8:
        if head[4:] in _TURNS:
            return True
        if head[4:] == b"IEND":
            return False
        stream.seek(int.from_bytes(head[:4], "big") + 4, 1)
    return True  # it is cut off; Pillow says how


def _jpeg_size(stream: FileIO) -> tuple[int, int] | None:
    stream.seek(2)
    while len(head := stream.read(4)) == 4 and head[0] == 0xFF:
        marker, length = head[1], int.from_bytes(head[2:], "big")
        if marker in _SOF:
            body = stream.read(5)
            size = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
            return size if len(body) == 5 and min(size) > 0 else None
        if marker == _APP1 or marker < 0xC0 or length < 2:
            return None
        stream.seek(length - 2, 1)
    return None
