"""Build docs/results.md with its plots, docs/results-thumbnails.md, and tables in README and docs/how-many-clicks.md.

From the runs' JSON files:

python benchmarks/accuracy/tables.py
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import guide
import thumbnails
from asking import answered_clicks_study, questions_study, strategies_study, where_next_study
from claims import Claim, claims, claims_table, not_reached
from comparison import (
    counts,
    differences_table,
    external_table,
    main_table,
    other_classes,
    per_class,
    protocol_line,
    short_table,
    step_times,
)
from runs import EXTERNAL, OURS, Run, Study, read_results, read_studies, same_seeds
from studies import IMAGES, clicks_study, fixed_network_study, noisy_clicks_study, steps_study, variants_table

ROOT = Path(__file__).parent.parent.parent
COSTS = Path(__file__).parent / "results" / "step-cost.json"
HEAD = """# Results

Made by `make docs` from the JSON files in `benchmarks/accuracy/results/`; the data, and how to make them again:
[the benchmark](../benchmarks/accuracy/README.md). What was tried: [experiments](experiments.md). The benchmark of
version 0.1 is retired: [its results, and why](results-thumbnails.md)."""
COLUMNS = (
    "mIoU: mean ± sd over seeds. *% of full*: mIoU divided by that of `full` with the same seed. *precision*: share of "
    "pseudo-labels that are right; *coverage*: share of a class's real pixels that have any pseudo-label; both at the "
    "last step, on whole training images, means over classes. *CPU-s per step*: processor time of a run divided by its "
    "steps, set-up and the judging of pseudo-labels included; *in all* for a method without steps."
)
SHORT = (
    "mIoU on images that were not learnt from: mean ± sd over seeds, one seed where there is no ±. *best "
    "baseline*: of the other methods that learn from the same clicks, `points` apart, the one that comes nearest; in "
    "brackets the points by which `single-stage` leads on the seeds that both have. All methods, protocol, precision, "
    "cost and intervals: [docs/results.md](docs/results.md); "
    "what was aimed at, and what of it is reached so far: [what must hold](docs/results.md#what-must-hold)."
)
INTERVALS = (
    "Points (hundredths) of mIoU, paired by data set and seed, with 95 % intervals. *over sets × seeds*: Student's t "
    "over the pairs. *over images*, and behind each set: bootstrap, 2,000 times the images of each set drawn anew, the "
    "same for both methods and all seeds."
)
BEST = (
    "The best baseline: of the methods that learn from the same clicks, the one with the highest mean over the sets. "
    "Intervals are those of 95 % over sets × seeds, where nothing else is said."
)
STEP = (
    "Processor time of a step, mean over a run and over seeds, reading and augmenting the images included, the first "
    "pass over the images left out. Runs are made on machines of different pace; the figure of *what must hold* is "
    "of trainings that took turns on one (`benchmarks/accuracy/step_cost.py`)."
)
STEPS = (
    "On training images held out, `val` unopened. The lengths of the comparison are those from which on doubling gains "
    "`full` less than 2 points."
)


def section(title: str, study: Study, body: Callable[[list[Run]], list[str]]) -> list[str]:
    """A part of the page: how many runs are there, and what they say."""
    lines = [f"## {title}", "", study.status, ""]
    return [*lines, *body(study.runs), "", protocol_line(study.runs), ""] if study.runs else lines


def page(studies: dict[str, Study], found: list[Claim], external: list[Run], answered: Sequence[Run] = ()) -> list[str]:
    """docs/results.md, line by line."""
    main = studies["own-scale"]
    lines = [HEAD, ""]
    lines += section("The comparison", main, lambda runs: [*main_table(runs), *other_classes(runs), "", COLUMNS])
    lines += ["## What must hold", "", *claims_table(found), ""]
    lines += [BEST, ""]
    if main.runs:
        lines += [f"## `{OURS}` minus each other", "", *differences_table(main.runs, main.datasets), "", INTERVALS, ""]
    if external:
        lines += ["## Other people's programs", "", *external_table(main.runs, external), ""]
        lines += ["On the same clicks: [benchmarks/external](../benchmarks/external/README.md).", ""]
    lines += section("What a step costs", main, lambda runs: [*step_times(runs, "step_cpu_milliseconds"), "", STEP])
    lines += section(
        "Beside the comparison",
        studies["own-scale-beside"],
        lambda runs: [*main_table(runs), *other_classes(runs), *counting(runs)],
    )
    if "own-scale-steps" in studies:
        lines += section("Twice the steps", studies["own-scale-steps"], lambda runs: [*steps_study(runs), "", STEPS])
    lines += section(
        f"Ablation: parts of `{OURS}` left out",
        studies["own-scale-ablation"],
        lambda runs: variants_table([*same_seeds(main.runs, runs, (OURS,)), *runs], OURS),
    )
    if "own-scale-held-out" in studies:
        lines += section(
            "The recipe on training images held out",
            studies["own-scale-held-out"],
            lambda runs: variants_table(runs, OURS),
        )
    if "own-scale-ceilings" in studies:
        lines += section(
            "What clicks do not say, given by an oracle",
            studies["own-scale-ceilings"],
            lambda runs: [
                *variants_table([*same_seeds(main.runs, runs, (OURS, "points", "full")), *runs], OURS),
                "",
                thumbnails.CEILINGS,
            ],
        )
    lines += fixed_network_study("fixed-network-own-scale")
    lines += section("How many clicks", studies["own-scale-clicks"], lambda runs: clicks_study(runs, main.runs))
    if "own-scale-questions" in studies:
        lines += section(
            "Questions, and questions beside clicks",
            studies["own-scale-questions"],
            lambda _: questions_study(studies["own-scale-questions"], main.runs),
        )
    lines += [*strategies_study(), *where_next_study()]
    lines += answered_clicks_study(list(answered)) if answered else []
    lines += section("Noisy clicks", studies["own-scale-noisy"], lambda runs: noisy_clicks_study(runs, main.runs))
    if (IMAGES / "evolution.png").is_file():
        lines += ["## How pseudo-masks evolve", ""]
        lines += ["![Pseudo-masks and predictions over one training](images/evolution.png)", ""]
        lines += ["The embedded data set; pale pixels are not kept. `benchmarks/accuracy/evolution.py`.", ""]
    return [*lines, "## IoU by class", *per_class(main.runs), ""] if main.runs else lines


def counting(runs: list[Run]) -> list[str]:
    """Error of counts, where a set is about counting."""
    found = counts(runs)
    return ["", "Counting: 8-connected components of at least 50 px.", "", *found] if found else []


def readme(main: Study, found: list[Claim], small: list[Run]) -> list[str]:
    """What the README says: the comparison, or, until it has a first row on each set, the one before it."""
    there = {(run["dataset"], run["variant"]) for run in main.runs}
    if all((dataset, method) in there for dataset in main.datasets for method in (OURS, "points", "full")):
        status = [] if not main.missing() else [main.status, ""]
        return [*status, *short_table(main.runs), "", SHORT, "", not_reached(found)]
    return [
        "**Figures of a benchmark that is retired** ([why](docs/results-thumbnails.md)): images of 160 pixels, on "
        f"which methods cannot be told apart. Of the one that takes its place: {main.status}",
        "",
        *short_table(small),
        "",
        SHORT,
    ]


def main() -> None:
    """Write all of them."""
    results = read_results()
    studies = read_studies(results)
    external = read_results(EXTERNAL).get("own-scale", [])
    costs = json.loads(COSTS.read_text(encoding="utf-8")) if COSTS.is_file() else {}
    found = claims(studies["own-scale"], studies["own-scale-noisy"], studies["own-scale-clicks"], costs, external)
    text = "\n".join(page(studies, found, external, results.get("answered-clicks", [])))
    (ROOT / "docs" / "results.md").write_text(text, encoding="utf-8")
    (ROOT / "docs" / "results-thumbnails.md").write_text("\n".join(thumbnails.page(results)), encoding="utf-8")
    fill(ROOT / "README.md", "results", readme(studies["own-scale"], found, results["cpu-small"]))
    for name, lines in guide.tables(studies["own-scale"], studies["own-scale-images"]).items():
        fill(ROOT / "docs" / "how-many-clicks.md", name, lines)


def fill(file: Path, name: str, lines: list[str]) -> None:
    """Put lines between two marks of a page."""
    begin, end = f"<!-- {name}: begin (made by benchmarks/accuracy/tables.py) -->", f"<!-- {name}: end -->"
    before, rest = file.read_text(encoding="utf-8").split(begin)
    file.write_text("\n".join([before + begin, *lines, end]) + rest.split(end)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
