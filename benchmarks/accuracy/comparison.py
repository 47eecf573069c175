"""The comparison of methods: its table, the claims, IoU by class, counts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable

from runs import HEADLINE, METHODS, OURS, Run, chosen, mean_sd, names, percent
from scipy import stats

VOC = "voc587"
"""The part of VOC 2012 that is scored; "voc2012" would promise more."""

VOC_HEADLINE = ("background", "cat", "chair", "cow", "dog", "horse", "person", "pottedplant", "sheep", "sofa")
"""Classes with at least five images in both splits of VOC-587, counted in its masks."""


def class_mean(run: Run, key: str) -> float | None:
    """Mean over classes of the coverage or precision of pseudo-labels."""
    if run["pseudo_mask"] is None:
        return None
    known = [value for value in run["pseudo_mask"][f"{key}_by_class"].values() if value is not None]
    return statistics.mean(known)


def main_table(runs: list[Run]) -> list[str]:
    """One row per data set and method."""
    lines = [
        "| data set | method | clicks per image | mIoU | % of full | precision | coverage | CPU-s per step |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for dataset in names(runs, "dataset", HEADLINE):
        full = chosen(runs, dataset, "full")
        for method in names([run for run in runs if run["dataset"] == dataset], "variant", METHODS):
            group = chosen(runs, dataset, method)
            share = [100 * run["miou"] / full[seed]["miou"] for seed, run in group.items() if seed in full]
            clicks = statistics.mean(run["protocol"]["clicks_per_image"] for run in group.values())
            cells = [
                dataset,
                f"**`{method}`**" if method == OURS else f"`{method}`",
                "masks" if method == "full" else f"{clicks:.1f}",
                mean_sd([run["miou"] for run in group.values()]),
                mean_sd(share, 1) if share and method != "full" else "–",
                percent(class_mean(run, "precision") for run in group.values()),
                percent(class_mean(run, "coverage") for run in group.values()),
                f"{statistics.mean(run['cpu_seconds_per_step'] for run in group.values()):.3f}",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def differences(runs: list[Run], other: str, datasets: Iterable[str]) -> list[float]:
    """`single-stage` minus another method in points of mIoU, by data set and seed."""
    found = []
    for dataset in datasets:
        ours, theirs = chosen(runs, dataset, OURS), chosen(runs, dataset, other)
        found += [100 * (ours[seed]["miou"] - theirs[seed]["miou"]) for seed in ours if seed in theirs]
    return found


def interval(values: list[float]) -> str:
    """`+2.1 [0.4, 3.8] (9 pairs)`: mean and 95 % interval of Student's t."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return f"{mean:+.1f} (1 pair)"
    half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}] ({len(values)} pairs)"


def step_ratios(timed: list[Run], method: str) -> dict[str, float]:
    """Wall time of a method's step against that of `points`, by data set."""
    milliseconds = {(run["dataset"], run["variant"]): run["step_milliseconds"] for run in timed}
    return {
        dataset: milliseconds[dataset, method] / milliseconds[dataset, "points"]
        for dataset in names(timed, "dataset", HEADLINE)
        if (dataset, method) in milliseconds and (dataset, "points") in milliseconds
    }


def step_times(timed: list[Run]) -> list[str]:
    """Milliseconds of a step by method and data set."""
    datasets = names(timed, "dataset", HEADLINE)
    lines = ["| | " + " | ".join(datasets) + " | against `points` |", "|---|" + "---:|" * (len(datasets) + 1)]
    for method in names(timed, "variant", METHODS):
        cells = [f"{chosen(timed, dataset, method)[0]['step_milliseconds']:.0f} ms" for dataset in datasets]
        ratio = statistics.mean(step_ratios(timed, method).values())
        lines.append(f"| {method} | " + " | ".join(cells) + f" | {ratio:.2f} × |")
    return lines


def claims(runs: list[Run], timed: list[Run]) -> list[str]:
    """What was to be reached, and what was.

    Args:
        runs: Of the comparison.
        timed: Of the same methods on a quiet machine, for the time of a step.
    """
    datasets = [name for name in HEADLINE if chosen(runs, name, OURS) and chosen(runs, name, "full")]
    baselines = [name for name in names(runs, "variant", METHODS) if name not in (OURS, "full")]
    ratios = {}
    for dataset in datasets:
        full = chosen(runs, dataset, "full")
        ratios[dataset] = statistics.mean(
            run["miou"] / full[seed]["miou"] for seed, run in chosen(runs, dataset, OURS).items() if seed in full
        )
    lines = ["| figure | to reach | reached |", "|---|---|---|"]
    by_set = ", ".join(f"{dataset} {ratio:.2f}" for dataset, ratio in ratios.items())
    lines.append(f"| `{OURS}` / `full` | ≥ 0.90 | **{statistics.mean(ratios.values()):.2f}** ({by_set}) |")
    for baseline in baselines:
        wanted = "≥ +5 on each" if baseline == "points" else "≥ +2.0, interval above 0"
        each = ", ".join(f"{name} {statistics.mean(differences(runs, baseline, [name])):+.1f}" for name in datasets)
        lines.append(
            f"| `{OURS}` − `{baseline}`, points of mIoU, paired over set × seed | {wanted} | "
            f"**{interval(differences(runs, baseline, datasets))}**; {each} |"
        )
    if leads := differences(runs, "points", [VOC]):
        whole = statistics.mean(run["miou"] for run in chosen(runs, VOC, "full").values())
        lines.append(
            f"| `{OURS}` − `points` on {VOC}, as a share of `full` | ≥ 10 % | "
            f"**{statistics.mean(leads) / whole:.0f} %** ({interval(leads)}) |"
        )
    ours = [run for dataset in datasets for run in chosen(runs, dataset, OURS).values()]
    for key, wanted in (("precision", "≥ 0.85"), ("coverage", "≥ 0.6, each class ≥ 0.3")):
        values = {
            dataset: statistics.mean(class_mean(run, key) or 0 for run in ours if run["dataset"] == dataset)
            for dataset in datasets
        }
        text = ", ".join(f"{dataset} {value:.2f}" for dataset, value in values.items())
        if key == "coverage":
            least = min(
                (value, f"{run['dataset']} {name}")
                for run in ours
                for name, value in run["pseudo_mask"]["coverage_by_class"].items()
                if value is not None
            )
            text += f"; least {least[0]:.2f} ({least[1]})"
        lines.append(f"| pseudo-labels at the end, mean {key} over classes | {wanted} | {text} |")
    if ratios_of_steps := step_ratios(timed, OURS):
        each = ", ".join(f"{dataset} {ratio:.2f}" for dataset, ratio in ratios_of_steps.items())
        mean = statistics.mean(ratios_of_steps.values())
        lines.append(f"| wall time of a step against `points` | ≤ 1.5 × | **{mean:.2f} ×** ({each}) |")
    return lines


def in_short(runs: list[Run]) -> str:
    """The claims in a sentence, for readers in a hurry."""
    parts, minutes = [], []
    for dataset in HEADLINE:
        full, ours = chosen(runs, dataset, "full"), chosen(runs, dataset, OURS)
        percents = [100 * run["miou"] / full[seed]["miou"] for seed, run in ours.items() if seed in full]
        leads = differences(runs, "points", [dataset])
        if not percents or not leads:
            continue
        parts.append(
            f"{statistics.mean(percents):.0f} % of `full` and {statistics.mean(leads):+.1f} points against `points` on "
            f"{dataset}"
        )
        minutes += [run["training_seconds"] / 60 for run in ours.values()]
    return (
        f"So `{OURS}` reaches {', '.join(parts)}: from scratch, in {min(minutes):.1f} to {max(minutes):.1f} minutes of "
        "one core. [What was to be reached, and what was](docs/results.md#what-was-to-be-reached); [why, and what was "
        "tried](docs/experiments.md)."
    )


def protocol_line(runs: list[Run]) -> str:
    """What must stand beside the numbers."""
    first = runs[0]
    protocol, machine = first["protocol"], first["machine"]
    sizes = sorted({run["protocol"]["size"] or "native" for run in runs})
    steps = sorted({run["protocol"]["steps"] for run in runs})
    sources = sorted({run["protocol"]["points_source"].split(", seed")[0] for run in runs})
    seeds = sorted({run["seed"] for run in runs})
    rates = ", ".join(f"{rate:g}" for rate in sorted({run["protocol"]["lr"] for run in runs}))
    return (
        f"Protocol `{protocol['name']}`: clicks {'; '.join(sources)}; background policy "
        f"{', '.join(sorted({run['protocol']['background'] for run in runs}))}; {protocol['network']} with "
        f"{protocol['normalization']} normalisation, {protocol['initialisation']} initialisation; images fitted into "
        f"{', '.join(sizes)}; {'–'.join(map(str, dict.fromkeys((steps[0], steps[-1]))))} steps of "
        f"{protocol['batch_size']}, AdamW at {rates}; seeds {', '.join(map(str, seeds))}; last checkpoint, "
        f"no test-time extras; {protocol['metric']}. Source {first['source']}, {machine['device']}, "
        f"{machine['threads']} thread(s), torch {machine['torch']}."
    )


def per_class(runs: list[Run]) -> list[str]:
    """IoU by class, mean over seeds."""
    lines = []
    for dataset in names(runs, "dataset", HEADLINE):
        here = [run for run in runs if run["dataset"] == dataset]
        methods = names(here, "variant", METHODS)
        lines += ["", f"| {dataset} | " + " | ".join(f"`{m}`" for m in methods) + " |"]
        lines += ["|---|" + "---:|" * len(methods)]
        for name in here[0]["per_class"]:
            cells = []
            for method in methods:
                values = [run["per_class"][name] for run in here if run["variant"] == method]
                known = [value for value in values if value is not None]
                cells.append(f"{statistics.mean(known):.3f}" if known else "–")
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def voc_line(runs: list[Run]) -> list[str]:
    """mIoU over the classes that VOC-587 can judge."""
    parts = []
    for method in names([run for run in runs if run["dataset"] == VOC], "variant", METHODS):
        values = [
            statistics.mean(run["per_class"][name] or 0.0 for name in VOC_HEADLINE)
            for run in chosen(runs, VOC, method).values()
        ]
        parts.append(f"`{method}` {mean_sd(values)}")
    if not parts:
        return []
    return [
        "",
        f"VOC-587 over the {len(VOC_HEADLINE)} classes with at least five images in both splits "
        f"({', '.join(VOC_HEADLINE)}): {', '.join(parts)}.",
    ]


def counts(runs: list[Run]) -> list[str]:
    """Count error where a data set is about counting."""
    counted = [run for run in runs if "count_mae" in run]
    lines = ["| data set | method | objects per image | count MAE |", "|---|---|---:|---:|"]
    for dataset in names(counted, "dataset"):
        for method in names(counted, "variant", METHODS):
            group = chosen(counted, dataset, method).values()
            objects = statistics.mean(run["count_mae"]["objects"] for run in group)
            lines.append(
                f"| {dataset} | `{method}` | {objects:.1f} | {mean_sd([r['count_mae']['mae'] for r in group], 1)} |"
            )
    return lines if len(lines) > 2 else []
