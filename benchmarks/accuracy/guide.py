"""The tables of docs/how-many-clicks.md: how far clicks went on five sets, fewer images, and how sure an audit is."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from asking import label_seconds
from comparison import shares_of_full
from run import RESULTS
from runs import DATASETS, OURS, Run, Study, chosen, mean_sd, names


def clicked_table(main: list[Run]) -> list[str]:
    """What was clicked on each set of the comparison, and how near `single-stage` came to masks."""
    lines = [
        "| data set | classes | images clicked | clicks per image | hours of clicking | mIoU | % of `full` |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for dataset in names(main, "dataset", DATASETS):
        group = list(chosen(main, dataset, OURS).values())
        share = [100 * ratio for ratio in shares_of_full(main, dataset, OURS)]
        if not group or not share:
            continue
        images = group[0]["protocol"]["images"]
        hours = images * statistics.mean(map(label_seconds, group)) / 3600
        cells = [
            dataset,
            str(len(group[0].get("confusion_classes", group[0]["per_class"]))),
            f"{images:,}",
            f"{statistics.mean(run['protocol']['clicks_per_image'] for run in group):.1f}",
            f"{hours:.1f}",
            mean_sd([run["miou"] for run in group]),
            mean_sd(share, 1),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def images_table(main: list[Run], runs: list[Run]) -> list[str]:
    """Training from a part of the images, beside that from all of them; nothing when that was not measured."""
    lines = ["| data set | images clicked | mIoU | % of `full` from all images |", "|---|---:|---:|---:|"]
    for dataset in names(runs, "dataset", DATASETS):
        full, whole = (chosen(main, dataset, method) for method in ("full", OURS))
        parts = [run for run in runs if run["dataset"] == dataset and run["seed"] in full]
        parts += [whole[seed] for seed in {run["seed"] for run in parts} & whole.keys()]
        for run in sorted(parts, key=lambda run: int(run["protocol"]["images"])):
            share = 100 * run["miou"] / full[run["seed"]]["miou"]
            lines.append(f"| {dataset} | {run['protocol']['images']:,} | {run['miou']:.3f} | {share:.1f} |")
    said = "One seed; as many steps for few images as for all."
    return [*lines, "", said] if runs else []


def sure_table(results: Path = RESULTS) -> list[str]:
    """Half the mean width of the intervals of 95 % of an audit, in points: even questions."""
    record = json.loads((results / "audit-coverage.json").read_text(encoding="utf-8"))
    lines = [
        "| data set | questions | images | accuracy | mIoU | two models: mIoU | IoU, largest class | IoU, smallest |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in record["these"]:
        if one["strategy"] != "even":
            continue
        figures = one["figures"]
        areas = [figures[f"area {number}"]["truth"] for number in range(len(one["classes"]))]
        cells = [one["dataset"], f"{one['questions']:,}", f"{one['images']:,}"]
        cells += [half(figures[name]) for name in ("accuracy", "miou", "difference of miou")]
        for area in (max(areas), min(areas)):
            number = areas.index(area)
            cells.append(f"{half(figures[f'iou {number}'])} ({one['classes'][number]}, {100 * area:.0f} % of the area)")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def half(figure: dict[str, Any]) -> str:
    """Half a width, in points."""
    return f"±{100 * figure['width'] / 2:.0f}"


def tables(main: Study, images: Study) -> dict[str, list[str]]:
    """Each table by the name that it has on the page."""
    few = images_table(main.runs, images.runs) or ["Not measured yet: begin with 20, and double."]
    return {"clicked": clicked_table(main.runs), "images": few, "sure": sure_table()}
