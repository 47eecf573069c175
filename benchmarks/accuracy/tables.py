"""Build docs/results.md with its plots, and the README's results, from the JSON files of the runs.

python benchmarks/accuracy/tables.py
"""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from scipy import stats

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
IMAGES = ROOT / "docs" / "images"
BEGIN, END = "<!-- results: begin (made by benchmarks/accuracy/tables.py) -->", "<!-- results: end -->"

Run = dict[str, Any]

OURS = "single-stage"
METHODS = (OURS, "points", "refine-only", "gated-crf", "tree-energy", "agmm", "full")
HEADLINE = ("camvid", "dubai_aerial", "soybean")
"""The data sets of the claims."""

VOC_HEADLINE = ("background", "cat", "chair", "cow", "dog", "horse", "person", "pottedplant", "sheep", "sofa")
"""Classes with at least five images in both splits of VOC-587, counted in its masks."""


def read_results() -> dict[str, list[Run]]:
    """Runs by protocol name; a protocol's runs must come from one source.

    Raises:
        SystemExit: They do not.
    """
    found: dict[str, list[Run]] = defaultdict(list)
    for path in sorted((HERE / "results").glob("*/*.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        found[run["protocol"]["name"]].append(run)
    for name, runs in found.items():
        sources = {run["source"] for run in runs}
        if len(sources) > 1:
            raise SystemExit(f"{name} mixes results of the sources {', '.join(sorted(sources))}: run it again.")
    return dict(found)


def mean_sd(values: list[float], digits: int = 3) -> str:
    """`0.812 ± 0.004`, or the value alone when there is one."""
    text = f"{statistics.mean(values):.{digits}f}"
    return text if len(values) < 2 else f"{text} ± {statistics.stdev(values):.{digits}f}"


def percent(values: Iterable[float | None]) -> str:
    """Mean share in percent."""
    known = [value for value in values if value is not None]
    return f"{100 * statistics.mean(known):.0f} %" if known else "–"


def chosen(runs: list[Run], dataset: str, variant: str) -> dict[int, Run]:
    """Runs of one row by seed."""
    return {run["seed"]: run for run in runs if run["dataset"] == dataset and run["variant"] == variant}


def names(runs: list[Run], key: str, order: Iterable[str] = ()) -> list[str]:
    """Distinct values, those of `order` first."""
    there = dict.fromkeys(run[key] for run in runs)
    return [name for name in order if name in there] + [name for name in there if name not in tuple(order)]


def class_mean(run: Run, key: str) -> float | None:
    """Mean over classes of a pseudo-mask's coverage or agreement."""
    if run["pseudo_mask"] is None:
        return None
    known = [value for value in run["pseudo_mask"][f"{key}_by_class"].values() if value is not None]
    return statistics.mean(known)


def main_table(runs: list[Run]) -> list[str]:
    """One row per data set and method."""
    lines = [
        "| data set | method | clicks per image | mIoU | % of full | agreement | coverage | CPU-s per step |",
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
                percent(class_mean(run, "agreement") for run in group.values()),
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


def claims(runs: list[Run]) -> list[str]:
    """What was to be reached, and what was."""
    datasets = [name for name in HEADLINE if chosen(runs, name, OURS) and chosen(runs, name, "full")]
    peers = [name for name in names(runs, "variant", METHODS) if name not in (OURS, "full")]
    ratios = {}
    for dataset in datasets:
        full = chosen(runs, dataset, "full")
        ratios[dataset] = statistics.mean(
            run["miou"] / full[seed]["miou"] for seed, run in chosen(runs, dataset, OURS).items() if seed in full
        )
    lines = ["| figure | to reach | reached |", "|---|---|---|"]
    by_set = ", ".join(f"{dataset} {ratio:.2f}" for dataset, ratio in ratios.items())
    lines.append(f"| `{OURS}` / `full` | ≥ 0.90 | **{statistics.mean(ratios.values()):.2f}** ({by_set}) |")
    for peer in peers:
        wanted = "≥ +5 on each" if peer == "points" else "≥ +2.0, interval above 0"
        each = ", ".join(f"{name} {statistics.mean(differences(runs, peer, [name])):+.1f}" for name in datasets)
        lines.append(
            f"| `{OURS}` − `{peer}`, points of mIoU, paired over set × seed | {wanted} | "
            f"**{interval(differences(runs, peer, datasets))}**; {each} |"
        )
    ours = [run for dataset in datasets for run in chosen(runs, dataset, OURS).values()]
    for key, wanted in (("agreement", "≥ 0.85"), ("coverage", "≥ 0.6, each class ≥ 0.3")):
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
        lines.append(f"| pseudo-mask at the end, mean {key} over classes | {wanted} | {text} |")
    cost = [
        run["cpu_seconds_per_step"] / chosen(runs, run["dataset"], "points")[run["seed"]]["cpu_seconds_per_step"]
        for run in ours
        if run["seed"] in chosen(runs, run["dataset"], "points")
    ]
    lines.append(f"| a step's CPU time against `points` | ≤ 1.5 × | {mean_sd(cost, 2)} × |")
    return lines


def in_short(runs: list[Run]) -> str:
    """The claims in a sentence, for readers in a hurry."""
    parts = []
    for dataset in HEADLINE:
        full = chosen(runs, dataset, "full")
        ours = chosen(runs, dataset, OURS)
        share = statistics.mean(100 * run["miou"] / full[seed]["miou"] for seed, run in ours.items() if seed in full)
        lead = statistics.mean(differences(runs, "points", [dataset]))
        parts.append(f"{share:.0f} % of `full` and {lead:+.1f} points against `points` on {dataset}")
    return (
        f"So `{OURS}` reaches {', '.join(parts)}: from scratch, one to two minutes on one core. That is less than "
        "this project wants; [every claim with what was reached](docs/results.md), [why, and what was tried]"
        "(docs/experiments.md)."
    )


def protocol_line(runs: list[Run]) -> str:
    """What must stand beside the numbers."""
    first = runs[0]
    protocol, machine = first["protocol"], first["machine"]
    sizes = sorted({run["protocol"]["size"] or "native" for run in runs})
    steps = sorted({run["protocol"]["steps"] for run in runs})
    sources = sorted({run["protocol"]["points_source"].split(", seed")[0] for run in runs})
    seeds = sorted({run["seed"] for run in runs})
    return (
        f"Protocol `{protocol['name']}`: clicks {'; '.join(sources)}; background policy "
        f"{', '.join(sorted({run['protocol']['background'] for run in runs}))}; {protocol['network']} with "
        f"{protocol['normalization']} normalisation, {protocol['initialisation']} initialisation; images fitted into "
        f"{', '.join(sizes)}; {'–'.join(map(str, dict.fromkeys((steps[0], steps[-1]))))} steps of "
        f"{protocol['batch_size']}, AdamW at {protocol['lr']:g}; seeds {', '.join(map(str, seeds))}; last checkpoint, "
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
    for method in names([run for run in runs if run["dataset"] == "voc2012"], "variant", METHODS):
        values = [
            statistics.mean(run["per_class"][name] or 0.0 for name in VOC_HEADLINE)
            for run in chosen(runs, "voc2012", method).values()
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


ABSENT_SECONDS, FIRST_SECONDS, FURTHER_SECONDS, MASK_SECONDS = 1.0, 2.4, 0.9, 239.7
"""Seconds of a person's time on an image: to see that a class is absent, for the first click on a class that is there,
for each further click, and for a full mask of a VOC image (Bearman et al., What's the Point, ECCV 2016, section 4)."""


def plot(path: Path, title: str, x_label: str, lines: dict[str, list[tuple[float, float]]], log: bool = False) -> None:
    """mIoU against something, as SVG."""
    figure = Figure(figsize=(6.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for (name, points), color in zip(lines.items(), ("#0072b2", "#d55e00", "#009e73", "#cc79a7"), strict=False):
        xs, ys = zip(*sorted(points), strict=True)
        axes.plot(xs, ys, marker="o", color=color, label=name)
    if log:
        axes.set_xscale("log")
    axes.set(title=title, xlabel=x_label, ylabel="mIoU")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
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


def sloppy_study(runs: list[Run], main_runs: list[Run]) -> list[str]:
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


def filters_study() -> list[str]:
    """Quality of pseudo-masks of one fixed network; nothing when that was not measured."""
    path = HERE / "results" / "filters.json"
    if not path.is_file():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    sets = found["sets"]
    lines = ["## Settings of the engine, with one fixed network", ""]
    lines += ["| | " + " | ".join(sets) + " |", "|---|" + "---:|" * len(sets)]
    for name in next(iter(sets.values())):
        rows = [sets[dataset][name] for dataset in sets]
        cells = [f"{row['miou']:.3f} · {100 * row['agreement']:.0f} / {100 * row['coverage']:.0f}" for row in rows]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [
        *lines,
        "",
        "mIoU of the labels everywhere · agreement / coverage in percent where a class has 0.7 of the evidence, on "
        f"{found['images']} training images, for a network that learnt {found['steps']} steps from clicks alone; one "
        f"seed; `python benchmarks/accuracy/filters.py`, source {found['source']}.",
        "",
    ]


def section(title: str, results: dict[str, list[Run]], name: str, body: Callable[[list[Run]], list[str]]) -> list[str]:
    """A part of the page, or nothing when its runs are not there."""
    if name not in results:
        return []
    return [f"## {title}", "", *body(results[name]), "", protocol_line(results[name]), ""]


def main() -> None:
    """Write both files."""
    results = read_results()
    small = results.get("cpu-small", [])
    page = [
        "# Results",
        "",
        "Made by `make docs` from the JSON files in `benchmarks/accuracy/results/`, which",
        "`python benchmarks/accuracy/run.py benchmarks/accuracy/protocols/NAME.yaml` writes. Values are mean ± sd over",
        "seeds. Pseudo-masks are those of the last step, on whole training images; agreement and coverage are means",
        "over classes. What was tried, and what the figures mean: [experiments](experiments.md).",
        "",
    ]
    page += section(
        "The comparison",
        results,
        "cpu-small",
        lambda runs: [*main_table(runs), *voc_line(runs), "", "### What was to be reached", "", *claims(runs)],
    )
    page += section(
        "Ablation: parts of `single-stage` left out or replaced",
        results,
        "ablation",
        lambda runs: variants_table(runs, "complete"),
    )
    page += section(
        "Twice the steps",
        results,
        "longer",
        lambda runs: variants_table(
            [*({**run, "variant": f"{run['variant']}, 2 ×"} for run in runs), *same_seeds(small, runs)]
        ),
    )
    page += filters_study()
    page += section("How many clicks", results, "clicks", lambda runs: clicks_study(runs, small))
    page += section("Sloppy clicks", results, "sloppy", lambda runs: sloppy_study(runs, small))
    for name, title in (
        ("screening", "Screening of loss weights"),
        ("levers-camvid", "Screening of levers on CamVid"),
        ("levers-small", "Screening of levers on the other sets"),
    ):
        page += section(f"{title}, on images held out of the training split", results, name, variants_table)
    if (IMAGES / "evolution.png").is_file():
        page += [
            "## How pseudo-masks evolve",
            "",
            "![Pseudo-masks and predictions over one training](images/evolution.png)",
        ]
        page += [
            "",
            "The embedded data set under `cpu-small`; pale pixels are not kept. `benchmarks/accuracy/evolution.py`.",
            "",
        ]
    if counted := counts(small):
        page += ["## Counting", "", "8-connected components of at least 50 px, as users of CRAID count berries.", ""]
        page += [*counted, ""]
    if small:
        page += ["## IoU by class", *per_class(small), ""]
    (ROOT / "docs" / "results.md").write_text("\n".join(page), encoding="utf-8")

    short = [*main_table(small), "", in_short(small), "", protocol_line(small), ""] if small else []
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(before + BEGIN + "\n" + "\n".join(short) + END + after, encoding="utf-8")


def same_seeds(runs: list[Run], like: list[Run]) -> list[Run]:
    """Those runs that share data set, method and seed with others."""
    wanted = {(run["dataset"], run["variant"], run["seed"]) for run in like}
    return [run for run in runs if (run["dataset"], run["variant"], run["seed"]) in wanted]


if __name__ == "__main__":
    main()
