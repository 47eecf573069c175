"""What all outputs share."""

from __future__ import annotations

import struct
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointillist.classes import ClassSet, Color
from pointillist.data.places import Place
from pointillist.errors import ConfigError
from pointillist.files import replacing
from pointillist.inference.prediction import Map, Prediction
from pointillist.schema import Strict


@dataclass(frozen=True)
class Result:
    """One predicted image, as writers get it.

    Args:
        image: Its name: the path below the input folder, with `/`.
        prediction: With the maps that the writer needs.
        classes: In the order of the labels.
        place: Where on the earth the image lies; None where its file does not say.
        picture: Rows from `top` to before `bottom` of the image for people: rows×W×3 uint8.
    """

    image: str
    prediction: Prediction
    classes: ClassSet
    place: Place | None
    picture: Callable[[int, int], NDArray[np.uint8]]


class Writer(ABC):
    """Writes one file for each image, and perhaps some of all images.

    Attributes:
        name: What the user types; in the manifest, the key of the file.
        title: One line for listings.
        suffix: What takes the place of the image's suffix, such as `.png` or `_overlay.jpg`.
        needs: Maps that the prediction must have; each takes time and memory.
        together: Names of the files that `collect` writes.
        Options: Its settings; on the command line `--set NAME.SETTING=VALUE`.
        libraries: Modules that it imports and that may be missing.
        extra: The extra of this package that brings them.

    Raises:
        ConfigError: A library is missing: said when an output is chosen, not after hours of prediction. Or the settings
            are those of another output.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffix: ClassVar[str]
    needs: ClassVar[frozenset[Map]] = frozenset()
    together: ClassVar[tuple[str, ...]] = ()
    Options: ClassVar[type[Strict]] = Strict
    libraries: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""

    options: Any
    """What was chosen of `Options`; a writer that has some names their type."""

    def __init__(self, options: Strict | None = None) -> None:
        self.options = self.Options() if options is None else options
        if not isinstance(self.options, self.Options):
            raise ConfigError(
                f"{self.options!r} are no settings of '{self.name}'.",
                field="options",
                hint=f"Give {self.Options.__name__}.",
            )
        for library in self.libraries:
            if find_spec(library) is None:
                raise ConfigError(
                    f"the output '{self.name}' needs {library}, which is not installed.",
                    field="write",
                    hint=f"Install it with: pip install 'pointillist[{self.extra}]'.",
                )

    def check(self, classes: ClassSet) -> None:  # noqa: B027 - most can write all
        """Called before anything is predicted.

        Raises:
            ConfigError: Predictions of these classes cannot be written, or not with these settings.
        """

    @abstractmethod
    def write(self, result: Result, path: Path) -> None:
        """Write the file of an image, at once or not at all. May be called in several threads.

        Args:
            result: The prediction of an image of any size: go through it with `prediction.strips`.
            path: Where to; its folder exists.

        Raises:
            SaveError: It cannot be written.
        """

    def collect(self, files: Iterable[Path], out: Path) -> None:  # noqa: B027 - most have none
        """Write the files in `together` below `out` from the files of all images, when all of them are there.

        Raises:
            SaveError: One cannot be written.
        """


class MapWriter(Writer):
    """Writes the map in `needs`, of values in [0, 1], as 8-bit grey, 255 = 1."""

    def write(self, result: Result, path: Path) -> None:
        """See `Writer.write`."""
        (name,) = self.needs
        maps = (strip.map(name) for _, strip in result.prediction.strips())
        save_png(path, result.prediction.size, (np.rint(map_ * np.float32(255)).astype(np.uint8) for map_ in maps))


def save(picture: Image.Image, path: Path, kind: str, **options: Any) -> None:
    """Write a picture at once or not at all.

    Raises:
        SaveError: It cannot be written.
    """
    with replacing(path) as temporary:
        picture.save(temporary, format=kind, **options)


def save_png(
    path: Path, size: tuple[int, int], strips: Iterable[NDArray[np.uint8]], palette: Sequence[Color] | None = None
) -> None:
    """Write a PNG of 8 bits, strip by strip and at once or not at all. Pillow would need all of it in memory.

    Args:
        path: Where to.
        size: (height, width).
        strips: rows×W each, from the top.
        palette: Colours of the values; None for grey.

    Raises:
        SaveError: It cannot be written.
    """
    kind = 0 if palette is None else 3
    with replacing(path) as temporary, temporary.open("wb") as stream:

        def chunk(name: bytes, content: bytes) -> None:
            checksum = zlib.crc32(name + content)
            stream.write(struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum))

        stream.write(b"\x89PNG\r\n\x1a\n")
        chunk(b"IHDR", struct.pack(">IIBBBBB", size[1], size[0], 8, kind, 0, 0, 0))
        if palette is not None:
            chunk(b"PLTE", bytes(part for color in palette for part in color))
        packer = zlib.compressobj()
        for strip in strips:
            # Each row begins with the number of its filter, which is none.
            rows = np.zeros((len(strip), size[1] + 1), np.uint8)
            rows[:, 1:] = strip
            chunk(b"IDAT", packer.compress(rows.data))
        chunk(b"IDAT", packer.flush())
        chunk(b"IEND", b"")
