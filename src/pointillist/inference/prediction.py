"""What a model says about one image: arrays in memory, or in a file where the image is large."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pointillist.files import saving

Map = Literal["confidence", "uncertainty", "probabilities"]
"""What can be asked for beside the labels."""

LARGE = 2**26
"""Pixels; what is said about larger images is kept in files."""

STRIP = 2**22
"""Pixels that are looked at together by who goes through a prediction in strips."""


@dataclass(frozen=True)
class Prediction:
    """What a model says about one image, at the image's own size.

    The arrays of a large image are memory maps of a temporary file: go through them with `strips`.

    Args:
        labels: H×W uint8 class indices, 255 where the image has no data.
        confidence: H×W float32 (float16 in a file), probability of the label, in [0, 1]; None when not asked for.
        uncertainty: H×W float32 (float16 in a file), entropy of the classes divided by log C, in [0, 1]; None when not
            asked for.
        probabilities: C×H×W float16, in [0, 1]; None when not asked for.
    """

    labels: NDArray[np.uint8]
    confidence: NDArray[np.floating[Any]] | None = None
    uncertainty: NDArray[np.floating[Any]] | None = None
    probabilities: NDArray[np.float16] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.labels.shape[0], self.labels.shape[1]

    def map(self, name: Map) -> NDArray[np.floating[Any]]:
        """A map that was asked for; else a ValueError."""
        found: NDArray[np.floating[Any]] | None = getattr(self, name)
        if found is None:
            raise ValueError(f"the map '{name}' was not asked for")
        return found

    def strips(self, pixels: int = STRIP) -> Iterator[tuple[int, Prediction]]:
        """The same from top to bottom, a few rows at a time, so that a large image does not fill the memory.

        Args:
            pixels: About how many of a strip.

        Yields:
            First row, and views of its rows.
        """
        height, width = self.size
        rows = max(1, pixels // width)
        for top in range(0, height, rows):
            yield top, self.rows(top, top + rows)
            self.release()

    def rows(self, top: int, bottom: int) -> Prediction:
        """Views of some rows."""
        values = {name: array[..., top:bottom, :] for name, array in self._arrays().items()}
        return replace(self, **values)

    def release(self) -> None:
        """Give back the memory of what was read from a file, or written to it; it is read again when it is needed."""
        for array in self._arrays().values():
            # Pages of a map count as the process's own until it gives them back.
            base = getattr(array, "_mmap", None)
            with suppress(AttributeError, ValueError, OSError):  # there is no madvise on Windows
                if base is not None:
                    base.madvise(mmap.MADV_DONTNEED)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: array for name, array in found.items() if array is not None}


def empty_prediction(
    size: tuple[int, int], classes: int, maps: Collection[Map] = (), folder: Path | None = None
) -> Prediction:
    """Room for what is said about an image of (height, width).

    Args:
        size: (height, width).
        classes: C.
        maps: What there is beside the labels.
        folder: See `empty_array`.

    Raises:
        SaveError: See `empty_array`.
    """
    exact = np.float16 if math.prod(size) > LARGE else np.float32
    kinds: dict[Map, tuple[tuple[int, ...], type[np.generic]]] = {
        "confidence": (size, exact),
        "uncertainty": (size, exact),
        "probabilities": ((classes, *size), np.float16),
    }
    return Prediction(
        empty_array(size, np.uint8, folder),
        **{name: empty_array(*kind, folder) for name, kind in kinds.items() if name in maps},
    )


def empty_array(shape: tuple[int, ...], dtype: type[np.generic], folder: Path | None = None) -> NDArray[Any]:
    """An array of any values: in memory, or for a large image in a file that goes with it.

    Args:
        shape: …×H×W.
        dtype: Its type.
        folder: Where the file is; None for the system's own place for temporary files.

    Raises:
        SaveError: There is no space for the file.
    """
    if math.prod(shape[-2:]) <= LARGE:
        return np.empty(shape, dtype)
    place = Path(tempfile.gettempdir()) if folder is None else folder
    hint = "Free some space, or set TMPDIR to a place that has more."
    # Without a name on POSIX: it is gone with the last array, also after a crash.
    with saving(place, hint), tempfile.TemporaryFile(dir=place) as file:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        # A hole in a file that a full disk cannot fill would end the process without a word.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        return np.memmap(file, dtype, "r+", shape=shape)
