"""What a model says about one image: arrays in memory, or in a file where the image is large."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

MAPS = ("confidence", "uncertainty", "probabilities")
Map = Literal["confidence", "uncertainty", "probabilities"]
"""What can be asked for beside the labels."""

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
