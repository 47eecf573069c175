"""The images of the folder under opaque ids, with their sizes; nothing is decoded here."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from pointillist.annotator.folder import DataFolder
from pointillist.data.images import image_size
from pointillist.errors import ImageError

LARGEST = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)
"""Pixels of the largest image that is opened: where Pillow, too, takes an image for a decompression bomb."""

_SIGNATURES = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+", b"BM"),
    *(b"GIF87a", b"GIF89a", b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
)
"""First bytes of JPEG, PNG, TIFF, BigTIFF and BMP; of GIF and JPEG 2000."""

_CONTAINERS = {(b"RIFF", b"WEBP")} | {
    (b"ftyp", brand) for brand in (b"avif", b"avis", b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
}
"""Kind and content of a container: WebP; AVIF and HEIC."""


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
        self._sizes: dict[str, tuple[str, tuple[int, int]]] = {}

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
        if not (head.startswith(_SIGNATURES) or {(head[:4], head[8:]), (head[4:8], head[8:])} & _CONTAINERS):
            raise ImageError(
                "is no picture of a kind that is opened here, whatever its name says.",
                where=name,
                hint="Replace or remove it.",
            )
        return path

    def stamp(self, name: str) -> str:
        """Changes when the file does."""
        try:
            status = self._folder.images[name].stat()
        except OSError as error:
            raise ImageError("is not there any more.", where=name, hint="Put it back, or restart.") from error
        return f"{status.st_mtime_ns:x}{status.st_size:x}"

    def size(self, name: str) -> tuple[int, int]:
        """(height, width) of the upright image, from its header.

        Raises:
            ImageError: It cannot be read, or is larger than any image that is opened here.
            DatasetError: It leads out of the folder.
        """
        stamp = self.stamp(name)
        known = self._sizes.get(name)
        if known is not None and known[0] == stamp:
            return known[1]
        path = self.path(name)
        with named(name):
            size = image_size(path)
        if size[0] * size[1] > LARGEST:
            raise ImageError(
                f"has {size[1]:,} × {size[0]:,} pixels; at most {LARGEST:,} in all are opened.",
                where=name,
                hint="Cut it into tiles.",
            )
        self._sizes[name] = (stamp, size)
        return size


@contextmanager
def named(name: str) -> Iterator[None]:
    """An error in the block names the image, not the place on this machine."""
    try:
        yield
    except ImageError as error:
        raise ImageError(error.found, where=name, field=error.field, hint=error.hint) from error
