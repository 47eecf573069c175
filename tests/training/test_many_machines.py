"""Training in several processes that torchrun or SLURM start: one run directory, written once."""

from __future__ import annotations

import csv
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pointillist.errors import ConfigError
from pointillist.training.run import _leads
from tests.conftest import TINY_FLAGS, write_tiny

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def train(data: Path, out: Path, devices: int) -> list[str]:
    flags = [*TINY_FLAGS, "--devices", str(devices), "--set", "trainer.threads=1", "--lr", "1e-4"]
    return ["pointillist", "train", str(data), "--out", str(out), *map(str, flags)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def files(run: Path) -> list[str]:
    """What a run consists of; TensorBoard's file has the time and the process in its name."""
    return sorted(re.sub(r"tfevents.*", "tfevents", str(path.relative_to(run))) for path in run.rglob("*"))


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data set and the run of a single process."""
    folder = tmp_path_factory.mktemp("many")
    data = write_tiny(folder / "data")
    command = [sys.executable, "-m", *train(data, folder / "one", 1)]
    subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, timeout=300)
    return data, folder / "one"


def check(one: Path, run: Path, said: str) -> None:
    """The same run, told once."""
    assert files(run) == files(one)
    with (one / "metrics.csv").open() as first, (run / "metrics.csv").open() as second:
        for expected, found in zip(csv.DictReader(first), csv.DictReader(second), strict=True):
            assert float(found["loss"]) == pytest.approx(float(expected["loss"]), rel=1e-4)
            assert found["val_miou"] == expected["val_miou"]
    expected, found = (load_file(folder / "model" / "model.safetensors") for folder in (one, run))
    apart = torch.cat([(expected[name] - found[name]).abs().flatten() for name in expected])
    assert float(apart.sort().values[int(0.999 * len(apart))]) < 4e-6  # see test_two_processes_equal_one
    assert (run / "config.yaml").read_text().replace("devices: 2", "devices: 1") == (one / "config.yaml").read_text()
    assert said.count("done model:") == said.count("Next:") == said.count("epoch 2/2") == 1
    assert "Traceback" not in said


@pytest.mark.slow
def test_torchrun(one: tuple[Path, Path], tmp_path: Path) -> None:
    data, expected = one
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        str(free_port()),
    ]
    done = subprocess.run(
        [*command, "-m", *train(data, tmp_path / "run", 2)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    check(expected, tmp_path / "run", done.stdout)


@pytest.mark.slow
def test_slurm(one: tuple[Path, Path], tmp_path: Path) -> None:
    data, expected = one
    slurm = {
        **{"SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2"},
        **{"SLURM_NNODES": "1", "SLURM_NODEID": "0", "SLURM_NODELIST": "127.0.0.1", "MASTER_PORT": str(free_port())},
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", *train(data, tmp_path / "run", 2)],
            env={**ENVIRONMENT, **slurm, "SLURM_PROCID": str(number), "SLURM_LOCALID": str(number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    check(expected, tmp_path / "run", said[0][0] + said[1][0])
    assert said[1][0] == ""


@pytest.mark.parametrize(
    ("variables", "leads"),
    [
        ({}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1"}, False),
        # The second machine of torchrun: its first process is not the first of all.
        ({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4", "RANK": "2", "LOCAL_RANK": "0"}, False),
        ({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4", "RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "2"}, False),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, True),
        # In a shell that SLURM gave, Lightning starts the processes, and they inherit its variables.
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "interactive", "LOCAL_RANK": "1"}, False),
        # torchrun within srun.
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0", "TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4", "RANK": "1"}, False),
    ],
)
def test_one_process_keeps_the_books(variables: dict[str, str], leads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert _leads(4) == leads


@pytest.mark.parametrize(
    "variables",
    [{"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "RANK": "0"}, {"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}],
)
def test_processes_that_would_each_train_alone(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="started 2 processes, --devices × --nodes is 1"):
        _leads(1)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SLURM_", "TORCHELASTIC_")) or name in ("LOCAL_RANK", "NODE_RANK", "RANK", "WORLD_SIZE"):
            monkeypatch.delenv(name)
