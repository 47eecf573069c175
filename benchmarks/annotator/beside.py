"""Measure the annotator of an earlier commit and of this checkout in turn, and write `results/beside.json`.

    python benchmarks/annotator/beside.py 0c1b12f --rounds 3        about twelve minutes

Figures of two days are figures of two machines; only those of one run say what a change costs. Each commit is measured
by its own `run.py`, with the packages of this environment.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from run import machine

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results" / "beside.json"
FIGURES = {
    "clicks_p50_ms": ("clicks", "p50_ms"),
    "clicks_p99_ms": ("clicks", "p99_ms"),
    "open_20000_images_s": ("open", "open_s"),
    "first_layer_ms": ("layer", "0.3 megapixels", "first_layer_ms"),
    "full_layer_12_megapixels_s": ("layer", "12 megapixels", "full_layer_s"),
    "server_megabytes": ("layer", "0.3 megapixels", "megabytes", "server"),
    "engine_megabytes": ("layer", "0.3 megapixels", "megabytes", "engine"),
}


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A commit's files, for a while."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree), commit], cwd=ROOT, check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)


def measured(tree: Path, seconds: float) -> dict[str, float]:
    """The figures of a checkout, by its own `run.py`."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "annotator.json"
        script = tree / "benchmarks" / "annotator" / "run.py"
        command = [sys.executable, str(script), "--seconds", str(seconds), "--out", str(out)]
        subprocess.run(command, cwd=tree, env=environment, check=True, stdout=subprocess.DEVNULL)
        found = json.loads(out.read_text(encoding="utf-8"))
    figures = {}
    for name, path in FIGURES.items():
        value: Any = found
        for key in path:
            value = value[key]
        figures[name] = float(value)
    return figures


def main() -> None:
    """Measure both in turn, and write the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    rounds: dict[str, list[dict[str, float]]] = {"before": [], "now": []}
    started_on = machine()
    with checked_out(arguments.commit) as tree:
        trees = {"before": tree, "now": ROOT}
        for number in range(arguments.rounds):  # neither is always the first
            for when in sorted(trees, reverse=number % 2 == 1):
                rounds[when].append(measured(trees[when], arguments.seconds))
    of = {when: {name: [figures[name] for figures in some] for name in FIGURES} for when, some in rounds.items()}
    median = {when: {name: statistics.median(values) for name, values in named.items()} for when, named in of.items()}
    ratio = {name: round(median["now"][name] / median["before"][name], 2) for name in FIGURES}
    report = {
        "machine": started_on,
        "commits": {"before": arguments.commit, "now": commit_of_now()},
        "rounds": of,
        "median": median,
        "now_over_before": ratio,
    }
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"median": median, "now_over_before": ratio}, indent=1))


def commit_of_now() -> str:
    """This checkout, with a + where something in it is not committed."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return said.stdout.strip()


if __name__ == "__main__":
    main()
