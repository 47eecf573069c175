"""The CPU kernels in the places where threads, forks and caches go wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numba.core.dispatcher import Dispatcher
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pointillist.pseudomask import compiled as compiling
from pointillist.pseudomask import distance_fields, geodesic_cpu, refine, refine_cpu
from pointillist.pseudomask.compiled import ThreadPool, compiled
from pointillist.pseudomask.vectors import LANES, exp, load, store

SIZE = (40, 50)
POINTS = [torch.tensor([[3.5, 4.5, 0.0], [30.0, 20.0, 1.0], [-5.0, 10.0, 1.0]])]


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def work(seed: int) -> Tensor:
    """Both kernels on one image."""
    image = noise(1, 3, *SIZE, seed=seed)
    fields = distance_fields(POINTS, SIZE, 2, metric="geodesic", image=image)
    return torch.cat([fields, refine(image, noise(1, 5, *SIZE, seed=seed + 1))], dim=1)[0]


class Work(Dataset[Tensor]):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Tensor:
        return work(index)


def test_in_forked_workers_after_use_in_the_parent() -> None:
    """A data loader's workers inherit a process that has already run, and is still running, the kernels."""
    expected = [work(seed) for seed in range(6)]
    stop = threading.Event()
    busy = threading.Thread(target=lambda: [work(0) for _ in iter(stop.is_set, True)])
    busy.start()
    try:
        loader = DataLoader(Work(), batch_size=None, num_workers=2, timeout=60, multiprocessing_context="fork")
        results = [torch.as_tensor(item).clone() for item in loader]
    finally:
        stop.set()
        busy.join()
    assert all(torch.equal(a, b) for a, b in zip(results, expected, strict=True))


def test_in_many_threads_at_once() -> None:
    expected = [work(seed) for seed in range(8)]
    results: dict[int, Tensor] = {}
    threads = [threading.Thread(target=lambda s=seed: results.update({s: work(s)})) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(results[seed], expected[seed]) for seed in range(8))


def test_no_thread_outlives_a_call() -> None:
    before = threading.active_count()
    work(0)
    assert threading.active_count() == before


def test_a_folder_that_cannot_be_written_only_costs_time(monkeypatch: pytest.MonkeyPatch) -> None:
    real = numba.njit

    def no_cache(*, cache: bool = False, **options: object) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available for file")
        return real(**options)

    monkeypatch.setattr(numba, "njit", no_cache)
    assert compiled(lambda x: x + 1)(2) == 3


def kernels() -> list[Any]:
    found = [*vars(geodesic_cpu).values(), *vars(refine_cpu).values()]
    return [one for one in found if isinstance(one, Dispatcher)]


def test_each_kernel_has_a_cache_of_its_own() -> None:
    """Under one name, two processes that compile at the same time would give one kernel the code of another."""
    names = [
        (one.py_func.__module__, one.py_func.__qualname__, one.py_func.__code__.co_firstlineno) for one in kernels()
    ]
    assert len(names) >= 10
    assert len(set(names)) == len(names)


def test_code_of_another_source_is_under_another_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def files() -> set[str]:
        def double(x: int) -> int:
            return 2 * x

        kernel: Any = compiled(double)
        assert kernel(4) == 8
        return set(tmp_path.rglob("*double*"))

    before = files()
    assert len(before) == 2  # an index, and the code
    assert files() == before
    monkeypatch.setattr(compiling, "source_state", lambda: "another")
    assert len(files() - before) == 2


def test_each_kernel_is_compiled_for_arguments_of_one_kind() -> None:
    """The same holds for two signatures of one kernel."""
    for height, width, masks in ((1, 1, 1), (1, 30, 2), (30, 1, 3), (20, 30, 4), (5, 40, 9)):
        image = noise(2, 3, width, height).transpose(2, 3)
        refine(image, noise(2, masks, height, width))
        points = [torch.tensor([[0.5, 0.5, 0.0], [-3.0, 9.0, 1.0]])] * 2
        distance_fields(points, (height, width), 2, metric="geodesic", image=image)
    # One that is only called by others, which were found on the disk, has none.
    assert max(len(one.signatures) for one in kernels()) == 1


def test_the_error_of_a_thread_reaches_the_caller() -> None:
    def fail(_start: int, _stop: int) -> None:
        raise ValueError("here")

    with ThreadPool() as pool, pytest.raises(ValueError, match="here"):
        pool.split_rows(fail, 10)


@given(rows=st.integers(1, 50))
def test_splits_cover_each_row_once(rows: int) -> None:
    seen: list[int] = []
    with ThreadPool() as pool:
        pool.split_rows(lambda start, stop: seen.extend(range(start, stop)), rows)
    assert sorted(seen) == list(range(rows))


@numba.njit
def exponentials(values: np.ndarray, result: np.ndarray) -> None:
    for i in range(0, values.size, LANES):
        store(result, i, exp(load(values, i)))


def test_exp_is_within_two_units_in_the_last_place() -> None:
    values = np.linspace(-87, 0, 1 << 16, dtype=np.float32)
    result = np.empty_like(values)
    exponentials(values, result)
    exact = np.exp(values.astype(np.float64))
    assert np.abs(result / exact - 1).max() < 2 * np.finfo(np.float32).eps
    assert result[-1] == 1.0


def test_exp_far_below_stays_tiny_and_positive() -> None:
    values = np.full(LANES, -3e38, np.float32)
    result = np.empty_like(values)
    exponentials(values, result)
    assert (result > 0).all()
    assert (result < 1e-37).all()
