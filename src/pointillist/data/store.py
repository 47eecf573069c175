"""Samples that were read once, kept in memory, and on disk where memory is full."""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from pointillist.data.transforms import StoredSample

ARRAYS = ("image", "points", "valid", "mask", "distances", "distance_classes")


class SampleStore:
    """Samples by number.

    Args:
        memory: Bytes of memory.
        disk: Bytes of a temporary folder that is removed at the end.
    """

    def __init__(self, memory: int, disk: int) -> None:
        self._room = {"memory": memory, "disk": disk}
        self._kept: dict[int, StoredSample] = {}
        self._names: dict[int, tuple[str, float]] = {}
        self._folder: Path | None = None
        if disk:
            folder = tempfile.TemporaryDirectory(prefix="pointillist-samples-", ignore_cleanup_errors=True)
            self._folder = Path(folder.name)
            self._remove = weakref.finalize(self, folder.cleanup)

    def __getstate__(self) -> dict[str, Any]:
        """For loader workers: they share the folder, and the first process removes it."""
        return {name: value for name, value in self.__dict__.items() if name != "_remove"}

    def get(self, number: int) -> StoredSample | None:
        """A sample that was put in."""
        if number in self._kept or number not in self._names or self._folder is None:
            return self._kept.get(number)
        arrays: dict[str, NDArray[Any]] = load_file(self._folder / str(number))
        name, scale = self._names[number]
        return StoredSample(name=name, scale=scale, **arrays)

    def put(self, number: int, sample: StoredSample) -> None:
        """Keep a sample where there is room; where there is none, it has to be read again."""
        arrays = {name: array for name in ARRAYS if (array := getattr(sample, name)) is not None}
        cost = sum(array.nbytes for array in arrays.values())
        if cost <= self._room["memory"]:
            self._room["memory"] -= cost
            self._kept[number] = sample
        elif cost <= self._room["disk"] and self._folder is not None:
            self._room["disk"] -= cost
            file = self._folder / str(number)
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, file)
            self._names[number] = (sample.name, sample.scale)
