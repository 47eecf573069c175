"""Each call to the system may fail, and each moment may be the last: a sample of what `make torture` does for hours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TINY_FLAGS, write_tiny
from tests.crash.commands import files_of
from tests.crash.recorder import why_not
from tests.crash.torture import run

recorded = pytest.mark.skipif(bool(why_not()), reason=why_not())


QUICK = ("points:8", "annotator:5", "annotator:kill:2", "careless")
SLOW = ("prediction:8", "training:3")


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """All in one process: what takes longest is to load what they need."""
    return run(tmp_path_factory.mktemp("faults"), QUICK, seed=3)


def check(found: dict[str, Any], least: float) -> None:
    assert found["failures"] == []
    assert found["held"] == found["tried"] >= least


@recorded
@pytest.mark.parametrize(("which", "least"), [("points:8", 4), ("annotator:5", 3), ("annotator:kill:2", 1)])
def test_no_failed_call_and_no_kill_takes_what_was_there(
    which: str, least: int, tried: dict[str, dict[str, Any]]
) -> None:
    check(tried[which], least)


@recorded
@pytest.mark.long
def test_no_failed_call_takes_what_a_model_was_or_made(tmp_path: Path) -> None:
    for found in run(tmp_path, SLOW, seed=3).values():
        check(found, 2)


@recorded
def test_a_command_that_writes_carelessly_is_found_out(tried: dict[str, dict[str, Any]]) -> None:
    """Onto the old file, and with a raw error."""
    found = tried["careless"]
    assert any("ended with OSError" in one for one in found["failures"])
    assert any("half written" in one for one in found["failures"])
    assert found["held"] < found["tried"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = shutil.which("mount")
    if command is None or not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip("only root mounts a small disk")
    done = subprocess.run(
        [command, "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.long
def test_a_real_disk_that_is_full(small_disk: Path, tmp_path: Path) -> None:
    """A training says so and leaves nothing half; with room, the same run is finished."""
    data, run_folder = write_tiny(tmp_path / "data"), small_disk / "run"
    ballast = small_disk / "ballast"

    def train(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pointillist", "train", "--out", str(run_folder), *more]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"})

    # Room for the settings, and not for a checkpoint.
    ballast.write_bytes(bytes(2**20 - 100_000))
    full = train(str(data), "--method", "points", *TINY_FLAGS)
    assert full.returncode == 2, full.stderr
    assert "No space left on device" in full.stderr
    assert "Traceback" not in full.stderr
    assert not any(name.endswith((".ckpt", ".safetensors")) for name in files_of(run_folder))
    subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
    again = train(str(data), "--method", "points", *TINY_FLAGS)
    assert again.returncode == 0, again.stderr
    assert {"model/model.safetensors", "checkpoints/last.ckpt", "report.html"} <= files_of(run_folder).keys()
