"""Two helpers for the CPU kernels: compile once and remember, and share rows of work among threads.

The kernels release the GIL and are spread over plain Python threads that end with the call. Nothing lives on between
calls, so a fork (a data loader's worker) or a second thread meets no pool, no OpenMP runtime and no lock of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar, cast

import numba
import torch

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile for this processor at the first call, and keep the machine code on disk where a folder can be written."""
    options: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
    try:
        return cast("Callable[P, R]", numba.njit(cache=True, **options)(function))
    except RuntimeError:  # no writable cache folder: compile once per process instead
        return cast("Callable[P, R]", numba.njit(**options)(function))


def spread(work: Callable[[int], None], count: int) -> None:
    """Call `work(0)` … `work(count - 1)` on as many threads as torch would use."""
    threads = min(count, torch.get_num_threads())
    if threads <= 1:
        for index in range(count):
            work(index)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, range(count)):
            pass
