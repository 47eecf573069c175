"""Build docs/results.md with its plots, docs/results-thumbnails.md, and tables in README and docs/how-many-clicks.md.

From the runs' JSON files:

python benchmarks/accuracy/tables.py
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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
    step_cost_table,
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
    "last step, on whole training images, clicked pixels included, means over classes (of precision: those that have "
    "labels; on cityscapes_256 over the 7 groups). †: predicts one class nearly everywhere."
)
SHORT = (
    "mIoU on images that were not learnt from: mean ± sd over seeds, one seed where there is no ±. *best "
    "baseline*: of the other methods that learn from the same clicks, `points` apart, the one that comes nearest on "
    "the seeds that both have; in brackets the points (hundredths) by which `single-stage` leads on these. "
    "dubai_aerial is judged by 18 images of two places: it alone tells no methods apart. All methods, protocol, "
    "precision, cost and intervals: [docs/results.md](docs/results.md); "
    "what was aimed at, and what of it is reached so far: [what must hold](docs/results.md#what-must-hold)."
)
INTERVALS = (
    "Points (hundredths) of mIoU, paired by data set and seed, with 95 % intervals. *mean*: over the sets that the "
    "other method has runs of, seeds averaged first. *over sets*: Student's t over them. *over images*, and behind "
    "each set: bootstrap, 2,000 times the images of each set drawn anew, the same for both methods and all seeds. It "
    "takes images for independent of each other, which those of one drive, tile or block are not, and knows nothing of "
    "other seeds: it is too narrow. The 18 images of Dubai are of two tiles: that set alone tells no methods apart. †: "
    "the other method predicts one class nearly everywhere there."
)
BEST = (
    "The best baseline of a set: of the methods that learn from the same clicks, `points` included, the one that "
    "`single-stage` leads by least on the seeds that both have. Intervals are those of 95 % over the sets, seeds "
    "averaged first, where nothing else is said; what holds is said of the mean. *Surely behind*: the narrower of the "
    "intervals over seeds and over images lies below −1."
)
STEP = (
    "Processor time of a step of trainings that took turns on one machine, reading and augmenting the images included, "
    "the first pass over the images left out. More classes make a step of `single-stage` dearer. "
    "`python benchmarks/accuracy/step_cost.py`, source {source}."
)
STEPS = (
    "On training images held out, `val` unopened. A set is learnt for as many steps as `full` needs until twice as "
    "many gain it less than 2 points."
)


def section(title: str, study: Study, body: Callable[[Study], list[str]]) -> list[str]:
    """A part of the page: how many runs are there, and what they say."""
    lines = [f"## {title}", "", study.status, ""]
    return [*lines, *body(study), "", protocol_line(study.runs), ""] if study.runs else lines


def page(
    studies: dict[str, Study],
    found: list[Claim],
    external: Sequence[Run] = (),
    answered: Sequence[Run] = (),
    costs: dict[str, Any] | None = None,
) -> list[str]:
    """docs/results.md, line by line."""
    main = studies["own-scale"]
    lines = [HEAD, ""]
    lines += section("The comparison", main, lambda _: [*main_table(main.runs), *other_classes(main.runs), "", COLUMNS])
    lines += ["## What must hold", "", *claims_table(found), ""]
    lines += [BEST, ""]
    if main.runs:
        lines += [f"## `{OURS}` minus each other", "", *differences_table(main.runs, main.datasets), "", INTERVALS, ""]
    if external:
        lines += ["## Other people's programs", "", *external_table(main.runs, list(external)), ""]
        lines += ["On the same clicks: [benchmarks/external](../benchmarks/external/README.md).", ""]
    if costs:
        lines += ["## What a step costs", "", *step_cost_table(costs), "", STEP.format(source=costs["source"]), ""]
    how_it_learns, what_is_labelled = kinds(main.runs)
    lines += sections(studies, how_it_learns)
    lines += fixed_network_study("fixed-network-own-scale")
    lines += sections(studies, what_is_labelled)
    lines += [*strategies_study(), *where_next_study()]
    lines += answered_clicks_study(list(answered)) if answered else []
    if (IMAGES / "evolution.png").is_file():
        lines += ["## How pseudo-masks evolve", ""]
        lines += ["![Pseudo-masks and predictions over one training](images/evolution.png)", ""]
        lines += ["The embedded data set; pale pixels are not kept. `benchmarks/accuracy/evolution.py`.", ""]
    return [*lines, "## IoU by class", *per_class(main.runs), ""] if main.runs else lines


Kinds = dict[str, tuple[str, Callable[[Study], list[str]]]]
"""By name of a study, its title and what is said of it."""


def kinds(main: list[Run]) -> tuple[Kinds, Kinds]:
    """The studies of how is learnt, and those of what is labelled, in their order on the page."""

    def against(*variants: str) -> Callable[[Study], list[str]]:
        return lambda study: variants_table([*same_seeds(main, study.runs, variants), *study.runs], OURS)

    how_it_learns: Kinds = {
        "own-scale-beside": (
            "Beside the comparison",
            lambda study: [*main_table(study.runs), *other_classes(study.runs), *counting(study.runs)],
        ),
        "own-scale-steps": ("Twice the steps", lambda study: [*steps_study(study.runs), "", STEPS]),
        "own-scale-ablation": (f"Ablation: parts of `{OURS}` left out", against(OURS)),
        "own-scale-held-out": ("The recipe on training images held out", against()),
        "own-scale-screening": (
            "Weights of the baselines, on training images held out",
            lambda study: variants_table(study.runs),
        ),
        "own-scale-ceilings": (
            "What clicks do not say, given by an oracle",
            lambda study: [*against(OURS, "points", "full")(study), "", thumbnails.CEILINGS],
        ),
    }
    what_is_labelled: Kinds = {
        "own-scale-clicks": ("How many clicks", lambda study: clicks_study(study.runs, main)),
        "own-scale-images": ("How many images", lambda study: guide.images_table(main, study.runs)),
        "own-scale-questions": (
            "Questions, and questions beside clicks",
            lambda study: questions_study(study, main),
        ),
        "own-scale-noisy": ("Noisy clicks", lambda study: noisy_clicks_study(study.runs, main)),
    }
    return how_it_learns, what_is_labelled


def sections(studies: dict[str, Study], wanted: Kinds) -> list[str]:
    """Those of some studies that there are."""
    parts = [section(title, studies[name], body) for name, (title, body) in wanted.items() if name in studies]
    return [line for part in parts for line in part]


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
    text = "\n".join(page(studies, found, external, results.get("answered-clicks", []), costs))
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
