"""Where to label next: by the model's doubt, by expected gain per second, or at random.

    python benchmarks/accuracy/where_next.py [--seeds 0 1]

A model learns from the clicks of a few images. Then, round by round, a person's seconds are spent in the order that a
policy gives, and a model learns anew from all labels. Policies:

- `random`: the objects of images drawn by chance.
- `uncertain`: the objects of the images with the least sure region, what *Next* in the annotator does.
- `gain`: per image either its objects or five questions, whichever has more expected surprise per second: the sum of
  1 − confidence at the pixels that would be labelled. For objects these are one pixel of each region that the model
  sees, for questions those that `mixed` draws.

Seconds as in the study of clicks (studies.py); a question costs as much as a first click. The masks answer. Writes
results/where-next.json and continues where it stopped.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from run import RESULTS, open_data, read_benchmark, source_hash
from scipy import ndimage
from studies import ABSENT_SECONDS, FIRST_SECONDS, FURTHER_SECONDS

from pointillist.annotator.engine.uncertain_region import uncertain_region
from pointillist.data.ask import answered, cell_means
from pointillist.data.dataset import Dataset, Item
from pointillist.inference.evaluate import evaluate
from pointillist.inference.prediction import Prediction
from pointillist.inference.predictor import Predictor
from pointillist.points.questions import COLUMNS, INCLUSION, QUESTION, SOURCE, draw_pixels
from pointillist.points.seeds import rng_for
from pointillist.points.table import Point, PointTable
from pointillist.training.config import make_config
from pointillist.training.run import fit

Policy = Literal["random", "uncertain", "gain"]
PROTOCOL = Path(__file__).parent / "protocols" / "own-scale.yaml"
RESULT = RESULTS / "where-next.json"
SETS = ("peanut", "terraces", "idd_lite")
SETTINGS = {"data.size": "320x320", "trainer.steps": 600, "trainer.validations": 0, "trainer.snapshots": 0}
POOL, START, ADDED, ROUNDS, QUESTIONS = 120, 12, 8, 3, 5
"""Images that may be labelled; of these, labelled at the beginning; images of average cost whose seconds a round has;
rounds; questions asked of an image at a time."""
LEAST = 0.001
"""Regions of less of the image are not clicked, as in the protocol `seen`."""


@dataclass(frozen=True)
class Work:
    """Something to label: what it is expected to give, and what it costs.

    Args:
        image: Where.
        gain: Expected surprise.
        seconds: Expected seconds; what is paid follows from what is there.
        questions: The pixels to ask; None for a click on each object.
    """

    image: str
    gain: float
    seconds: float
    questions: tuple[Point, ...] | None = None


def clicking_seconds(classes: int, present: int, clicks: int) -> float:
    """Seconds for the objects of an image."""
    return ABSENT_SECONDS * (classes - present) + FIRST_SECONDS * present + FURTHER_SECONDS * (clicks - present)


def objects_of(prediction: Prediction, classes: int, doubt: NDArray[Any]) -> tuple[float, float]:
    """Expected surprise and seconds of clicking each region of a prediction."""
    gain, clicks, present = 0.0, 0, 0
    for label in range(classes):
        regions, count = ndimage.label(prediction.labels == label)
        sizes = np.bincount(regions.ravel(), minlength=count + 1)[1:]
        means = ndimage.mean(doubt, regions, range(1, count + 1)) if count else []
        seen = sizes >= LEAST * doubt.size
        gain += float(np.asarray(means)[seen].sum())
        clicks += int(seen.sum())
        present += bool(seen.any())
    return gain, clicking_seconds(classes, present, clicks)


def in_order(
    policy: Policy, predictor: Predictor, pool: list[Item], clicked: set[str], seed: int, number: int
) -> Iterator[Work]:
    """What is to be labelled, the best first; `number` is that of the round."""
    if policy == "random":
        open_ = [item.name for item in pool if item.name not in clicked]
        yield from (Work(str(name), 0.0, 0.0) for name in rng_for(seed, f"order {number}").permutation(open_))
        return
    found = []
    for item in pool:
        if policy == "uncertain" and item.name in clicked:
            continue
        prediction = predictor.predict(item.image, confidence=True)
        doubt = 1 - prediction.map("confidence").astype(np.float32)
        if policy == "uncertain":
            score = uncertain_region(doubt, np.zeros((0, 2)), doubt.shape).score
            found.append(Work(item.name, score, 1.0))
            continue
        choices = []
        if item.name not in clicked:
            choices.append(Work(item.name, *objects_of(prediction, len(predictor.classes), doubt)))
        rng = rng_for(seed, f"ask {number} {item.name}")
        drawn = draw_pixels(doubt.shape, QUESTIONS, "mixed", rng, cell_means(doubt))
        asked = tuple(Point(item.name, x, y, "", {SOURCE: QUESTION, INCLUSION: repr(p)}) for x, y, p in drawn.tolist())
        surprise = float(sum(doubt[point.pixel] for point in asked))
        choices.append(Work(item.name, surprise, QUESTIONS * FIRST_SECONDS, asked))
        found.append(max(choices, key=lambda work: work.gain / work.seconds))
    yield from sorted(found, key=lambda work: -work.gain / work.seconds)


def curve(dataset: Dataset, policy: Policy, seed: int, settings: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Seconds, labels and mIoU after each round."""
    items = sorted(dataset.split("train"), key=lambda item: item.name)
    pool = items[:: max(1, len(items) // POOL)][:POOL]
    every, classes = dataset.points, len(dataset.classes)
    if every is None:
        raise ValueError("the data set has no clicks")
    cost = {}
    for item in pool:
        labels = [point.label for point in every.of(item.name)]
        cost[item.name] = clicking_seconds(classes, len(set(labels)), len(labels))
    budget = ADDED * float(np.mean(list(cost.values())))
    clicked = {str(name) for name in rng_for(seed, "first").choice([item.name for item in pool], START, replace=False)}
    points = [point for name in sorted(clicked) for point in every.of(name)]
    asked, seconds, rounds = 0, sum(cost[name] for name in clicked), []
    for number in range(ROUNDS + 1):
        labelled = replace(dataset, points=PointTable(points, COLUMNS))
        config = make_config(None, {**settings, **SETTINGS, "method": "single-stage", "trainer.seed": seed})
        predictor = Predictor(fit(config, labelled, folder / f"{policy}-{number}"), "cpu")
        rounds.append(
            {
                "seconds": round(seconds, 1),
                "images": len({point.image for point in points}),
                "clicks": len(points) - asked,
                "questions": asked,
                "miou": round(evaluate(predictor, dataset, "val").miou, 4),
            }
        )
        print(policy, seed, rounds[-1], flush=True)
        if number == ROUNDS:
            break
        spent = 0.0
        for work in in_order(policy, predictor, pool, clicked, seed, number):
            if spent >= budget:
                break
            if work.questions is None:
                clicked.add(work.image)
                points += every.of(work.image)
                spent += cost[work.image]
            else:
                answers = list(answered(PointTable((), COLUMNS, unnamed=work.questions), dataset))
                points += answers
                asked += len(answers)
                spent += work.seconds
        seconds += spent
    return rounds


def main() -> None:
    """Measure the curves that are not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    benchmark = read_benchmark(PROTOCOL)
    asked = {"pool": POOL, "start": START, "added": ADDED, "questions": QUESTIONS, "settings": SETTINGS}
    result: dict[str, Any] = {"source": source_hash(), "asked": asked, "curves": []}
    if arguments.out.is_file():
        there = json.loads(arguments.out.read_text(encoding="utf-8"))
        if {**there, "curves": []} == result:
            result = there
    done = {(one["dataset"], one["policy"], one["seed"]) for one in result["curves"]}
    for seed in arguments.seeds:
        for name in SETS:
            for policy in get_args(Policy):
                if (name, policy, seed) in done:
                    continue
                entry = benchmark["datasets"][name]
                with tempfile.TemporaryDirectory() as folder:
                    data, _ = open_data(entry, benchmark["points"], seed, Path(folder))
                    settings = {**benchmark["settings"], **entry["settings"]}
                    rounds = curve(data, policy, seed, settings, Path(folder))
                result["curves"].append({"dataset": name, "policy": policy, "seed": seed, "rounds": rounds})
                arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
