from __future__ import annotations

import gc
import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data import DataLoader, Dataset

from pointillist.data import store as module
from pointillist.data.store import ARRAYS, SampleStore
from pointillist.data.transforms import StoredSample
from pointillist.errors import PointillistWarning


def make(number: int, everything: bool = True) -> StoredSample:
    """About 1.5 kB, no two alike."""
    rng = np.random.default_rng(number)
    sample = StoredSample(
        name=f"bäume/{number}.tif",
        image=rng.integers(0, 65535, (3, 10, 12), dtype=np.uint16),
        points=rng.random((4, 3), dtype=np.float32),
        scale=float(rng.random()) * 100,
    )
    if not everything:
        return sample
    rest: dict[str, Any] = {
        "valid": rng.random((10, 12)) > 0.2,
        "mask": rng.integers(0, 3, (10, 12), dtype=np.uint8),
        "distances": rng.random((2, 5, 6)).astype(np.float16),
        "distance_classes": np.array([0, 2]),
        "evidence": rng.random((1, 5, 6)).astype(np.float16),
        "evidence_classes": np.array([1]),
        "presence": rng.random(3, dtype=np.float32),
    }
    return StoredSample(sample.name, sample.image, sample.points, sample.scale, **rest)


def cost(sample: StoredSample) -> int:
    return sum(array.nbytes for name in ARRAYS if (array := getattr(sample, name)) is not None)


def assert_same(first: StoredSample | None, second: StoredSample) -> None:
    assert first is not None
    assert (first.name, first.scale) == (second.name, second.scale)
    for name in ARRAYS:
        a, b = getattr(first, name), getattr(second, name)
        assert (a is None) == (b is None), name
        if b is not None:
            assert a.dtype == b.dtype, name
            np.testing.assert_array_equal(a, b, err_msg=name)


def files(kept: SampleStore) -> list[Path]:
    assert kept._folder is not None
    return list(kept._folder.iterdir())


@pytest.mark.parametrize("everything", [True, False])
@pytest.mark.parametrize("room", [(10**6, 0), (0, 10**6), (4000, 10**6)])
def test_what_was_put_in_comes_out(room: tuple[int, int], everything: bool) -> None:
    kept = SampleStore(*room)
    for number in (0, 7, 3, 4):
        assert kept.get(number) is None
        kept.put(number, make(number, everything))
    for number in (0, 7, 3, 4):
        assert_same(kept.get(number), make(number, everything))
    assert kept.get(1) is None


@pytest.mark.parametrize("room", [(0, 0), (100, 0), (4000, 0), (0, 4000), (4000, 6000), (1000, 10**6)])
def test_it_keeps_within_its_bytes(room: tuple[int, int]) -> None:
    kept = SampleStore(*room)
    samples = [make(number) for number in range(10)]
    for number, sample in enumerate(samples):
        kept.put(number, sample)
    each = cost(samples[0])
    expected = min(10, room[0] // each), min(10 - room[0] // each, room[1] // each)
    assert sum(cost(sample) for sample in kept._kept.values()) == expected[0] * each
    on_disk = files(kept) if room[1] else []
    assert len(on_disk) == expected[1]
    assert sum(file.stat().st_size for file in on_disk) <= room[1] + 1000 * len(on_disk)  # with what says what is where
    assert sum(kept.get(number) is not None for number in range(10)) == sum(expected)


def test_its_folder_goes_with_it() -> None:
    kept = SampleStore(0, 10**6)
    kept.put(0, make(0))
    (file,) = files(kept)
    other: SampleStore = pickle.loads(pickle.dumps(kept))
    assert_same(other.get(0), make(0))
    del other
    gc.collect()
    assert file.is_file()  # a worker's end is not the end
    del kept
    gc.collect()
    assert not file.parent.exists()


class Reads(Dataset[int]):
    """Counts what is not in the store, and puts it in."""

    def __init__(self, kept: SampleStore) -> None:
        self.kept = kept

    def __getitem__(self, number: int) -> int:
        found = self.kept.get(number)
        if found is None:
            self.kept.put(number, make(number))
            return 1
        assert_same(found, make(number))
        return 0


def reads(kept: SampleStore, numbers: int) -> int:
    """How often two workers have to read a sample in ten rounds."""
    loader = DataLoader(Reads(kept), batch_size=1, num_workers=2, sampler=[*range(numbers)] * 10)
    return sum(int(batch) for batch in loader)


def test_workers_share_what_is_on_disk_and_the_room_for_it() -> None:
    kept = SampleStore(0, 6 * cost(make(0)))
    found = reads(kept, 9)  # an odd number, so that each worker is asked for all
    assert len(files(kept)) == 6
    assert 3 * 10 + 6 <= found <= 3 * 10 + 2 * 6


def test_workers_share_the_room_in_memory() -> None:
    # Of eight, each worker is asked for four, and has room for two.
    assert reads(SampleStore(4 * cost(make(0)), 0), 8) == 4 * 10 + 4


def test_a_sample_that_is_being_written_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = SampleStore(0, 10**6)
    save = module.save_file

    def half(arrays: Any, file: Path, about: Any) -> None:
        Path(file).write_bytes(b"half")
        assert kept.get(0) is None
        save(arrays, file, about)

    monkeypatch.setattr(module, "save_file", half)
    kept.put(0, make(0))
    assert_same(kept.get(0), make(0))


def test_a_full_disk_is_said_once_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = SampleStore(0, 10**6)
    kept.put(0, make(0))

    def full(_: Any, file: Path, *__: Any) -> None:
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.warns(PointillistWarning, match="No space left"):
        kept.put(1, make(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept.put(2, make(2))
    assert kept.get(1) is None
    assert [file.name for file in files(kept)] == ["0"]
    assert_same(kept.get(0), make(0))


def test_a_folder_that_somebody_removed_stops_nothing() -> None:
    kept = SampleStore(0, 10**6)
    kept.put(0, make(0))
    shutil.rmtree(files(kept)[0].parent)
    assert kept.get(0) is None
    with pytest.warns(PointillistWarning, match="cannot be kept"):
        kept.put(1, make(1))
