"""What every image reader gives: pixels as they are in the file, and which of them count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES = ("uint8", "uint16", "int16", "int32", "float32")
"""NumPy's names of the value types that images may have."""

Plane = Mapping[str, int]
"""Which picture of a file with several: axis → number, counted from 1; `{"page": 2}`, `{"Z": 5, "T": 1}`."""


@dataclass(frozen=True)
class Pixels:
    """An image as its file has it.

    Args:
        values: H×W×K of one of `TYPES`, upright.
        valid: H×W bool, False where the file says "no data" or is fully transparent; None where all pixels count.
        shrunk_from: (height, width) of the image that they were made smaller from, where they were.
    """

    values: NDArray[Any]
    valid: NDArray[np.bool_] | None = None
    shrunk_from: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.values.shape[0], self.values.shape[1]


def kind_of(bands: int, dtype: str) -> str:
    """What an image is, for messages.

    >>> kind_of(13, "uint16"), kind_of(1, "float32")
    ('13 bands of uint16', '1 band of float32')
    """
    return f"{bands} band{'s' if bands != 1 else ''} of {dtype}"
