"""The studies: variants of one method, numbers of clicks, noisy clicks, settings with one fixed network."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from run import RESULTS
from runs import DATASETS, OURS, Run, chosen, mean_sd, names, same_seeds, with_new_keys

IMAGES = Path(__file__).parent.parent.parent / "docs" / "images"

ABSENT_SECONDS, FIRST_SECONDS, FURTHER_SECONDS, MASK_SECONDS = 1.0, 2.4, 0.9, 239.7
"""Seconds of a person's time on an image: to see that a class is absent, for the first click on a class that is there,
for each further click, and for a full mask of a VOC image (Bearman et al., What's the Point, ECCV 2016, section 4)."""


def variants_table(runs: list[Run], against: str | None = None) -> list[str]:
    """One row per variant of a study, one column per data set; with the difference to one variant."""
    datasets = names(runs, "dataset", DATASETS)
    lines = ["| | " + " | ".join(datasets) + " |", "|---|" + "---:|" * len(datasets)]
    for variant in names(runs, "variant"):
        cells = []
        for dataset in datasets:
            group = chosen(runs, dataset, variant)
            cell = mean_sd([run["miou"] for run in group.values()]) if group else "–"
            base = chosen(runs, dataset, against) if against else {}
            gaps = [100 * (run["miou"] - base[seed]["miou"]) for seed, run in group.items() if seed in base]
            if gaps and variant != against:
                cell += f" ({statistics.mean(gaps):+.1f})"
            cells.append(cell)
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return lines


def plot(path: Path, title: str, x_label: str, lines: dict[str, list[tuple[float, float]]], log: bool = False) -> None:
    """mIoU against something, as SVG."""
    figure = Figure(figsize=(6.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for (name, points), color in zip(lines.items(), ("#0072b2", "#d55e00", "#009e73", "#cc79a7"), strict=False):
        xs, ys = zip(*sorted(points), strict=True)
        axes.plot(xs, ys, marker="o", color=color, label=name)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set(title=title, xlabel=x_label, ylabel="mIoU")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": path.name}):  # the same figures give the same file
        FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})


@dataclass(frozen=True)
class ClickRow:
    """What one way to click gave with one method on one data set, means over seeds.

    Args:
        clicks: What was clicked.
        method: How it was learnt.
        per_image: Clicks per image.
        seconds: Of labelling per image; None where the study does not say how many classes an image has.
        miou: Mean IoU.
    """

    clicks: str
    method: str
    per_image: float
    seconds: float | None
    miou: float


def click_rows(runs: list[Run], main_runs: list[Run], dataset: str) -> list[ClickRow]:
    """All ways to click of a data set, by their number, those of the comparison with the same seeds included."""
    here = [run for run in runs if run["dataset"] == dataset]
    here += same_seeds(main_runs, here, (OURS, "points"))
    once = [run["protocol"]["clicks_per_image"] for run in here if run["variant"].endswith("-1-per-class")]
    rows = []
    for variant in names(here, "variant"):
        group = list(chosen(here, dataset, variant).values())
        method, classes = group[0]["protocol"]["method"]["name"], len(group[0]["per_class"])
        clicks = statistics.mean(run["protocol"]["clicks_per_image"] for run in group)
        seconds = None
        if once:
            present = statistics.mean(once)
            looked = ABSENT_SECONDS * (classes - present) + FIRST_SECONDS * present
            seconds = looked + FURTHER_SECONDS * (clicks - present)
        said = "those of the comparison" if variant == method else variant.removeprefix(f"{method}-")
        rows.append(ClickRow(said, method, clicks, seconds, statistics.mean(run["miou"] for run in group)))
    return sorted(rows, key=lambda row: (row.per_image, row.clicks, row.method))


def full_of(runs: list[Run], main_runs: list[Run], dataset: str) -> float | None:
    """mIoU of `full` with the seeds of a study; None where it is not there."""
    found = same_seeds(main_runs, [run for run in runs if run["dataset"] == dataset], ("full",))
    return statistics.mean(run["miou"] for run in found) if found else None


def cheapest(main_runs: list[Run], runs: list[Run]) -> dict[str, float | None]:
    """By data set, the least seconds of labelling with which `single-stage` has 0.9 of `full`, divided by a mask's.

    None where no number of clicks was enough; data sets without `full` or without a price are not there.
    """
    found = {}
    for dataset in names(runs, "dataset", DATASETS):
        full = full_of(runs, main_runs, dataset)
        priced = [row for row in click_rows(runs, main_runs, dataset) if row.seconds is not None and row.method == OURS]
        if full is not None and priced:
            enough = [row.seconds / MASK_SECONDS for row in priced if row.seconds and row.miou >= 0.9 * full]
            found[dataset] = min(enough, default=None)
    return found


def clicks_study(runs: list[Run], main_runs: list[Run]) -> list[str]:
    """mIoU against clicks and against seconds of a person's time."""
    lines = ["| data set | clicks | per image | seconds per image | method | mIoU |", "|---|---|---:|---:|---|---:|"]
    pictures = []
    for dataset in names(runs, "dataset", DATASETS):
        cost: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for row in click_rows(runs, main_runs, dataset):
            seconds = "–" if row.seconds is None else f"{row.seconds:.0f}"
            cells = (dataset, row.clicks, f"{row.per_image:.1f}", seconds, f"`{row.method}`", f"{row.miou:.3f}")
            lines.append("| " + " | ".join(cells) + " |")
            if row.seconds is not None:
                cost[row.method].append((row.seconds, row.miou))
        full = full_of(runs, main_runs, dataset)
        if full is not None:
            lines.append(f"| {dataset} | masks | – | {MASK_SECONDS:.0f} or more | `full` | {full:.3f} |")
        if cost:
            cost |= {} if full is None else {"full, masks": [(MASK_SECONDS, full)]}
            file = f"results-cost-{dataset}.svg"
            plot(IMAGES / file, f"{dataset}: what labels cost", "seconds of labelling per image", cost, log=True)
            pictures.append(f"![{dataset}: mIoU against label cost](images/{file})")
    return [
        *lines,
        "",
        *([" ".join(pictures), ""] if pictures else []),
        "Priced as in What's the Point (Bearman et al., ECCV 2016): "
        f"{ABSENT_SECONDS:g} s to see that a class is absent, {FIRST_SECONDS:g} s for its first click, "
        f"{FURTHER_SECONDS:g} s for each further one, {MASK_SECONDS:g} s for the mask of a VOC image; "
        "a street scene takes longer.",
    ]


NOISY = {
    "jitter-5": "off by 5 px",
    "wrong-5": "5 % of another class",
    "wrong-20": "20 % of another class",
    "missed-20": "20 % left out",
}
"""Kinds of errors as variants call them, and in words."""


def losses(main_runs: list[Run], runs: list[Run]) -> dict[tuple[str, str], dict[str, float]]:
    """By kind of error and data set, the points of mIoU that a method loses: mean over the seeds with clean clicks."""
    found: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for dataset in names(runs, "dataset", DATASETS):
        for kind in NOISY:
            for method in (OURS, "points"):
                clean, noisy = chosen(main_runs, dataset, method), chosen(runs, dataset, f"{method}-{kind}")
                lost = [100 * (clean[seed]["miou"] - noisy[seed]["miou"]) for seed in noisy if seed in clean]
                if lost:
                    found[kind, dataset][method] = statistics.mean(lost)
    return dict(found)


def noisy_clicks_study(runs: list[Run], main_runs: list[Run]) -> list[str]:
    """mIoU with clean clicks, and what each kind of error costs."""
    lines = [f"| data set | clicks | `{OURS}` | `points` |", "|---|---|---:|---:|"]
    lost = losses(main_runs, runs)
    for dataset in names(runs, "dataset", DATASETS):
        clean = [
            same_seeds(main_runs, [run for run in runs if run["dataset"] == dataset], [m]) for m in (OURS, "points")
        ]
        cells = [mean_sd([run["miou"] for run in group]) if group else "–" for group in clean]
        lines.append(f"| {dataset} | clean | " + " | ".join(cells) + " |")
        for kind, words in NOISY.items():
            each = lost.get((kind, dataset), {})
            cells = [f"{-each[m]:+.1f}" if m in each else "–" for m in (OURS, "points")]
            lines.append(f"| {dataset} | {words} | " + " | ".join(cells) + " |")
    return [*lines, "", "Clean: mIoU. Below it, points of mIoU gained or lost against it."]


def steps_study(runs: list[Run]) -> list[str]:
    """What doubling the steps gains."""
    lines = ["| data set | method | steps | mIoU | twice the steps | gain |", "|---|---|---:|---:|---:|---:|"]
    asked = {(run["dataset"], run["method"], int(run["variant"].rpartition("-")[2])): run for run in runs}
    for (dataset, method, steps), run in sorted(asked.items(), key=lambda item: DATASETS.index(item[0][0])):
        if twice := asked.get((dataset, method, 2 * steps)):
            gain = 100 * (twice["miou"] - run["miou"])
            lines.append(
                f"| {dataset} | `{method}` | {steps:,} | {run['miou']:.3f} | {twice['miou']:.3f} | {gain:+.1f} |"
            )
    return lines


WORDS_OF_THEN = {
    "competing β": "inverse distance, power",
    "β": "power",
    "reach": "background floor",
    "shift": "prior correction",
}
"""How names of settings in a file of version 0.1 are said today."""


def fixed_network_study(name: str = "fixed-network") -> list[str]:
    """Quality of pseudo-masks of one fixed network; nothing when that was not measured."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        return []
    found = with_new_keys(json.loads(path.read_text(encoding="utf-8")))
    sets = found["sets"]
    selected = "by its own selection" if "settings" in found else "where a class has 0.7 of the scores"
    lines = ["## Settings of the pseudo-mask, with one fixed network", ""]
    lines += ["| | " + " | ".join(sets) + " |", "|---|" + "---:|" * len(sets)]
    for name in next(iter(sets.values())):
        rows = [sets[dataset][name] for dataset in sets]
        cells = [f"{row['miou']:.3f} · {100 * row['precision']:.0f} / {100 * row['coverage']:.0f}" for row in rows]
        for then, today in WORDS_OF_THEN.items():
            name = name.replace(then, today)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [
        *lines,
        "",
        f"mIoU of the labels everywhere · precision / coverage in percent of the labels that are kept, {selected}; on "
        f"{found['images']} training images, for a network that learnt {found['steps']} steps from clicks alone; one "
        f"seed; `python benchmarks/accuracy/fixed_network.py`, source {found['source']}.",
        "",
        *(distance_table(found) if "far" in found else []),
    ]


def distance_table(found: dict[str, Any]) -> list[str]:
    """How often pseudo-labels are right, by class and by distance to the nearest click of that class."""
    edges = [0, *(f"{edge:g}" for edge in found["edges"])]
    spans = [f"{low} to {high}" for low, high in pairwise(edges)] + [f"over {edges[-1]}"]
    lines = ["### Pseudo-labels near and far from the clicks", ""]
    for dataset, classes in found["far"].items():
        lines += [f"| {dataset} | " + " | ".join(f"{span} px" for span in spans) + " |", "|---|" + "---:|" * len(spans)]
        for name, cells in classes.items():
            texts = [f"{100 * right / kept:.0f} % of {kept:,}" if kept else "–" for kept, right in cells]
            lines.append(f"| {name} | " + " | ".join(texts) + " |")
        lines.append("")
    return [
        *lines,
        "Precision of the labels that are kept, by geodesic distance to the nearest click of their class (γ 300), in "
        "the recipe of `single-stage`; the same network.",
        "",
    ]
