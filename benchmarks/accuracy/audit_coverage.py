"""How often the 95 % intervals of an audit have the truth inside: sets with masks, many draws of questions.

    POINTILLIST_REAL_DATA=/where/the/data/are python benchmarks/accuracy/audit_coverage.py --cache predictions

The truth is what the masks of all images of `val` say. Images and pixels are drawn as `pointillist audit` draws them,
by seeds 0, 1, …. Beside the project's intervals stand those of the plain bootstrap over images.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from audit_predictions import MODELS, Images, predictions
from numpy.typing import NDArray

from pointillist.inference.estimates import ACCURACY, BY_CLASS, IOU, LEFT_OUT, Sample, parts
from pointillist.inference.intervals import MIOU, Interval, differences, figures
from pointillist.inference.unlearnt import questions_in_image
from pointillist.points.questions import Strategy, draw_pixels
from pointillist.training.metrics import class_iou, mean_of_known, share
from pointillist.version import __version__

RESULT = Path(__file__).parent / "results" / "audit-coverage.json"
SETS = ("dubai_aerial", "peanut", "terraces", "idd_lite")
FIRST, OTHER = MODELS


def truth(images: Images, classes: int, model: str) -> dict[str, float]:
    """All figures, from all masks."""
    confusion, ignored, pixels = np.zeros(classes**2), 0, 0
    for image in images:
        known = image["mask"] < classes
        pairs = image["mask"][known].astype(int) * classes + image[model][known]
        confusion += np.bincount(pairs, minlength=classes**2)
        ignored, pixels = ignored + int((~known).sum()), pixels + known.size
    confusion = confusion.reshape(classes, classes)
    right, real, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    iou = class_iou(right, real, predicted)
    columns = (share(right, predicted), share(right, real), iou, real / confusion.sum())
    found = {ACCURACY: right.sum() / confusion.sum(), LEFT_OUT: ignored / pixels, MIOU: float(mean_of_known(iou))}
    for name, values in zip(BY_CLASS, columns, strict=True):
        found |= {f"{name} {label}": float(value) for label, value in enumerate(values)}
    return found


def draw(images: Images, classes: int, questions: int, strategy: Strategy, seed: int) -> tuple[Sample, Sample]:
    """An audit of both models."""
    rng = np.random.default_rng(seed)
    each = questions_in_image(questions, len(images))
    asked = np.sort(rng.choice(len(images), min(len(images), questions // each), replace=False))
    index, drawn = [], []
    for number, place in enumerate(asked):
        image = images[place]
        found = draw_pixels(image["mask"].shape, each, strategy, rng, image["unsure"])
        index += [number] * len(found)
        drawn.append(found)
    x, y, chance = np.concatenate(drawn).T
    at = [(images[asked[number]], int(row), int(column)) for number, row, column in zip(index, y, x, strict=True)]
    real = np.array([int(image["mask"][row, column]) for image, row, column in at])
    samples = [
        Sample(
            np.array(index),
            np.stack([x, y], axis=1),
            1 / chance,
            np.where(real < classes, real, -1),
            np.array([int(image[model][row, column]) for image, row, column in at]),
            np.stack([_areas(images[place], model, classes) for place in asked]),
            np.array([images[place]["mask"].shape for place in asked], float),
            len(images),
        )
        for model in MODELS
    ]
    return samples[0], samples[1]


def _areas(image: dict[str, NDArray[Any]], model: str, classes: int) -> NDArray[Any]:
    return image.setdefault(f"areas of {model}", np.bincount(image[model].ravel(), minlength=classes)[:classes] * 1.0)


def bootstrap(sample: Sample, seed: int, resamples: int = 400) -> dict[str, Interval]:
    """The percentile bootstrap over images (Efron 1979) of plainly weighted questions."""
    named, images = parts(sample), len(sample.mapped)
    drawn = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), resamples)
    sums = [
        np.stack([np.bincount(sample.image, sample.weight * where, images) for where in column], axis=1)
        for column in ([part.hit for part in named.values()], [part.base for part in named.values()])
    ]
    values = share(drawn @ sums[0], drawn @ sums[1])
    iou = [index for index, name in enumerate(named) if name.startswith(IOU)]
    columns = dict(zip(named, values.T, strict=True)) | {MIOU: mean_of_known(values[:, iou])}
    return {name: tuple(np.nanquantile(column, (0.025, 0.975)).tolist()) for name, column in columns.items()}  # type: ignore[misc]


def measure(images: Images, classes: int, questions: int, strategy: Strategy, draws: int) -> dict[str, Any]:
    """Coverage and mean width of all intervals."""
    real, other = truth(images, classes, FIRST), truth(images, classes, OTHER)
    inside: dict[str, list[bool]] = defaultdict(list)
    plain: dict[str, list[bool]] = defaultdict(list)
    width: dict[str, list[float]] = defaultdict(list)
    error: dict[str, list[float]] = defaultdict(list)

    def note(name: str, value: float, interval: Interval | None, aim: float) -> None:
        if interval is not None:
            inside[name].append(interval[0] <= aim <= interval[1])
            width[name].append(interval[1] - interval[0])
            error[name].append(value - aim)

    for seed in range(draws):
        first, second = draw(images, classes, questions, strategy, seed)
        found, resampled = figures(first), bootstrap(first, seed)
        for name, one in found.items():
            # mIoU is that of the classes which some question met.
            met = [real[f"{IOU} {c}"] for c in range(classes) if found[f"{IOU} {c}"].value == found[f"{IOU} {c}"].value]
            aim = float(np.nanmean(met)) if name == MIOU else real[name]
            if aim == aim:
                note(name, one.value, one.interval, aim)
                if one.interval is not None:
                    plain[name].append(resampled[name][0] <= aim <= resampled[name][1])
        for name, one in differences(first, second).items():
            note(f"difference of {name}", one.value, one.interval, other[name] - real[name])
    return {
        "questions": len(first.image),
        "images": len(first.mapped),
        "of": first.population,
        "figures": {
            name: {
                "truth": round(real.get(name, other.get(name[14:], np.nan) - real.get(name[14:], np.nan)), 4),
                "draws": len(inside[name]),
                "coverage": round(float(np.mean(inside[name])), 4),
                "width": round(float(np.mean(width[name])), 4),
                "bias": round(float(np.mean(error[name])), 4),
                "deviation": round(float(np.std(error[name])), 4),
                "bootstrap_coverage": round(float(np.mean(plain[name])), 4) if plain[name] else None,
            }
            for name in sorted(inside)
        },
    }


def other_images(images: Images, classes: int, questions: int, draws: int) -> dict[str, Any]:
    """Coverage of the intervals for other images: a fifth of the images is taken for all there is, at random."""
    aims = truth(images, classes, FIRST)
    inside: dict[str, list[bool]] = defaultdict(list)
    for seed in range(draws):
        there = np.random.default_rng((1, seed)).choice(len(images), len(images) // 5, replace=False)
        first, _ = draw([images[place] for place in there], classes, questions, "even", seed)
        for name, one in figures(first).items():
            if one.beyond is not None and aims[name] == aims[name]:
                inside[name].append(one.beyond[0] <= aims[name] <= one.beyond[1])
    found = {name: round(float(np.mean(values)), 4) for name, values in sorted(inside.items())}
    return {"questions": questions, "images": len(images) // 5, "of": len(images), "coverage": found}


def table(content: dict[str, Any]) -> list[str]:
    """The result as lines of docs/statistics.md: coverage in per cent, of classes from the lowest to the highest."""
    heads = ("set", "images", "questions", "accuracy", "mIoU", "IoU", "area", "precision, recall", "differences")
    lines = ["| " + " | ".join((*heads, "bootstrap: accuracy", "IoU")) + " |", "|" + "---|" * 11]

    def between(figures: dict[str, Any], *starts: str, key: str = "coverage") -> str:
        found = [100 * one[key] for name, one in figures.items() if name.startswith(starts) and one[key] is not None]
        low, high = min(found), max(found)
        return f"{low:.1f}" if low == high else f"{low:.1f} – {high:.1f}"

    for row in content["these"]:
        figures = row["figures"]
        cells = [
            row["dataset"],
            f"{row['images']} of {row['of']}",
            f"{row['questions']} {row['strategy']}",
            *(between(figures, start) for start in (ACCURACY, MIOU, IOU, "area")),
            between(figures, "precision", "recall"),
            between(figures, f"difference of {ACCURACY}", f"difference of {MIOU}"),
            *(between(figures, start, key="bootstrap_coverage") for start in (ACCURACY, IOU)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    every = [one["coverage"] for row in content["these"] for name, one in row["figures"].items() if name != LEFT_OUT]
    near = float(np.mean([0.93 <= one <= 0.97 for one in every]))
    other = [one for row in content["other"] for name, one in row["coverage"].items() if name != LEFT_OUT]
    lines += [
        "",
        f"All {len(every)} intervals, differences of each class included: mean {np.mean(every):.1%}, {near:.0%} of "
        f"them within 93–97 %, from {min(every):.1%} to {max(every):.1%}.",
        f"For other images (a fifth of the images taken for all there is, {len(other)} intervals): mean "
        f"{np.mean(other):.1%}, from {min(other):.1%} to {max(other):.1%}.",
    ]
    return lines


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder for the predictions")
    parser.add_argument("--only", choices=("these", "other"), help="intervals for these images, or for other ones")
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    folder = Path(os.environ["POINTILLIST_REAL_DATA"])
    content: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.only else {}
    content |= {"version": __version__, "draws": arguments.draws, "models": MODELS}
    for part in ("these", "other"):
        if arguments.only in (None, part):
            content[part] = []
    for name in SETS:
        classes, images = predictions(name, folder, arguments.cache)
        if arguments.only != "these" and len(images) >= 80:
            row = other_images(images, len(classes), 200, arguments.draws)
            content["other"].append({"dataset": name, **row})
            print(name, "other images", row["coverage"][MIOU], flush=True)
        for questions in (200, 1000) if arguments.only != "other" else ():
            for strategy in ("even", "mixed"):
                row = measure(images, len(classes), questions, strategy, arguments.draws)  # type: ignore[arg-type]
                content["these"].append({"dataset": name, "classes": classes, "strategy": strategy, **row})
                shown = {key: row["figures"][key]["coverage"] for key in (ACCURACY, MIOU)}
                print(name, questions, strategy, shown, flush=True)
        arguments.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
