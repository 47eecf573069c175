"""What a training step costs against one of `points`: processor time, in turn, with few and many images and classes.

    python benchmarks/accuracy/step_cost.py [--rounds 3] [--only terraces]

Settings and clicks are those of `protocols/own-scale.yaml`; only the length is less: PASSES over the images, of which
the first is left out, as there (`StepTime`). Each training has a process of its own; methods take turns in each round,
so that a machine that gets slower or busier does so for all alike. It writes `results/step-cost.json` after each round.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import statistics
import tempfile
from pathlib import Path
from typing import Any

from run import HERE, RESULTS, read_benchmark, run_one, source_hash

METHODS = ("points", "single-stage", "refine-only", "gated-crf", "tree-energy", "agmm", "dmpls", "full")
PASSES = {"terraces": 6, "idd_lite": 3, "cityscapes_256": 3}
"""Passes over the images, by data set: 300 images of 2 classes, 1,403 of 7, 800 of 19."""


def step(dataset: str, method: str) -> tuple[float, int]:
    """Milliseconds of processor time of a step, and the number of training images."""
    benchmark = read_benchmark(HERE / "protocols" / "own-scale.yaml")
    entry = benchmark["datasets"][dataset]
    images = {"terraces": 300, "idd_lite": 1403, "cityscapes_256": 800}[dataset]
    entry["settings"]["trainer.steps"] = PASSES[dataset] * -(-images // 4)
    with tempfile.TemporaryDirectory() as folder:
        result = run_one(benchmark, dataset, method, 0, Path(folder))
    assert result["protocol"]["images"] == images
    return result["step_cpu_milliseconds"], images


def summary(rounds: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Milliseconds (median), and times one of `points` (median, least and most of the rounds), by method."""
    found = {}
    for method in rounds[0]:
        ratios = [one[method] / one["points"] for one in rounds]
        found[method] = {
            "milliseconds": round(statistics.median(one[method] for one in rounds), 1),
            "against_points": round(statistics.median(ratios), 3),
            "least": round(min(ratios), 3),
            "most": round(max(ratios), 3),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=PASSES, default=list(PASSES))
    parser.add_argument("--output", type=Path, default=RESULTS / "step-cost.json")
    arguments = parser.parse_args()
    record: dict[str, Any] = {"source": source_hash(), "passes": PASSES, "datasets": {}}
    if arguments.output.is_file():
        before = json.loads(arguments.output.read_text(encoding="utf-8"))
        # Figures of another source do not stand beside these.
        record["datasets"] = before["datasets"] if before["source"] == record["source"] else {}
    for dataset in arguments.only:
        rounds: list[dict[str, float]] = []
        for _ in range(arguments.rounds):
            one = {}
            for method in METHODS:
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    one[method], images = pool.apply(step, (dataset, method))
                print(dataset, method, one[method], flush=True)
            rounds.append(one)
            about = {"processor": platform.processor() or platform.machine(), "threads": 1, "seed": 0}
            record["datasets"][dataset] = {
                "images": images,
                "rounds": rounds,
                "methods": summary(rounds),
                "machine": about,
            }
            arguments.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
