"""Tables of what the machine asks for: where to label next, which pixels, and what an audit of clicks is worth."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from run import RESULTS
from runs import OURS, Run, mean_sd, names

POLICIES = {"random": "by chance", "uncertain": "where the model is unsure", "gain": "expected gain per second"}


def heights(curves: list[dict[str, Any]]) -> dict[str, dict[int, float]]:
    """Mean mIoU of each policy over the same seconds of labelling, by seed: the area below its curve.

    From the first model, which all policies share, to where the shortest curve ends; between rounds along a line.
    """
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for seed in {one["seed"] for one in curves}:
        here = [one for one in curves if one["seed"] == seed]
        begin = here[0]["rounds"][0]["seconds"]
        seconds = np.linspace(begin, min(one["rounds"][-1]["seconds"] for one in here), 200)
        for one in here:
            spent, miou = ([each[key] for each in one["rounds"]] for key in ("seconds", "miou"))
            found[one["policy"]][seed] = float(np.interp(seconds, spent, miou).mean())
    return dict(found)


def where_next_study(results: Path = RESULTS) -> list[str]:
    """Orders in which images are labelled; nothing when that was not measured."""
    if not (results / "where-next.json").is_file():
        return []
    record = json.loads((results / "where-next.json").read_text(encoding="utf-8"))
    lines = ["## Where to label next", ""]
    lines += ["| | " + " | ".join(POLICIES.values()) + " | seeds |", "|---|" + "---:|" * (len(POLICIES) + 1)]
    for dataset in names(record["curves"], "dataset"):
        each = heights([one for one in record["curves"] if one["dataset"] == dataset])
        cells = []
        for policy in POLICIES:
            cell = mean_sd(list(each[policy].values())) if policy in each else "–"
            gaps = [100 * (value - each["random"][seed]) for seed, value in each.get(policy, {}).items()]
            cells.append(cell if policy == "random" or not gaps else f"{cell} ({statistics.mean(gaps):+.1f})")
        lines.append(f"| {dataset} | " + " | ".join(cells) + f" | {len(each['random'])} |")
    asked = record["asked"]
    return [
        *lines,
        "",
        f"Mean mIoU over the same seconds of labelling (the area below the curve), in brackets against chance. "
        f"{asked['start']} of {asked['pool']} images are clicked at the beginning; three rounds follow, each with the "
        f"seconds that {asked['added']} images cost, and a training of {asked['settings']['trainer.steps']} steps from "
        f"all labels. `python benchmarks/accuracy/where_next.py`, source {record['source']}.",
        "",
    ]


def strategies_study(results: Path = RESULTS) -> list[str]:
    """Ways to draw further questions; nothing when that was not measured."""
    if not (results / "ask-strategies.json").is_file():
        return []
    record = json.loads((results / "ask-strategies.json").read_text(encoding="utf-8"))
    strategies = list(record["runs"][0]["miou"])
    lines = ["| | " + " | ".join(strategies) + " | seeds |", "|---|" + "---:|" * (len(strategies) + 1)]
    for dataset in names(record["runs"], "dataset"):
        runs = [run["miou"] for run in record["runs"] if run["dataset"] == dataset]
        cells = []
        for strategy in strategies:
            cell = mean_sd([run[strategy] for run in runs])
            gap = statistics.mean(100 * (run[strategy] - run["even"]) for run in runs)
            cells.append(cell if strategy in ("first", "even") else f"{cell} ({gap:+.1f})")
        lines.append(f"| {dataset} | " + " | ".join(cells) + f" | {len(runs)} |")
    asked = record["asked"]
    return [
        "## Which pixels to ask",
        "",
        *lines,
        "",
        f"mIoU of `single-stage` after {asked['questions']} even questions on each of up to {asked['pool']} images "
        f"(*first*), and after {asked['questions']} more by each strategy of `pointillist ask`, in brackets against "
        f"*even*; {asked['settings']['trainer.steps']} steps. `python benchmarks/accuracy/ask_strategies.py`, source "
        f"{record['source']}.",
        "",
    ]


def answered_clicks_study(runs: list[Run]) -> list[str]:
    """What is lost by wrong and missed clicks, and what of it an answered audit wins back."""
    lines = ["| | clean clicks | 20 % wrong, 20 % missed | answered | won back |", "|---|---:|---:|---:|---:|"]
    for dataset in names(runs, "dataset"):
        found = {run["variant"]: run["miou"] for run in runs if run["dataset"] == dataset}
        clean, noisy, answered = (found.get(OURS + end) for end in ("", "-noisy", "-answered"))
        back = "–"
        if clean is not None and noisy is not None and answered is not None and clean > noisy:
            back = f"{100 * (answered - noisy) / (clean - noisy):.0f} %"
        cells = ["–" if one is None else f"{one:.3f}" for one in (clean, noisy, answered)]
        lines.append(f"| {dataset} | " + " | ".join(cells) + f" | {back} |")
    return [
        "## What an answered audit of clicks is worth",
        "",
        *lines,
        "",
        "mIoU of `single-stage`, one seed. *Answered*: a person looks at every click and place that `points check` "
        "lists, and is right. Protocol `answered-clicks`, source "
        f"{', '.join(sorted({run['source'] for run in runs}))}.",
        "",
    ]
