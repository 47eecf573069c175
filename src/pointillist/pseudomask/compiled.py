"""Helpers for the CPU kernels: compile once and remember, share the work among threads, stay out of `torch.compile`.

The kernels release the GIL and are spread over plain Python threads that end with the call. Nothing lives on between
calls, so a fork (a data loader's worker) or a second thread meets no pool, no OpenMP runtime and no lock of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
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


def no_compile(function: Callable[P, R]) -> Callable[P, R]:
    """Keep `torch.compile` out of a function: it cannot look into these kernels. Around the call it goes on."""
    return cast("Callable[P, R]", torch.compiler.disable(function))  # type: ignore[no-untyped-call]


class ThreadPool:
    """As many threads as torch would use, for the length of a `with` block."""

    def __init__(self) -> None:
        self.threads = torch.get_num_threads()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> ThreadPool:
        if self.threads > 1:
            self._pool = ThreadPoolExecutor(self.threads)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def each(self, work: Callable[[int], None], count: int) -> None:
        """Call `work(0)` … `work(count - 1)` and wait for all of them."""
        if self._pool is None or count <= 1:
            for index in range(count):
                work(index)
        else:
            for _ in self._pool.map(work, range(count)):
                pass

    def bands(self, work: Callable[[int, int], None], rows: int) -> None:
        """Call `work(start, stop)` for one band of rows per thread and wait for all of them."""
        count = min(self.threads, rows)
        cuts = [rows * index // count for index in range(count + 1)]
        self.each(lambda index: work(cuts[index], cuts[index + 1]), count)
