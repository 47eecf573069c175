"""The studies: variants of one method, numbers of clicks, noisy clicks, settings with one fixed network."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from runs import HEADLINE, METHODS, OURS, RESULTS, Run, chosen, mean_sd, names, with_new_keys

IMAGES = Path(__file__).parent.parent.parent / "docs" / "images"

ABSENT_SECONDS, FIRST_SECONDS, FURTHER_SECONDS, MASK_SECONDS = 1.0, 2.4, 0.9, 239.7
"""Seconds of a person's time on an image: to see that a class is absent, for the first click on a class that is there,
for each further click, and for a full mask of a VOC image (Bearman et al., What's the Point, ECCV 2016, section 4)."""


def variants_table(runs: list[Run], against: str | None = None) -> list[str]:
    """One row per variant of a study, one column per data set; with the difference to one variant."""
    datasets = names(runs, "dataset", HEADLINE)
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


def clicks_study(runs: list[Run], main_runs: list[Run]) -> list[str]:
    """mIoU against clicks and against seconds of a person's time."""
    dataset = names(runs, "dataset")[0]
    seeds = {run["seed"] for run in runs}
    once = [run for run in main_runs if run["dataset"] == dataset and run["seed"] in seeds]
    rows = [run for run in [*runs, *once] if run["protocol"]["method"]["name"] in (OURS, "points")]
    by_method: dict[str, list[tuple[float, float]]] = defaultdict(list)
    cost: dict[str, list[tuple[float, float]]] = defaultdict(list)
    present = statistics.mean(r["protocol"]["clicks_per_image"] for r in runs if r["variant"].endswith("1-per-class"))
    lines = ["| clicks | per image | seconds per image | method | mIoU |", "|---|---:|---:|---|---:|"]
    for run in sorted(rows, key=lambda run: (run["protocol"]["clicks_per_image"], run["variant"])):
        method, clicks = run["protocol"]["method"]["name"], run["protocol"]["clicks_per_image"]
        absent = len(run["per_class"]) - present
        seconds = ABSENT_SECONDS * absent + FIRST_SECONDS * present + FURTHER_SECONDS * (clicks - present)
        by_method[method].append((clicks, run["miou"]))
        cost[method].append((seconds, run["miou"]))
        label = "1-per-object" if run["variant"] in METHODS else run["variant"].removeprefix(f"{method}-")
        lines.append(f"| {label} | {clicks:.1f} | {seconds:.0f} | `{method}` | {run['miou']:.3f} |")
    full = [run["miou"] for run in once if run["variant"] == "full"]
    if full:
        lines.append(f"| masks | – | {MASK_SECONDS:.0f} or more | `full` | {statistics.mean(full):.3f} |")
        cost["full, masks"] = [(MASK_SECONDS, statistics.mean(full))]
    plot(IMAGES / "results-clicks.svg", f"{dataset}: how many clicks", "clicks per image", by_method)
    plot(IMAGES / "results-cost.svg", f"{dataset}: what labels cost", "seconds of labelling per image", cost, log=True)
    return [
        *lines,
        "",
        "![mIoU against clicks](images/results-clicks.svg) ![mIoU against label cost](images/results-cost.svg)",
        "",
        "Priced as in What's the Point (Bearman et al., ECCV 2016): "
        f"{ABSENT_SECONDS:g} s to see that a class is absent, {FIRST_SECONDS:g} s for its first click, "
        f"{FURTHER_SECONDS:g} s for each further one, {MASK_SECONDS:g} s for the mask of a VOC image; "
        "a street scene takes longer.",
    ]


def noisy_clicks_study(runs: list[Run], main_runs: list[Run]) -> list[str]:
    """mIoU with clean clicks and with each kind of error."""
    seeds, datasets = {run["seed"] for run in runs}, names(runs, "dataset")
    clean = [
        {**run, "variant": f"{run['variant']}-clean"}
        for run in main_runs
        if run["dataset"] in datasets and run["seed"] in seeds and run["variant"] in (OURS, "points")
    ]
    lines = ["| clicks | " + " | ".join(f"`{m}`" for m in (OURS, "points")) + " |", "|---|---:|---:|"]
    kinds = dict.fromkeys(run["variant"].removeprefix(f"{OURS}-").removeprefix("points-") for run in [*clean, *runs])
    for kind in kinds:
        cells = []
        for method in (OURS, "points"):
            values = [run["miou"] for run in [*clean, *runs] if run["variant"] == f"{method}-{kind}"]
            cells.append(mean_sd(values) if values else "–")
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return lines


WORDS_OF_THEN = {
    "competing β": "inverse distance, power",
    "β": "power",
    "reach": "background floor",
    "shift": "prior correction",
}
"""How names of settings in a file of version 0.1 are said today."""


def fixed_network_study() -> list[str]:
    """Quality of pseudo-masks of one fixed network; nothing when that was not measured."""
    path = RESULTS / "fixed-network.json"
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
        *distance_table(found),
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
