"""Training in several processes that torchrun or SLURM start: one run directory, written once."""

from __future__ import annotations

import csv
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from pointillist.errors import ConfigError
from pointillist.training.run import is_leading
from tests.conftest import TINY_FLAGS, write_tiny

FLAGS = shlex.join([*map(str, TINY_FLAGS), "--set", "trainer.threads=1", "--lr", "1e-4"])

PAGE = Path(__file__).parents[2] / "docs" / "many-machines.md"

SRUN = """#!/bin/bash
# As SLURM's, for a machine with two nodes of a task each.
shift
export SLURM_JOB_ID=4711 SLURM_JOB_NAME=train SLURM_NTASKS=2 SLURM_NTASKS_PER_NODE=1 SLURM_NNODES=2 SLURM_LOCALID=0
export SLURM_NODELIST=127.0.0.1
SLURM_PROCID=1 SLURM_NODEID=1 "$@" & SLURM_PROCID=0 SLURM_NODEID=0 "$@" && wait $!
"""


def shown(beginning: str, data: Path, out: Path) -> str:
    """A training as the page shows it, with the tiny data and network."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if " train " in block and beginning in block]
    assert "train berries --out runs/berries" in block
    return block.replace("train berries --out runs/berries", f"train {data} --out {out} {FLAGS}")


def programs(folder: Path) -> dict[str, str]:
    """Environment with `torchrun`, `srun` and `pointillist`."""
    folder.mkdir()
    python = f"#!/bin/bash\nexec {sys.executable} -m "
    scripts = {
        "torchrun": f'{python}torch.distributed.run "$@"',
        "pointillist": f'{python}pointillist "$@"',
        "srun": SRUN,
    }
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("SLURM_")},
        **{"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    }


def start(script: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["bash", "-c", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


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
    script = f"pointillist train {data} --out {folder / 'one'} {FLAGS}"
    process = start(script, programs(folder / "bin"))
    assert process.wait(300) == 0, process.communicate()
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
    first, second = (yaml.safe_load((folder / "config.yaml").read_text()) for folder in (one, run))
    processes = second["trainer"].pop("devices") * second["trainer"].pop("nodes")
    assert processes == 2 * first["trainer"].pop("devices") * first["trainer"].pop("nodes")
    for record in (first, second):
        assert record.pop("command").startswith("pointillist train ")
        del record["begun"]
    assert first == second
    assert said.count("done model:") == said.count("Next:") == said.count("epoch 2/2") == 1
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("beginning", "machines"),
    [
        ("torchrun --nproc-per-node 2", 1),
        pytest.param("torchrun --nnodes 2", 2, marks=pytest.mark.torture),
        ("srun", 1),
    ],
)
def test_what_the_page_shows(beginning: str, machines: int, one: tuple[Path, Path], tmp_path: Path) -> None:
    data, expected = one
    script, environment = shown(beginning, data, tmp_path / "run"), programs(tmp_path / "bin")
    port = str(free_port())
    environment["MASTER_PORT" if beginning == "srun" else "PET_MASTER_PORT"] = port
    processes = [start(script.replace("head:29500", f"localhost:{port}"), environment) for _ in range(machines)]
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * machines, said
    check(expected, tmp_path / "run", "".join(out for out, _ in said))


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
    assert is_leading(4) == leads


@pytest.mark.parametrize(
    "variables",
    [{"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "RANK": "0"}, {"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}],
)
def test_processes_that_would_each_train_alone(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="started 2 processes, --devices × --nodes is 1"):
        is_leading(1)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SLURM_", "TORCHELASTIC_")) or name in ("LOCAL_RANK", "NODE_RANK", "RANK", "WORLD_SIZE"):
            monkeypatch.delenv(name)
