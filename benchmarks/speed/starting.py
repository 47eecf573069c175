"""Measure how long starting takes, and write `results/starting.json`.

    python benchmarks/speed/starting.py                   half a minute on two cores

Each command is started in turn, round by round, beside `python -c pass`, and beside a Typer program that does nothing:
that much of `--help` is Typer and Rich. Seconds of the processor say how long it takes on a machine that does nothing
else; seconds of the clock are what was waited here.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import measure

RESULTS = Path(__file__).parent / "results" / "starting.json"
TARGETS = {"import pointillist": 0.3, "pointillist --help": 0.4}
"""Seconds."""
BARE = """
import typer

app = typer.Typer()


@app.command()
def one(name: str = "a") -> None:
    '''Nothing.'''


@app.command()
def two(name: str = "a") -> None:
    '''Nothing.'''


app()
"""


def started(command: list[str], compiled: Path) -> tuple[float, float]:
    """Seconds of the processor and of the clock that a process takes."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(compiled)  # as installed programs are: compiled once
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        commands = {
            "python -c pass": ["-c", "pass"],
            "import pointillist": ["-c", "import pointillist"],
            "pointillist --help": ["-m", "pointillist", "--help"],
            "pointillist train --help": ["-m", "pointillist", "train", "--help"],
            "import torch": ["-c", "import torch"],
            "a Typer program that does nothing, --help": [str(bare), "--help"],
        }
        processor: dict[str, list[float]] = {name: [] for name in commands}
        clock: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(arguments.rounds + 1):
            for name, command in commands.items():
                used, waited = started([sys.executable, *command], Path(folder) / "compiled")
                if turn:  # the first compiles
                    processor[name].append(used)
                    clock[name].append(waited)
    rows: list[dict[str, Any]] = [
        {
            "what": name,
            "processor_s": {"min": round(min(processor[name]), 3), "median": round(statistics.median(used), 3)},
            "clock_s": {"min": round(min(clock[name]), 3), "median": round(statistics.median(clock[name]), 3)},
            "times_python_c_pass": round(measure.ratio(processor, name, "python -c pass"), 1),
            "target_s": TARGETS.get(name),
        }
        for name, used in processor.items()
    ]
    found = {
        "machine": measure.machine(),
        "load_average_at_the_end": os.getloadavg(),
        "rounds": arguments.rounds,
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        print(f"{row['what']:45} {row['processor_s']['min']:.3f} s, {row['times_python_c_pass']} × python -c pass")


if __name__ == "__main__":
    main()
