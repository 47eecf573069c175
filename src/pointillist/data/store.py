"""Samples that were read once, kept in memory, and on disk where memory is full."""

from __future__ import annotations

import os
import tempfile
import warnings
import weakref
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch.utils.data import get_worker_info

from pointillist.data.transforms import StoredSample
from pointillist.errors import PointillistWarning

ARRAYS = tuple(one.name for one in fields(StoredSample) if one.name not in ("name", "scale"))


class SampleStore:
    """Samples by number. Loader workers share the room, and what is on disk.

    Args:
        memory: Bytes of memory.
        disk: Bytes of a temporary folder that is removed at the end.
    """

    def __init__(self, memory: int, disk: int) -> None:
        self._room = {"memory": memory, "disk": disk}
        self._used = {"memory": 0, "disk": 0}
        self._kept: dict[int, StoredSample] = {}
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
        if number in self._kept or self._folder is None:
            return self._kept.get(number)
        file = self._folder / str(number)
        if not file.is_file():
            return None
        with safe_open(file, "numpy") as content:
            about: dict[str, str] = content.metadata()
            arrays: dict[str, Any] = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
        return StoredSample(name=about["name"], scale=float(about["scale"]), **arrays)

    def put(self, number: int, sample: StoredSample) -> None:
        """Keep a sample where there is room; where there is none, it has to be read again."""
        arrays = {name: array for name in ARRAYS if (array := getattr(sample, name)) is not None}
        cost = sum(array.nbytes for array in arrays.values())
        if self._has_room("memory", cost):
            self._used["memory"] += cost
            self._kept[number] = sample
        elif self._folder is not None and self._has_room("disk", cost):
            self._used["disk"] += cost
            file = self._folder / str(number)
            # Complete or not there: another worker may read it, or write the same, at the same time.
            temporary = file.with_name(f"{number}-{os.getpid()}")
            about = {"name": sample.name, "scale": repr(sample.scale)}
            try:
                save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary, about)
                with suppress(PermissionError):  # Windows, while another worker reads the same
                    temporary.replace(file)
            except (OSError, SafetensorError) as error:
                self._room["disk"] = 0
                text = f"samples cannot be kept in {self._folder} and are read again each time ({error})."
                warnings.warn(text, PointillistWarning, stacklevel=2)
            temporary.unlink(missing_ok=True)

    def _has_room(self, where: str, cost: int) -> bool:
        worker = get_worker_info()
        return self._used[where] + cost <= self._room[where] // (1 if worker is None else worker.num_workers)
