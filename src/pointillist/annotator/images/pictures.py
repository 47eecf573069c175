"""Pictures of the images for the page: tiles, and thumbnails, which are kept beside the data."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointillist.annotator.images.bands import FolderBands, View
from pointillist.annotator.images.catalogue import Catalogue, digest
from pointillist.annotator.images.levels import Part, resized
from pointillist.annotator.images.pyramid import Pyramids
from pointillist.files import replacing

SIDE = 256
"""Longer side of a thumbnail in pixels."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture, PNG or JPEG; `exact` is False for a first look that will be replaced."""

    content: bytes
    kind: str
    exact: bool


@dataclass(frozen=True)
class Pictures:
    """What the page shows of the images."""

    catalogue: Catalogue
    pyramids: Pyramids
    bands: FolderBands
    cache: Path

    def version(self, name: str) -> str:
        """Changes when the image looks another way without anybody choosing so."""
        bands = self.bands.of(name)
        stamp = self.catalogue.stamp(name)
        return stamp if bands.photograph else f"{stamp}-{digest(str(bands.to_dict()))}"

    def tile(self, name: str, level: int, column: int, row: int, view: View | None = None) -> Picture:
        """A tile of a level."""
        part = self.pyramids.tile(name, level, column, row)
        # To the pixel where pixels are seen; farther away, small is better than exact.
        return self._picture(name, part, "PNG" if level == 0 else "JPEG", view)

    def thumbnail(self, name: str, view: View | None = None) -> Picture:
        """A JPEG of at most `SIDE` pixels a side."""
        file = self.cache / f"{self.catalogue.id(name)}-{self.version(name)}.jpg"
        usual = view is None or view.bands != len(self.bands.of(name))
        if usual and file.is_file():
            return Picture(file.read_bytes(), "JPEG", exact=True)
        height, width = self.catalogue.size(name)
        scale = min(1.0, SIDE / max(height, width))
        goal = max(1, round(height * scale)), max(1, round(width * scale))
        part = self.pyramids.reduced(name, 4 * SIDE * SIDE)
        made = self._picture(name, Part(resized(part.values, goal), part.exact), "JPEG", view)
        if usual and made.exact:
            with replacing(file) as temporary:
                temporary.write_bytes(made.content)
        return made

    def _picture(self, name: str, part: Part, kind: str, view: View | None) -> Picture:
        return Picture(encode(self.bands.picture(name, part.values, view), kind), kind, part.exact)


def encode(pixels: NDArray[np.uint8], kind: str) -> bytes:
    """A picture as a PNG or JPEG file."""
    stream = io.BytesIO()
    options = {"quality": 88} if kind == "JPEG" else {"compress_level": 1}
    Image.fromarray(pixels).save(stream, format=kind, **options)
    return stream.getvalue()


def labels_png(labels: NDArray[np.uint8], colors: Sequence[str]) -> bytes:
    """H×W indices as an indexed PNG in colours such as `#e69f00`; 255, which is undecided, is transparent."""
    palette = bytearray(768)
    for index, color in enumerate(colors):
        palette[3 * index : 3 * index + 3] = bytes.fromhex(color[1:])
    image = Image.fromarray(labels)
    image.putpalette(bytes(palette))
    stream = io.BytesIO()
    image.save(stream, format="PNG", compress_level=1, transparency=bytes([255] * 255 + [0]))
    return stream.getvalue()
