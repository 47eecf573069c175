"""How much memory the engine holds between its jobs."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's `mallopt`."""

LARGE = 2**20
"""Bytes from which on a block is the system's own affair."""


def return_freed_memory() -> None:
    """Give large blocks back as soon as they are freed; glibc alone keeps some hundred megabytes of a large layer."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # other C libraries have no such function, and no such habit
            for parameter in (_MMAP_THRESHOLD, _TRIM_THRESHOLD):
                ctypes.CDLL(None).mallopt(parameter, LARGE)
