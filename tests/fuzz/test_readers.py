from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.fuzz.readers import READERS, SECONDS, attempt, mutated
from tests.fuzz.torture import CRASHES, folder_of

NOT_WHOLE = ("model.safetensors", "dataset.yaml", "labels: gis")
"""Whose seeds are parts of files, or need more than is there; so they are refused."""


@pytest.mark.parametrize("name", READERS)
def test_a_reader_reads_what_it_should_and_refuses_the_rest(name: str, tmp_path: Path) -> None:
    """A little of what `make torture` does for long."""
    reader, chance = READERS[name], random.Random(name)
    (tmp_path / "seeds").mkdir()
    seeds = reader.seeds(tmp_path / "seeds")
    start = time.process_time()
    for number in range(25):
        if number > len(seeds) and time.process_time() - start > 1:
            break
        (tmp_path / str(number)).mkdir()
        content = mutated(seeds, reader.words, chance) if number >= len(seeds) else seeds[number]
        began = time.process_time()
        read = attempt(reader, tmp_path / str(number), content)
        assert time.process_time() - began < SECONDS
        if number < len(seeds) and name not in NOT_WHOLE:
            assert read, f"{name}: seed {number}"


@pytest.mark.parametrize("path", sorted(CRASHES.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_once_crashed_a_reader(path: Path, tmp_path: Path) -> None:
    names = {folder_of(name): name for name in READERS}
    began = time.process_time()
    attempt(READERS[names[path.parent.name]], tmp_path, path.read_bytes())
    assert time.process_time() - began < SECONDS
