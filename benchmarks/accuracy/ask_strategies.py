"""How to draw the second ten questions of an image: evenly, or where the first model is unsure.

    python benchmarks/accuracy/ask_strategies.py [--seeds 0 1] [--only terraces]

A model learns from ten even questions on each of POOL images. Ten more are drawn on each, by each strategy of
`pointillist ask`; a new model learns from both. The masks answer. It writes results/ask-strategies.json, and goes on
where it stopped.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from run import RESULTS, open_data, read_benchmark, source_hash
from where_next import POOL, PROTOCOL, SETTINGS

from pointillist.cli.ask import unsure
from pointillist.data.ask import answered, ask
from pointillist.data.dataset import Dataset
from pointillist.inference.evaluate import evaluate
from pointillist.inference.predictor import Predictor
from pointillist.points.questions import COLUMNS, STRATEGIES
from pointillist.points.table import Point, PointTable
from pointillist.training.config import make_config
from pointillist.training.run import fit

SETS = ("terraces", "peanut", "dubai_aerial", "idd_lite")
QUESTIONS = 10


def learnt(points: list[Point], data: Dataset, settings: dict[str, Any], folder: Path) -> tuple[Predictor, float]:
    """A model of some answers, and its mIoU on `val`."""
    config = make_config(None, settings)
    run = fit(config, replace(data, points=PointTable(points, COLUMNS)), folder)
    predictor = Predictor(run, "cpu")
    return predictor, round(evaluate(predictor, data, "val").miou, 4)


def compare(data: Dataset, seed: int, settings: dict[str, Any], folder: Path) -> dict[str, float]:
    """mIoU after the first ten questions (`first`), and after ten more by each strategy."""
    names = sorted(data.splits["train"])
    pool = tuple(names[:: max(1, len(names) // POOL)][:POOL])
    data = replace(data, points=None, splits={**data.splits, "train": pool})
    settings = {**settings, **SETTINGS, "method": "single-stage", "trainer.seed": seed}
    first = list(answered(ask(data, per_image=QUESTIONS, seed=seed), data))
    predictor, miou = learnt(first, data, settings, folder / "first")
    found = {"first": miou}
    for strategy in STRATEGIES:
        measure = None if strategy == "even" else unsure(predictor)
        more = ask(data, per_image=QUESTIONS, strategy=strategy, seed=seed + 1000, measure=measure)
        _, found[strategy] = learnt([*first, *answered(more, data)], data, settings, folder / strategy)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--out", type=Path, default=RESULTS / "ask-strategies.json")
    arguments = parser.parse_args()
    benchmark = read_benchmark(PROTOCOL)
    asked = {"pool": POOL, "questions": QUESTIONS, "settings": SETTINGS}
    result: dict[str, Any] = {"source": source_hash(), "asked": asked, "runs": []}
    if arguments.out.is_file():
        there = json.loads(arguments.out.read_text(encoding="utf-8"))
        if {**there, "runs": []} == result:
            result = there
    done = {(one["dataset"], one["seed"]) for one in result["runs"]}
    for seed in arguments.seeds:
        for name in arguments.only:
            if (name, seed) in done:
                continue
            entry = benchmark["datasets"][name]
            with tempfile.TemporaryDirectory() as folder:
                data, _ = open_data(entry, benchmark["points"], seed, Path(folder))
                miou = compare(data, seed, {**benchmark["settings"], **entry["settings"]}, Path(folder))
            result["runs"].append({"dataset": name, "seed": seed, "miou": miou})
            print(result["runs"][-1], flush=True)
            arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
