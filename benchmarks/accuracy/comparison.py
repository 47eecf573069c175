"""The comparison of methods: its table, differences, what a step costs, IoU by class, counts, the protocol."""

from __future__ import annotations

import statistics
from typing import Any

from paired import Difference, bracketed, difference
from runs import DATASETS, METHODS, OURS, Run, chosen, mean_sd, names, percent

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


def shares_of_full(runs: list[Run], dataset: str, method: str) -> list[float]:
    """mIoU divided by that of `full` with the same seed."""
    full = chosen(runs, dataset, "full")
    return [run["miou"] / full[seed]["miou"] for seed, run in chosen(runs, dataset, method).items() if seed in full]


def main_table(runs: list[Run]) -> list[str]:
    """One row per data set and method."""
    lines = [
        "| data set | method | clicks per image | mIoU | % of full | precision | coverage |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for dataset in names(runs, "dataset", DATASETS):
        for method in names([run for run in runs if run["dataset"] == dataset], "variant", METHODS):
            group = chosen(runs, dataset, method)
            share = [100 * ratio for ratio in shares_of_full(runs, dataset, method)]
            clicks = statistics.mean(run["protocol"]["clicks_per_image"] for run in group.values())
            cells = [
                dataset,
                f"**`{method}`**" if method == OURS else f"`{method}`",
                "masks" if method == "full" else f"{clicks:.1f}",
                score_of(group),
                mean_sd(share, 1) if share and method != "full" else "–",
                percent(class_mean(run, "precision") for run in group.values()),
                percent(class_mean(run, "coverage") for run in group.values()),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def short_table(runs: list[Run]) -> list[str]:
    """One row per data set: the two bounds, the best of the other methods that learn from clicks, and ours."""
    lines = [
        f"| data set | clicks per image | `points` | best baseline | **`{OURS}`** | `full` (masks) | % of `full` |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for dataset in names(runs, "dataset", DATASETS):
        groups = {name: chosen(runs, dataset, name) for name in METHODS}
        ours = groups[OURS]
        leads = {
            name: lead
            for name in METHODS
            if name not in (OURS, "points", "full") and (lead := difference(runs, {dataset: name}))
        }
        best = min(leads, key=lambda name: leads[name].mean, default=None)
        share = [100 * ratio for ratio in shares_of_full(runs, dataset, OURS)]
        cells = [
            dataset,
            f"{statistics.mean(run['protocol']['clicks_per_image'] for run in ours.values()):.1f}" if ours else "–",
            score_of(groups["points"]),
            "–" if best is None else f"{score_of(groups[best])} `{best}` ({lead_of(leads[best], len(ours))})",
            f"**{score_of(ours)}**",
            score_of(groups["full"]),
            mean_sd(share, 1) if share else "–",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def lead_of(lead: Difference, seeds: int) -> str:
    """A lead, and over how many seeds where our method has more."""
    return f"{lead.mean:+.1f}" if lead.pairs == seeds else f"{lead.mean:+.1f} on {lead.pairs} of {seeds} seeds"


def score_of(group: dict[int, Run]) -> str:
    """mIoU of the seeds of a method, marked where one of them predicts a single class; a dash where there is none."""
    if not group:
        return "–"
    return mean_sd([run["miou"] for run in group.values()]) + " †" * any(map(one_class, group.values()))


def one_class(run: Run) -> bool:
    """Whether nearly every pixel is predicted as the same class: a training that collapsed."""
    predicted = [sum(column) for column in zip(*run.get("confusion", []), strict=True)]
    return bool(predicted) and max(predicted) > 0.995 * sum(predicted)


def other_classes(runs: list[Run]) -> list[str]:
    """mIoU over other classes than those of the table: all that are learnt, and those that VOC-587 can judge."""
    found = [
        (f"{dataset} over all {len(here[0]['confusion_classes'])} classes", dataset, lambda run: run["miou_classes"])
        for dataset in names(runs, "dataset", DATASETS)
        if (here := [run for run in runs if run["dataset"] == dataset]) and "miou_classes" in here[0]
    ]
    found.append(
        (
            f"{VOC} over the {len(VOC_HEADLINE)} classes with at least five images in both splits "
            f"({', '.join(VOC_HEADLINE)})",
            VOC,
            lambda run: statistics.mean(run["per_class"][name] or 0.0 for name in VOC_HEADLINE),
        )
    )
    lines = []
    for title, dataset, value in found:
        here = [run for run in runs if run["dataset"] == dataset]
        parts = [
            f"`{method}` {mean_sd([value(run) for run in chosen(here, dataset, method).values()])}"
            for method in names(here, "variant", METHODS)
        ]
        lines += ["", f"{title}: {', '.join(parts)}."] if parts else []
    return lines


def differences_table(runs: list[Run], datasets: list[str]) -> list[str]:
    """`single-stage` minus each other method: mean over its data sets with both intervals, and on each over images."""
    lines = [
        "| against | mean | over sets | over images | pairs | " + " | ".join(datasets) + " |",
        "|---|---:|---:|---:|---:|" + "---:|" * len(datasets),
    ]
    for other in names(runs, "variant", METHODS):
        whole = difference(runs, dict.fromkeys(datasets, other))
        if other == OURS or whole is None:
            continue
        cells = [f"{whole.mean:+.1f}", bracketed(whole.over_sets), bracketed(whole.over_images), str(whole.pairs)]
        for dataset in datasets:
            one = difference(runs, {dataset: other})
            mark = " †" * any(map(one_class, chosen(runs, dataset, other).values()))
            cells.append(f"{one.mean:+.1f} {bracketed(one.over_images)}".removesuffix(" –") + mark if one else "–")
        lines.append(f"| `{other}` | " + " | ".join(cells) + " |")
    return lines


def external_table(runs: list[Run], external: list[Run]) -> list[str]:
    """Other people's programs beside `single-stage` with the same clicks."""
    lines = [
        f"| data set | program | seed | steps | CPU-minutes | mIoU | `{OURS}` | difference |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for run in sorted(external, key=lambda run: (run["dataset"], run["variant"], run["seed"])):
        ours = chosen(runs, run["dataset"], OURS).get(run["seed"])
        own, gap = (f"{ours['miou']:.3f}", f"{100 * (ours['miou'] - run['miou']):+.1f}") if ours else ("–", "–")
        figures = (run["seed"], run["protocol"]["steps"], f"{run['cpu_minutes']:.1f}", f"{run['miou']:.3f}", own, gap)
        lines.append(f"| {run['dataset']} | `{run['variant']}` | " + " | ".join(map(str, figures)) + " |")
    return lines


def step_cost_table(costs: dict[str, Any]) -> list[str]:
    """Times the processor time of a step of `points`, by method and data set: median of the rounds."""
    datasets = costs["datasets"]
    sizes = [f"{name}, {one['images']:,} images, {len(one['rounds'])} rounds" for name, one in datasets.items()]
    lines = ["| | " + " | ".join(sizes) + " |", "|---|" + "---:|" * len(sizes)]
    for method in dict.fromkeys(method for one in datasets.values() for method in one["methods"]):
        found = [one["methods"].get(method) for one in datasets.values()]
        cells = ["–" if one is None else f"{one['against_points']:.2f} ×" for one in found]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return lines


def step_times(runs: list[Run]) -> list[str]:
    """Milliseconds of a step by method and data set."""
    datasets = names(runs, "dataset", DATASETS)
    lines = ["| | " + " | ".join(datasets) + " |", "|---|" + "---:|" * len(datasets)]
    for method in names(runs, "variant", METHODS):
        known = [list(chosen(runs, dataset, method).values()) for dataset in datasets]
        cells = [
            f"{statistics.mean(run['step_milliseconds'] for run in each):.0f} ms" if each else "–" for each in known
        ]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return lines


def protocol_line(runs: list[Run]) -> str:
    """What must stand beside the numbers."""
    first = runs[0]
    protocol, machine = first["protocol"], first["machine"]

    def distinct(key: str) -> str:
        return ", ".join(sorted({str(run["protocol"][key] or "native") for run in runs}))

    steps = sorted({run["protocol"]["steps"] for run in runs} - {0})
    sources = sorted({run["protocol"]["points_source"].split(", seed")[0] for run in runs})
    rates = ", ".join(f"{rate:g}" for rate in sorted({run["protocol"]["lr"] for run in runs} - {0}))
    # A method that is no network says nothing of the one that the others share.
    network = next((run["protocol"] for run in runs if run["protocol"]["steps"]), protocol)
    return (
        f"Protocol `{protocol['name']}`: clicks {'; '.join(sources)}; background policy {distinct('background')}; "
        f"{network['network']} with {network['normalization']} normalisation, {network['initialisation']} "
        f"initialisation; images fitted into {distinct('size')}, windows of {distinct('window')}; "
        f"{'–'.join(map(str, dict.fromkeys((steps[0], steps[-1]))))} steps of {protocol['batch_size']}, AdamW at "
        f"{rates}; seeds {', '.join(map(str, sorted({run['seed'] for run in runs})))}; last checkpoint, no test-time "
        f"extras; {protocol['metric']}. Source {', '.join(sorted({run['source'] for run in runs}))}, "
        f"{machine['device']}, {machine['threads']} thread(s), torch {machine['torch']}."
    )


def per_class(runs: list[Run]) -> list[str]:
    """IoU by class, mean over seeds."""
    lines = []
    for dataset in names(runs, "dataset", DATASETS):
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
