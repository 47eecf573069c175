"""What must hold, and whether it does."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from comparison import class_mean, shares_of_full
from paired import Difference, bracketed, difference, student
from runs import METHODS, OURS, Run, Study, chosen, names
from studies import NOISY, cheapest, losses


@dataclass(frozen=True)
class Claim:
    """A figure that something is wanted of.

    Args:
        figure: What it is.
        wanted: What it has to be.
        reached: What it is.
        by_set: The same by data set.
        held: Whether it is what it has to be; None while runs are missing.
    """

    figure: str
    wanted: str
    reached: str = "–"
    by_set: str = ""
    held: bool | None = None


def listed(values: dict[str, float], form: str = ".2f") -> str:
    """Values by data set."""
    return ", ".join(f"{dataset} {value:{form}}" for dataset, value in values.items())


def nearest(main: Study, runs: list[Run]) -> dict[str, str]:
    """By data set, of the methods that learn from the same clicks, the one that `single-stage` leads by least."""
    found: dict[str, tuple[float, str]] = {}
    for dataset in main.datasets:
        for method in names(runs, "variant", METHODS):
            if method not in (OURS, "full") and (lead := difference(runs, {dataset: method})):
                found[dataset] = min(found.get(dataset, (lead.mean, method)), (lead.mean, method))
    return {dataset: method for dataset, (_, method) in found.items()}


def claims(
    main: Study, noisy: Study, clicks: Study, costs: dict[str, Any], external: Iterable[Run] = ()
) -> list[Claim]:
    """All, whether they were measured or not.

    Args:
        main: The comparison.
        noisy: With noisy clicks.
        clicks: With other clicks.
        costs: What `step_cost.py` wrote; empty where it has not.
        external: Runs of other people's programs on the same clicks.
    """
    return [
        share_of_full(main),
        ahead_of_the_best(main, [*main.runs, *external]),
        behind_none(main, [*main.runs, *external]),
        ahead_of_points(main),
        pseudo_labels(main, "precision", 0.8),
        pseudo_labels(main, "coverage", 0.6),
        least_coverage(main),
        step_cost(costs),
        noise(main, noisy),
        label_cost(main, clicks),
    ]


def share_of_full(main: Study) -> Claim:
    """How near to masks."""
    claim = Claim(f"`{OURS}` / `full`", "≥ 0.90, none below 0.82")
    shares = {dataset: shares_of_full(main.runs, dataset, OURS) for dataset in main.datasets}
    means = {dataset: statistics.mean(each) for dataset, each in shares.items() if each}
    if not means:
        return claim
    mean = statistics.mean(means.values())
    held = None if main.missing((OURS, "full")) else mean >= 0.9 and min(means.values()) >= 0.82
    return replace(
        claim, reached=f"{mean:.3f} {bracketed(student(list(means.values())), '.3f')}", by_set=listed(means), held=held
    )


def with_lead(
    claim: Claim, main: Study, runs: list[Run], others: dict[str, str]
) -> tuple[Claim, Difference | None, dict[str, float]]:
    """A claim with the difference to another method on each data set, that difference, and its mean by data set."""
    lead = difference(runs, others)
    each = {dataset: difference(runs, {dataset: other}) for dataset, other in others.items()}
    by_set = {dataset: found.mean for dataset, found in each.items() if found}
    if lead is None:
        return claim, None, {}
    text = f"{lead.mean:+.1f} {bracketed(lead.over_sets)}, over images {bracketed(lead.over_images)}"
    reached = f"{text}; {lead.pairs} of {len(main.datasets) * len(main.benchmark['seeds'])} pairs"
    return replace(claim, reached=reached, by_set=listed(by_set, "+.1f")), lead, by_set


def ahead_of_the_best(main: Study, runs: list[Run]) -> Claim:
    """The lead over the best baseline of each data set."""
    claim = Claim(f"`{OURS}` − best baseline of each set, points of mIoU", "≥ +2.0, interval above 0")
    best = nearest(main, runs)
    claim, lead, by_set = with_lead(claim, main, runs, best)
    claim = replace(claim, by_set=", ".join(f"{name} {value:+.1f} (`{best[name]}`)" for name, value in by_set.items()))
    if lead is None or main.missing():
        return claim
    return replace(claim, held=lead.mean >= 2 and lead.over_sets is not None and lead.over_sets[0] > 0)


def behind_none(main: Study, runs: list[Run]) -> Claim:
    """The worst difference to a baseline, other people's programs included, on each data set."""
    claim = Claim(f"`{OURS}` − each baseline, on each set", "on no set surely more than 1 point behind")
    found = [
        (each, dataset, method)
        for method in names(runs, "variant", METHODS)
        for dataset in main.datasets
        if method not in (OURS, "full") and (each := difference(runs, {dataset: method}))
    ]
    if not found:
        return claim
    worst: dict[str, str] = {}
    for each, dataset, method in sorted(found, key=lambda one: one[0].mean):
        worst.setdefault(dataset, f"{dataset} {each.mean:+.1f} {bracketed(each.narrower)} (`{method}`)")
    below = sum((each.narrower or (each.mean,))[-1] < -1 for each, _, _ in found)
    return replace(
        claim,
        reached=f"{below} of {len(found)}",
        by_set="worst: " + ", ".join(worst[dataset] for dataset in main.datasets if dataset in worst),
        held=None if main.missing() else not below,
    )


def ahead_of_points(main: Study) -> Claim:
    """The lead over the lower bound."""
    claim = Claim(f"`{OURS}` − `points`, points of mIoU", "≥ +5, above 0 on each set")
    claim, lead, by_set = with_lead(claim, main, main.runs, dict.fromkeys(main.datasets, "points"))
    if lead is None or main.missing((OURS, "points")):
        return claim
    return replace(claim, held=lead.mean >= 5 and min(by_set.values()) > 0)


def pseudo_labels(main: Study, key: str, wanted: float) -> Claim:
    """Precision or coverage of the pseudo-labels, mean over classes, seeds and sets."""
    claim = Claim(f"{key} of the pseudo-labels at the end, mean over classes", f"≥ {wanted:.1f}")
    values = {}
    for dataset in main.datasets:
        if runs := chosen(main.runs, dataset, OURS).values():
            values[dataset] = statistics.mean(class_mean(run, key) or 0.0 for run in runs)
    if not values:
        return claim
    mean = statistics.mean(values.values())
    held = None if main.missing((OURS,)) else mean >= wanted
    digits = 3 if (round(mean, 3) >= wanted) == (mean >= wanted) else 4  # 0.7999 shall not read as 0.800
    return replace(claim, reached=f"{mean:.{digits}f}", by_set=listed(values), held=held)


def least_coverage(main: Study) -> Claim:
    """The class with the least coverage, mean over seeds."""
    claim = Claim("coverage of each class by the pseudo-labels at the end", "≥ 0.3")
    least: dict[str, tuple[float, str]] = {}
    for dataset in main.datasets:
        by_class: dict[str, list[float]] = defaultdict(list)
        for run in chosen(main.runs, dataset, OURS).values():
            for name, value in run["pseudo_mask"]["coverage_by_class"].items():
                by_class[name] += [] if value is None else [value]
        if means := [(statistics.mean(values), name) for name, values in by_class.items() if values]:
            least[dataset] = min(means)
    if not least:
        return claim
    (value, name), worst = min((each, dataset) for dataset, each in least.items())
    return replace(
        claim,
        reached=f"least {value:.2f} ({name}, {worst})",
        by_set=", ".join(f"{dataset} {value:.2f} ({name})" for dataset, (value, name) in least.items()),
        held=None if main.missing((OURS,)) else value >= 0.3,
    )


def step_cost(costs: dict[str, Any]) -> Claim:
    """Processor time of a step, by number of images, of trainings that took turns."""
    claim = Claim("CPU time of a step against `points`", "≤ 1.5 ×, with 300 images and with 1,400")
    if not costs:
        return claim
    ratios = {name: one["methods"][OURS]["against_points"] for name, one in costs["datasets"].items()}
    return replace(
        claim,
        reached=f"at most {max(ratios.values()):.2f} ×",
        by_set=", ".join(
            f"{name} ({costs['datasets'][name]['images']:,} images) {ratio:.2f}" for name, ratio in ratios.items()
        ),
        held=max(ratios.values()) <= 1.5 if len(ratios) == len(costs["passes"]) else None,
    )


def noise(main: Study, noisy: Study) -> Claim:
    """Whether noisy clicks cost more than they cost `points`."""
    claim = Claim("points of mIoU lost by noisy clicks, minus those that `points` loses", "≤ 0 in each case")
    found = losses(main.runs, noisy.runs)
    more = {case: each[OURS] - each["points"] for case, each in found.items() if len(each) == 2}
    if not more:
        return claim
    worst: dict[str, str] = {}
    for (kind, dataset), value in sorted(more.items(), key=lambda item: -item[1]):
        worst.setdefault(dataset, f"{dataset} {value:+.1f} ({NOISY[kind]})")
    fine = sum(value <= 0 for value in more.values())
    return replace(
        claim,
        reached=f"{fine} of {len(more)} cases",
        by_set="worst: " + ", ".join(worst.values()),
        held=None if noisy.missing() or main.missing((OURS, "points")) else fine == len(more),
    )


def label_cost(main: Study, clicks: Study) -> Claim:
    """Seconds of labelling for 0.9 of `full`, as share of those for masks."""
    claim = Claim("seconds of labelling for 0.9 of `full`, as share of those for masks", "≤ 0.2")
    found = cheapest(main.runs, clicks.runs)
    if not found:
        return claim
    known = [share for share in found.values() if share is not None]
    done = not clicks.missing() and not main.missing((OURS, "full"))
    return replace(
        claim,
        reached=f"at most {max(known):.2f}" if len(known) == len(found) else f"on {len(known)} of {len(found)} sets",
        by_set=", ".join(f"{name} {'never' if share is None else f'{share:.2f}'}" for name, share in found.items()),
        held=len(known) == len(found) and max(known) <= 0.2 if done else None,
    )


VERDICTS = {True: "yes", False: "**no**", None: "runs are missing"}


def claims_table(found: Iterable[Claim]) -> list[str]:
    """A row for each."""
    lines = ["| figure | to reach | reached | holds | by set |", "|---|---|---|---|---|"]
    for claim in found:
        lines.append(
            f"| {claim.figure} | {claim.wanted} | **{claim.reached}** | {VERDICTS[claim.held]} | {claim.by_set} |"
        )
    return lines


def not_reached(found: list[Claim]) -> str:
    """What does not hold, in a sentence."""
    missed = [f"{claim.figure}: {claim.reached} (to reach: {claim.wanted})" for claim in found if claim.held is False]
    still = sum(claim.held is None for claim in found)
    text = f"**Not reached:** {'; '.join(missed)}." if missed else "Nothing that has all its runs was missed."
    return f"{text} Open, because runs are missing: {still} of {len(found)} figures." if still else text
