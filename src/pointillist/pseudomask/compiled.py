"""Helpers for the CPU kernels: compile once and remember, share the work among threads, stay out of `torch.compile`.

The kernels release the GIL and are spread over plain Python threads that end with the call. Nothing lives on between
calls, so a fork (a data loader's worker) or a second thread meets no pool, no OpenMP runtime and no lock of ours.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
import torch

P = ParamSpec("P")
R = TypeVar("R")


@lru_cache
def source_state() -> str:
    """Short hash over numba's version and all files that kernels are made of."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(numba.__version__.encode() + b"".join(map(Path.read_bytes, files))).hexdigest()[:8]


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile for this processor at the first call, and keep the machine code on disk where a folder can be written.

    Functions that one line makes need different `__qualname__`s. Numba numbers what it keeps under one name; where two
    processes compile at the same time, both take the same number, and one function finds the machine code of another.
    For the same reason the name holds the state of the source: after an upgrade, numba would note new code under the
    old number before it is written, and it does not see that a function of another file, which is compiled in, changed.
    """
    function.__qualname__ += f"-{source_state()}"
    options: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
    try:
        return cast("Callable[P, R]", numba.njit(cache=True, **options)(function))
    except RuntimeError:  # no writable cache folder: compile once per process instead
        return cast("Callable[P, R]", numba.njit(**options)(function))


def no_compile(function: Callable[P, R]) -> Callable[P, R]:
    """Keep `torch.compile` out of a function: it cannot look into these kernels. Around the call it goes on.

    Whoever never compiles does not pay for the compiler, three seconds and more than 100 MB.
    """
    kept_out: list[Callable[P, R]] = []

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if "torch._dynamo" not in sys.modules:
            return function(*args, **kwargs)
        if not kept_out:
            kept_out.append(torch.compiler.disable(function))  # type: ignore[no-untyped-call]
        return kept_out[0](*args, **kwargs)

    return call


class ThreadPool(ThreadPoolExecutor):
    """As many threads as torch would use, for the length of a `with` block; none before the first is needed."""

    def __init__(self) -> None:
        self.threads = torch.get_num_threads()
        super().__init__(self.threads)

    def each(self, work: Callable[..., None], *items: Sequence[int]) -> None:
        """Call `work` with each item of one or more lists, as `map` does, and wait for all of them."""
        share = map if self.threads == 1 or len(items[0]) <= 1 else self.map
        for _ in share(work, *items):
            pass

    def split_rows(self, work: Callable[[int, int], None], rows: int) -> None:
        """Call `work(start, stop)` for one block of rows per thread and wait for all of them."""
        count = min(self.threads, rows)
        cuts = [rows * index // count for index in range(count + 1)]
        self.each(work, cuts[:-1], cuts[1:])
