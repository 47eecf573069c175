"""Tables of what the machine asks for: where to label next, which pixels, and what an audit of clicks is worth."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from claims import Claim, claims_table, listed
from run import RESULTS
from runs import DATASETS, OURS, Run, Study, chosen, mean_sd, names, same_seeds
from studies import ABSENT_SECONDS, FIRST_SECONDS, FURTHER_SECONDS, IMAGES, MASK_SECONDS, plot, variants_table

POLICIES = {"random": "by chance", "uncertain": "where the model is unsure", "gain": "expected gain per second"}


AND_TEN = f"{OURS}-clicks-and-10"
QUESTIONS = (
    "*questions-N*: no clicks, but N evenly drawn pixels of each image, named; *clicks-and-10*: the clicks of the "
    "comparison with 10 questions beside. In brackets the difference to `single-stage` with the clicks of the "
    "comparison, whose runs may be of an earlier source: what clicks alone teach is the same."
)


def questions_asked(run: Run) -> int:
    """Questions on each image, as the variant says."""
    _, _, number = run["variant"].rpartition("-")
    return int(number) if number.isdigit() else 0


def label_seconds(run: Run) -> float:
    """Seconds of a person's time on an image: a question costs as much as a first click.

    How many classes an image has is not known here: of its clicks, as many as there are classes count as first ones, so
    that clicks are rather too dear.
    """
    if run["protocol"]["method"]["name"] == "full":
        return MASK_SECONDS
    asked, classes = questions_asked(run), len(run.get("confusion_classes", run["per_class"]))
    clicks = 0.0 if "-questions-" in run["variant"] else run["protocol"]["clicks_per_image"] - asked
    if not clicks:
        return FIRST_SECONDS * asked
    first = min(classes, clicks)
    return ABSENT_SECONDS * (classes - first) + FIRST_SECONDS * (first + asked) + FURTHER_SECONDS * (clicks - first)


def gains(main: list[Run], runs: list[Run], wanted: Callable[[Run, Run], bool]) -> dict[str, float]:
    """By data set, points of mIoU over the clicks of the comparison: some variants, mean over seeds."""
    found: dict[str, list[float]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: DATASETS.index(run["dataset"])):
        clicked = chosen(main, run["dataset"], OURS).get(run["seed"])
        if clicked and wanted(run, clicked):
            found[run["dataset"]].append(100 * (run["miou"] - clicked["miou"]))
    return {dataset: statistics.mean(values) for dataset, values in found.items()}


def a_quarter(run: Run, clicked: Run) -> bool:
    """Whether there are questions alone, about a quarter as many as clicks."""
    share = questions_asked(run) / clicked["protocol"]["clicks_per_image"]
    return bool(run["variant"].startswith(f"{OURS}-questions-") and 0.2 <= share <= 0.3)


def question_claims(study: Study, main: list[Run]) -> list[Claim]:
    """What is wanted of questions, and what is reached."""
    done = not study.missing()
    quarter = gains(main, study.runs, a_quarter)
    beside = gains(main, study.runs, lambda run, _: run["variant"] == AND_TEN)
    shares: dict[str, float] = {}
    for dataset in names(study.runs, "dataset", DATASETS):
        full = chosen(main, dataset, "full")
        cheap: dict[str, list[float]] = defaultdict(list)
        for run in study.runs:
            fair = run["dataset"] == dataset and run["variant"].startswith(OURS) and run["seed"] in full
            if fair and label_seconds(run) <= 0.1005 * MASK_SECONDS:
                cheap[run["variant"]].append(run["miou"] / full[run["seed"]]["miou"])
        if cheap:
            shares[dataset] = max(map(statistics.mean, cheap.values()))
    near = sum(share >= 0.95 for share in shares.values())
    return [
        Claim(
            "a quarter as many questions as clicks, minus clicks, points of mIoU",
            "≥ 0 on each set",
            f"{statistics.mean(quarter.values()):+.1f}" if quarter else "–",
            listed(quarter, "+.1f"),
            min(quarter.values()) >= 0 if done and quarter else None,
        ),
        Claim(
            "clicks with 10 questions beside, minus clicks, points of mIoU",
            "≥ +3",
            f"{statistics.mean(beside.values()):+.1f}" if beside else "–",
            listed(beside, "+.1f"),
            statistics.mean(beside.values()) >= 3 if done and beside else None,
        ),
        Claim(
            "questions for a tenth of a mask's price / `full`",
            "≥ 0.95 on three sets",
            f"on {near} of {len(shares)}" if shares else "–",
            listed(shares),
            near >= 3 if done else None,
        ),
    ]


def questions_study(study: Study, main: list[Run]) -> list[str]:
    """What questions teach, what is wanted of that, and mIoU against seconds of labelling."""
    beside = same_seeds(main, study.runs, (OURS, "points", "full"))
    lines = [*variants_table([*beside, *study.runs], OURS), "", QUESTIONS, ""]
    lines += [*claims_table(question_claims(study, main)), ""]
    pictures = []
    for dataset in names(study.runs, "dataset", DATASETS):
        cost: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for variant in names([*beside, *study.runs], "variant"):
            group = list(chosen([*beside, *study.runs], dataset, variant).values())
            if not group or not variant.startswith((OURS, "full")):
                continue
            seconds = statistics.mean(map(label_seconds, group))
            kind = "full, masks" if variant == "full" else "questions" if "-questions-" in variant else "clicks"
            kind = "clicks and questions" if variant == AND_TEN else kind
            cost[kind].append((seconds, statistics.mean(run["miou"] for run in group)))
        file = f"results-questions-{dataset}.svg"
        plot(IMAGES / file, f"{dataset}: clicks, questions, masks", "seconds of labelling per image", cost, log=True)
        pictures.append(f"![{dataset}: mIoU against label cost](images/{file})")
    return [
        *lines,
        " ".join(pictures),
        "",
        "Clicks are priced as in the study of clicks, with as many classes on an image as it can have; a question "
        f"costs as much as a first click ({FIRST_SECONDS:g} s).",
    ]


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
