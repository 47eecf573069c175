"""Build docs/results.md with its plots, and the README's results, from the JSON files of the runs.

python benchmarks/accuracy/tables.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from comparison import claims, counts, in_short, main_table, per_class, protocol_line, step_times, voc_line
from runs import OURS, Run, read_results, same_seeds
from studies import IMAGES, clicks_study, fixed_network_study, noisy_clicks_study, variants_table

ROOT = Path(__file__).parent.parent.parent
COLUMNS = (
    "*% of full*: mIoU divided by that of `full` with the same seed. *precision*: share of pseudo-labels that are "
    "right; *coverage*: share of a class's real pixels that have any pseudo-label; both at the last step, on "
    "whole training images, means over classes. *CPU-s per step*: processor time of a run divided by its steps."
)
ABLATION = (
    "`no-…`: without that part. `euclidean`: in place of the geodesic distance. `gaussian`: an expanding Gaussian in "
    "place of inverse-distance weighting."
)
CEILINGS = (
    "`uniform-points`: `points`, with as many points, uniform over all labelled pixels. The oracles are "
    "`single-stage`: `oracle-prior-and-distances` has the true class prior, and how far each class reaches from its "
    "clicks; `oracle-corrected` gives each wrong pseudo-label its true class."
)
EARLIER = (
    "Made with an earlier recipe: no click head, prior correction 1, weight 3, confidence threshold 0.5, rate 0.003; a "
    "name says what was changed. `threshold-0.7` has a prior correction of 0.5 on CamVid, 0.6 on the other sets."
)
SCALE = "A name ends with the side of the box that images are fitted into; windows of 128×128 at every scale."
BEGIN, END = "<!-- results: begin (made by benchmarks/accuracy/tables.py) -->", "<!-- results: end -->"


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
        "Made by `make docs` from the JSON files in `benchmarks/accuracy/results/`; the data, and how to make them",
        "again: [the benchmark](../benchmarks/accuracy/README.md). What was tried, and what the figures mean:",
        "[experiments](experiments.md). Values are mean ± sd over seeds; differences are points of mIoU (hundredths).",
        f'{COLUMNS} Set-up and the judging of pseudo-labels are part of it; "What a step costs" gives a step alone.',
        "",
    ]
    page += section(
        "The comparison",
        results,
        "cpu-small",
        lambda runs: [
            *main_table(runs),
            *voc_line(runs),
            "",
            "### What was to be reached",
            "",
            *claims(runs, results.get("step-time", [])),
        ],
    )
    page += section("What a step costs", results, "step-time", step_times)
    page += section(
        "Ablation: parts of `single-stage` left out or replaced",
        results,
        "ablation",
        lambda runs: [*variants_table([*same_seeds(small, runs, (OURS,)), *runs], OURS), "", ABLATION],
    )
    page += section(
        "Twice the steps",
        results,
        "longer",
        lambda runs: variants_table(
            [
                *({**run, "variant": f"{run['variant']}, 2 ×"} for run in runs),
                *same_seeds(small, runs, {run["variant"] for run in runs}),
            ]
        ),
    )
    page += section(
        "The comparison on images held out of the training split",
        results,
        "held-out",
        lambda runs: [*variants_table(runs, OURS), "", ABLATION],
    )
    page += section(
        "What clicks do not say, given by an oracle",
        results,
        "ceilings",
        lambda runs: [*variants_table([*same_seeds(small, runs, (OURS, "full")), *runs], OURS), "", CEILINGS],
    )
    page += section("The learning rate, on images held out of the training split", results, "rates", variants_table)
    page += fixed_network_study()
    page += section("How many clicks", results, "clicks", lambda runs: clicks_study(runs, small))
    page += section("Noisy clicks", results, "noisy-clicks", lambda runs: noisy_clicks_study(runs, small))
    for name, title, words in (
        ("scale", "The scale at which images are learnt", SCALE),
        ("scale-longer", "The same with four times the steps", SCALE),
        (
            "balanced-windows",
            "Windows drawn by class and click",
            "A name ends with the share of such windows, in percent.",
        ),
        ("screening", "Four trials of every loss weight", "A name ends with the weight."),
        ("settings-camvid", "Settings tried on CamVid", EARLIER),
        ("settings-others", "Settings tried on the other sets", EARLIER),
    ):
        page += section(
            f"{title}, on images held out of the training split",
            results,
            name,
            lambda runs, words=words: [*variants_table(runs), "", words],  # type: ignore[misc]
        )
    if (IMAGES / "evolution.png").is_file():
        page += [
            "## How pseudo-masks evolve",
            "",
            "![Pseudo-masks and predictions over one training](images/evolution.png)",
        ]
        page += [
            "",
            "The embedded data set; pale pixels are not kept. `benchmarks/accuracy/evolution.py`.",
            "",
        ]
    if counted := counts(small):
        page += ["## Counting", "", "8-connected components of at least 50 px, as users of CRAID count berries.", ""]
        page += [*counted, ""]
    if small:
        page += ["## IoU by class", *per_class(small), ""]
    (ROOT / "docs" / "results.md").write_text("\n".join(page), encoding="utf-8")

    short = [*main_table(small), "", COLUMNS, "", in_short(small), "", protocol_line(small), ""] if small else []
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(before + BEGIN + "\n" + "\n".join(short) + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
