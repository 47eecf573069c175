"""What the benchmarks of prediction share: a model, the machine, peak memory."""

from __future__ import annotations

import json
import platform
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pointillist.api import load
from pointillist.data.synthetic import write_dataset
from pointillist.training.config import make_config
from pointillist.training.run import fit

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def trained(folder: Path) -> Path:
    """A run of the default network; what it has learnt in two steps does not matter here."""
    write_dataset(folder / "data", train=4, val=0)
    settings = {"trainer.steps": 2, "trainer.validations": 0, "trainer.device": "cpu"}
    return fit(make_config(None, settings), load(folder / "data"), folder / "run").root


def peak_megabytes() -> float:
    """Largest memory of this process so far, of Linux's own count."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1e3 if found else float("nan")


def machine() -> dict[str, Any]:
    """Processor and versions."""
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.is_file() else []
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(names),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def save(name: str, content: dict[str, Any]) -> None:
    """Write a result, and show it."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine(), "command": " ".join(["python", *sys.argv]), **content}, indent=1) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")
    print(text)
