"""How things are measured: alternating calls, peaks of this machine, memory in a process of its own."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

from pointillist.pseudomask.vectors import LANES, add, every, fma, load, store

Call = Callable[[], object]


def alternating(
    calls: dict[str, Call], rounds: int = 5, wait: Call | None = None, cold: tuple[str, ...] = ()
) -> dict[str, list[float]]:
    """Seconds of each call in each round, after one call of each that does not count (but for the `cold` ones)."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            if not turn and name in cold:
                continue
            start = time.perf_counter()
            call()
            if wait is not None:
                wait()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds: dict[str, list[float]], slow: str, fast: str) -> float:
    """Median over the rounds of slow / fast within one round."""
    return statistics.median(a / b for a, b in zip(seconds[slow], seconds[fast], strict=True))


def summary(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "median_s": round(statistics.median(times), 5),
            "min_s": round(min(times), 5),
            "max_s": round(max(times), 5),
        }
        for name, times in seconds.items()
    }


def peak_extra_memory(case: str) -> float | None:
    """Megabytes that one call of `memory.py`'s case needs beyond its arguments, or `None` where it cannot be read."""
    script = Path(__file__).with_name("memory.py")
    done = subprocess.run([sys.executable, str(script), case], check=True, capture_output=True, text=True)
    value: float | None = json.loads(done.stdout)
    return value


def machine() -> dict[str, Any]:
    """Processor, memory, versions."""
    info: dict[str, Any] = {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numba": numba.__version__,
        "numpy": np.__version__,
        "system": platform.system(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
    cpuinfo, meminfo = Path("/proc/cpuinfo"), Path("/proc/meminfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        info["processor"] = next(
            (x.split(":")[1].strip() for x in lines if x.startswith("model name")), info["processor"]
        )
        flags = next((x for x in lines if x.startswith("flags")), "")
        info["vector_units"] = [name for name in ("avx2", "avx512f") if f" {name} " in f"{flags} "]
    if meminfo.exists():
        info["memory_gb"] = round(int(meminfo.read_text().split()[1]) / 1e6, 1)
    return info


@numba.njit(nogil=True)
def _multiply(result: np.ndarray, rounds: int) -> None:
    a = b = c = d = e = f = g = h = load(result, 0)
    x = every(np.float32(0.999))
    for _ in range(rounds):
        a = fma(a, x, x)
        b = fma(b, x, x)
        c = fma(c, x, x)
        d = fma(d, x, x)
        e = fma(e, x, x)
        f = fma(f, x, x)
        g = fma(g, x, x)
        h = fma(h, x, x)
    store(result, 0, add(add(add(a, b), add(c, d)), add(add(e, f), add(g, h))))


@numba.njit(nogil=True)
def _read(values: np.ndarray, result: np.ndarray, rounds: int) -> None:
    a = b = c = d = load(result, 0)
    for _ in range(rounds):
        for i in range(0, values.size, 4 * LANES):
            a = add(a, load(values, i))
            b = add(b, load(values, i + LANES))
            c = add(c, load(values, i + 2 * LANES))
            d = add(d, load(values, i + 3 * LANES))
    store(result, 0, add(add(a, b), add(c, d)))


def peaks() -> dict[str, float]:
    """What this machine's threads reach together: multiply-adds, and reading 16 kB, 256 kB and 10 MB each."""
    threads = torch.get_num_threads()

    def best(work: Callable[[np.ndarray], None]) -> float:
        results = [np.zeros(LANES, np.float32) for _ in range(threads)]
        with ThreadPoolExecutor(threads) as pool:
            times = []
            for _ in range(6):
                start = time.perf_counter()
                list(pool.map(work, results))
                times.append(time.perf_counter() - start)
        return min(times)

    rounds = 4_000_000
    found = {"gflops": 2 * 8 * LANES * rounds * threads / best(lambda r: _multiply(r, rounds)) / 1e9}
    for name, floats, turns in (("l1_gbs", 4096, 20_000), ("l2_gbs", 65_536, 1000), ("stream_gbs", 2_600_000, 20)):
        buffers = [np.ones(floats // (4 * LANES) * 4 * LANES, np.float32) for _ in range(threads)]
        index = iter(range(10**9))

        def read(result: np.ndarray, buffers: Any = buffers, turns: int = turns, index: Any = index) -> None:
            _read(buffers[next(index) % threads], result, turns)

        found[name] = 4 * buffers[0].size * turns * threads / best(read) / 1e9
    return {name: round(value, 1) for name, value in found.items()}
