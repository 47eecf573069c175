"""docs/results-thumbnails.md: the benchmark that was used before, and why it no longer is."""

from __future__ import annotations

from collections.abc import Callable

from comparison import (
    counts,
    differences_table,
    main_table,
    other_classes,
    per_class,
    protocol_line,
    step_times,
)
from runs import OURS, Run, same_seeds
from studies import clicks_study, fixed_network_study, noisy_clicks_study, variants_table

DATASETS = ("camvid", "dubai_aerial", "soybean")
"""The data sets of its claims."""

HEAD = """# Results of the thumbnails benchmark (retired)

The benchmark of version 0.1, with the recipe of then. It cannot tell methods apart. Another one, on images at their own
scale, takes its place: [results](results.md). What was wrong with it:

- Images of 160 pixels, 30 to 367 of them, 600 to 2,400 steps: `full` itself is crippled. With masks, the Dubai aerials
  reach 0.441 at 160 pixels and 0.589 at 480, on the same held-out images.
- One run on the Dubai aerials moves by 3 points from the last bit of a sum: more than what separates most methods.
- CamVid's `val` is one clip of some seconds; on images held out of all its drives the order of methods is another.
- The recipe's lengths were tuned to that scale.
- Every object of at least 50 pixels was clicked, 74 an image on the Dubai aerials, most of them slivers that nobody
  would click; a background, once for each of its pieces, which teaches almost nothing of it.

Its benchmark files are in `benchmarks/accuracy/protocols/thumbnails/`, its runs in folders of the same names in
`benchmarks/accuracy/results/`. Values are mean ± sd over seeds; differences are points of mIoU (hundredths)."""
ABLATION = (
    "`no-…`: without that part. `euclidean`: in place of the geodesic distance. `gaussian`: an expanding Gaussian in "
    "place of inverse-distance weighting."
)
CEILINGS = (
    "`uniform-points`: `points`, with as many points, uniform over all labelled pixels. The oracles are "
    "`single-stage`: `oracle-prior-and-distances` has the true class prior, and how far each class reaches from its "
    "clicks; `oracle-corrected` gives each wrong pseudo-label its true class."
)
SCALE = "A name ends with the side of the box that images are fitted into; windows of 128×128 at every scale."
WINDOWS = "A name ends with the share of such windows, in percent."
HELD_OUT = "on images held out of the training split"


def page(results: dict[str, list[Run]]) -> list[str]:
    """The page, line by line."""
    small = results["cpu-small"]

    def twice(runs: list[Run]) -> list[str]:
        doubled = [{**run, "variant": f"{run['variant']}, 2 ×"} for run in runs]
        return variants_table([*doubled, *same_seeds(small, runs, {run["variant"] for run in runs})])

    def with_words(words: str) -> Callable[[list[Run]], list[str]]:
        return lambda runs: [*variants_table(runs), "", words]

    def beside(variants: tuple[str, ...], words: str) -> Callable[[list[Run]], list[str]]:
        return lambda runs: [*variants_table([*same_seeds(small, runs, variants), *runs], OURS), "", words]

    sections: list[tuple[str, str, Callable[[list[Run]], list[str]]]] = [
        ("The comparison", "cpu-small", lambda runs: [*main_table(runs), *other_classes(runs)]),
        ("`single-stage` minus each other", "cpu-small", lambda runs: differences_table(runs, list(DATASETS))),
        ("What a step costs", "step-time", step_times),
        ("Ablation: parts of `single-stage` left out or replaced", "ablation", beside((OURS,), ABLATION)),
        ("Twice the steps", "longer", twice),
        (
            f"The comparison {HELD_OUT}",
            "held-out",
            lambda runs: [*variants_table(runs, OURS), "", ABLATION],
        ),
        ("What clicks do not say, given by an oracle", "ceilings", beside((OURS, "full"), CEILINGS)),
        ("How many clicks", "clicks", lambda runs: clicks_study(runs, small)),
        ("Noisy clicks", "noisy-clicks", lambda runs: noisy_clicks_study(runs, small)),
        (f"The scale at which images are learnt, {HELD_OUT}", "scale", with_words(SCALE)),
        (f"The same with four times the steps, {HELD_OUT}", "scale-longer", with_words(SCALE)),
        (f"Windows drawn by class and click, {HELD_OUT}", "balanced-windows", with_words(WINDOWS)),
        (f"Four trials of every loss weight, {HELD_OUT}", "screening", with_words("A name ends with the weight.")),
    ]
    lines = [HEAD, ""]
    for title, name, body in sections:
        lines += [f"## {title}", "", *body(results[name]), "", protocol_line(results[name]), ""]
    lines += fixed_network_study()
    lines += ["## Counting", "", "8-connected components of at least 50 px.", "", *counts(small), ""]
    return [*lines, "## IoU by class", *per_class(small), ""]
