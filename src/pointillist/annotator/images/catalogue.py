"""The images of the folder under opaque ids, with their sizes; nothing is decoded here."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from pointillist.annotator.folder import DataFolder
from pointillist.data.images import image_kind, image_size
from pointillist.data.pixels import kind_of
from pointillist.data.rasters import open_raster
from pointillist.data.tiffs import tiff_header
from pointillist.errors import ImageError

IN_MEMORY = 72_000_000
"""Bytes of the largest image that is decoded in memory: 24 megapixels of 3 bands of 8 bits."""

LARGEST = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)
"""Pixels of the largest image that is decoded whole: where Pillow, too, takes an image for a decompression bomb."""

LARGEST_RASTER = 20_000_000_000
"""Pixels of the largest image that is read in windows."""

LARGEST_BLOCK = 64 * 2**20
"""Bytes of the largest piece that a file may be stored in to be read in windows."""

_SIGNATURES = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"GIF87a", b"GIF89a"),
    *(b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"),
    *(b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51"),  # JPEG 2000 as a file and as a bare stream
)
_BRANDS = (b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
"""Kinds of HEIF files; AVIF is one."""

Fact = TypeVar("Fact")


@dataclass(frozen=True)
class Stored:
    """How a large raster lies in its file, see `data.rasters.OpenRaster` and `data.tiffs.TiffHeader`."""

    block: tuple[int, int]
    overviews: tuple[int, ...]
    in_one_piece: bool = False


class Catalogue:
    """Names, ids, sizes and stamps of the images; `folder_id` tells this folder from others.

    All ids stay the same over restarts, and tell nothing about names without the folder's secret.
    """

    def __init__(self, folder: DataFolder, secret: str) -> None:
        self._folder = folder
        key = bytes.fromhex(secret)
        self._ids = {
            name: hmac.digest(key, name.encode(errors="replace"), "sha256").hex()[:24] for name in folder.images
        }
        self._names = {given: name for name, given in self._ids.items()}
        self._places = {name: place for place, name in enumerate(self._ids)}
        self.folder_id = hmac.digest(key, b"", "sha256").hex()[:24]
        self._plane = "".join(f"-{digest(axis)}{number}" for axis, number in sorted(folder.bands.plane.items()))
        self._facts: dict[tuple[str, str], tuple[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def names(self) -> list[str]:
        """Names of all images, sorted."""
        return list(self._ids)

    def id(self, name: str) -> str:
        """Id of an image that is there."""
        return self._ids[name]

    def about(self, name: str) -> dict[str, Any]:
        """An image as the page reads it; `index` is its place in the order of the names, from 0."""
        return {"id": self._ids[name], "name": name, "index": self._places[name]}

    def find_id(self, name: str) -> str | None:
        """Id of an image, None for one that is not there."""
        return self._ids.get(name)

    def name(self, given: str) -> str | None:
        """Name of an image by its id."""
        return self._names.get(given)

    def path(self, name: str) -> Path:
        """File of an image, checked to be a picture of a known kind inside the folder.

        Raises:
            DatasetError: It leads out of the folder.
            ImageError: It is missing, or no picture of a kind that is opened here.
        """
        path = self._folder.image(name)
        try:
            with path.open("rb") as stream:
                head = stream.read(12)
        except OSError as error:
            raise ImageError(
                f"could not be read ({error.strerror or error}).", where=name, hint="Check the file."
            ) from error
        # Pillow goes by content, not by the name's ending, and some of its readers start other programs.
        boxed = (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or (head[4:8] == b"ftyp" and head[8:12] in _BRANDS)
        if not (boxed or head.startswith(_SIGNATURES)):
            raise ImageError(
                "is no JPEG, PNG, TIFF, BMP, GIF, WebP, AVIF, HEIC or JPEG 2000 file, whatever its name says.",
                where=name,
                hint="Replace or remove it.",
            )
        return path

    def stamp(self, name: str) -> str:
        """Changes when the file does, or what is read of it."""
        try:
            status = self._folder.images[name].stat()
        except OSError as error:
            raise ImageError("is not there any more.", where=name, hint="Put it back, or restart.") from error
        return f"{status.st_mtime_ns:x}{status.st_size:x}{self._plane}"

    def size(self, name: str) -> tuple[int, int]:
        """(height, width) of the upright image, from its header.

        Raises:
            ImageError: It cannot be read, or is larger than any image that is opened here.
            DatasetError: It leads out of the folder.
        """
        size = self._fact("size", name, image_size)
        pixels = size[0] * size[1]
        if pixels > LARGEST_RASTER or (pixels > LARGEST and self.stored(name) is None):
            raise ImageError(
                f"has {size[1]:,} × {size[0]:,} pixels; at most {LARGEST:,} in all are opened.",
                where=name,
                hint="Save it as a tiled TIFF, which is read in windows, or cut it into tiles.",
            )
        return size

    def kind(self, name: str) -> tuple[int, str]:
        """(bands, type) of the file's values; the errors are those of `size`."""
        self.size(name)  # before anything is asked that may have to decode it
        plane = self._folder.bands.plane
        return self._fact("kind", name, lambda path: image_kind(path, plane=plane)[:2])

    def large(self, name: str) -> bool:
        """Whether the image is too large to be kept decoded in memory.

        Raises:
            ImageError: It is larger than any that is decoded whole, and cannot be read in windows.
        """
        height, width = self.size(name)
        bands, dtype = self.kind(name)
        found = height * width * bands * np.dtype(dtype).itemsize
        if found > 3 * LARGEST and self.stored(name) is None:
            raise ImageError(
                f"has {width:,} × {height:,} pixels of {kind_of(bands, dtype)}, too much to be decoded whole.",
                where=name,
                hint="Save it as a tiled TIFF, which is read in windows.",
            )
        return found > IN_MEMORY

    def stored(self, name: str) -> Stored | None:
        """How a large raster lies in its file; None where the image is to be decoded whole."""
        return None if self._folder.bands.plane else self._fact("stored", name, _stored)

    def _fact(self, what: str, name: str, find: Callable[[Path], Fact]) -> Fact:
        """What a file says, as long as it stays the same."""
        stamp = self.stamp(name)
        known = self._facts.get((what, name))
        if known is None or known[0] != stamp:
            path = self.path(name)
            with named(name):
                known = self._facts[what, name] = stamp, find(path)
        found: Fact = known[1]
        return found


def digest(text: str) -> str:
    """A few letters for a name of a file."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _stored(path: Path) -> Stored | None:
    header = tiff_header(path) if find_spec("rasterio") else None
    if header is None or header.pages > 1 or header.described or header.orientation != 1:
        return None
    try:
        pixel = header.bands * np.dtype(header.dtype).itemsize
    except TypeError:
        return None  # a type of so few bits, or so many, that only whole images of it are opened
    if header.size[0] * header.size[1] * pixel <= IN_MEMORY:
        return None
    with open_raster(path) as raster:
        plain = raster.plain and raster.block[0] * raster.block[1] * pixel <= LARGEST_BLOCK
        return Stored(raster.block, raster.overviews, header.in_one_piece) if plain else None


@contextmanager
def named(name: str) -> Iterator[None]:
    """An error in the block names the image, not the place on this machine."""
    try:
        yield
    except ImageError as error:
        raise ImageError(error.found, where=name, field=error.field, hint=error.hint) from error
