"""Small pictures of the images, made when they are first looked at and kept beside the data."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pointillist.annotator.images.catalogue import Catalogue
from pointillist.annotator.images.pyramid import Pixels, Pyramids, scaled
from pointillist.files import replacing

SIDE = 256
"""Longer side of a thumbnail in pixels."""


@dataclass(frozen=True)
class Thumbnails:
    """JPEG pictures of at most `SIDE` pixels."""

    catalogue: Catalogue
    pyramids: Pyramids
    cache: Path

    def get(self, name: str) -> bytes:
        """The thumbnail of an image as a JPEG file."""
        file = self.cache / f"{self.catalogue.id(name)}-{self.catalogue.stamp(name)}.jpg"
        if file.is_file():
            return file.read_bytes()
        height, width = self.catalogue.size(name)
        scale = min(1.0, SIDE / max(height, width))
        goal = max(1, round(height * scale)), max(1, round(width * scale))
        data = encode(scaled(self.pyramids.reduced(name, 4 * SIDE * SIDE), goal), "JPEG")
        with replacing(file) as temporary:
            temporary.write_bytes(data)
        return data


def encode(pixels: Pixels, kind: str) -> bytes:
    """A picture as a PNG or JPEG file."""
    stream = io.BytesIO()
    options = {"quality": 88} if kind == "JPEG" else {"compress_level": 1}
    Image.fromarray(pixels).save(stream, format=kind, **options)
    return stream.getvalue()
