"""95 % intervals of estimates, their differences, and how many questions would halve them: docs/statistics.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from pointillist.inference.estimates import ACCURACY, IOU, SURE, Part, Sample, Spread, influences, parts, shares, spread
from pointillist.training.metrics import Floats, share

Interval = tuple[float, float]

MIOU = "miou"
NORMAL = float(stats.norm.ppf((1 + SURE) / 2))
TRUSTED = 2.0
"""A design effect that is known from so many cases counts as much as that of the weights alone."""


class Figure(NamedTuple):
    """An estimate.

    Args:
        value: NaN where no question says anything about it.
        interval: 95 %, for all pixels of the images that were drawn from; None where nothing can be said.
        beyond: The same for other images of the same kind, however many.
    """

    value: float
    interval: Interval | None
    beyond: Interval | None


def figures(sample: Sample) -> dict[str, Figure]:
    """All estimates of a sample by name, with `miou`, the mean of the IoU of the classes that some question met."""
    named = parts(sample)
    wanted = list(named.values())
    values = shares(sample, wanted)
    rows = spread(sample, *influences(sample, wanted))
    intervals = [_intervals(sample, wanted, values, rows, fraction) for fraction in (sample.fraction, 0.0)]
    found = {name: _figure(value, *both) for name, value, *both in zip(named, values.tolist(), *intervals, strict=True)}
    return {MIOU: _mean([name.startswith(IOU) for name in named], values, intervals, rows), **found}


def _figure(value: float, these: Interval | None, others: Interval | None) -> Figure:
    """An estimate; of other images nobody knows more than of these, whatever the chance in both variances says."""
    if these is not None and others is not None:
        others = (min(these[0], others[0]), max(these[1], others[1]))
    return Figure(value, these, others)


def _intervals(
    sample: Sample, wanted: Sequence[Part], values: Floats, rows: Spread, fraction: float
) -> list[Interval | None]:
    variances = rows.covariance(fraction).diagonal()
    found: list[Interval | None] = []
    for index, (part, value, variance) in enumerate(zip(wanted, values.tolist(), variances.tolist(), strict=True)):
        # One of several images does not say how far they differ.
        if value != value or (len(sample.mapped) < 2 and fraction < 1):
            found.append(None)
            continue
        weights = sample.weights[part.base]
        count = weights.sum() ** 2 / (weights**2).sum()
        plain = value * (1 - value) / count
        effect = variance / plain if plain > 0 else 1.0
        effect = (part.doubt * effect + TRUSTED) / (part.doubt + TRUSTED)
        # Few images say little about how far they differ: Student's t, as fewer cases.
        wider = rows.quantile(np.eye(len(values))[index], fraction) / NORMAL
        found.append(jeffreys(value, count / effect / wider**2))
    return found


def jeffreys(value: float, count: float) -> Interval:
    """The interval of a share with equal tails under Jeffreys' prior, which holds near 0 and 1, too.

    Brown, Cai & DasGupta, *Interval Estimation for a Binomial Proportion*, Statistical Science 2001; with the count of
    cases that a survey is worth: Korn & Graubard, *Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data*, Survey Methodology 1998.

    Args:
        value: The share.
        count: Of how many cases, as far as they are independent.
    """
    hits = value * count
    tail = (1 - SURE) / 2
    low, high = stats.beta.ppf((tail, 1 - tail), hits + 0.5, count - hits + 0.5)
    return (0.0 if value <= 0 else min(float(low), value)), (1.0 if value >= 1 else max(float(high), value))


def _mean(chosen: Sequence[bool], values: Floats, intervals: Sequence[list[Interval | None]], rows: Spread) -> Figure:
    """Mean of some estimates, its interval made of theirs and their correlations.

    Method of variance estimates recovery: Zou & Donner, *Construction of confidence limits about effect measures*,
    Statistics in Medicine 2008.
    """
    known = [index for index, wanted in enumerate(chosen) if wanted and values[index] == values[index]]
    if not known:
        return _figure(float("nan"), None, None)
    value = float(values[known].mean())
    found: list[Interval | None] = []
    for fraction, each in zip((rows.fraction, 0.0), intervals, strict=True):
        limits = [one for index in known if (one := each[index]) is not None]
        if len(limits) < len(known):
            found.append(None)
            continue
        apart = np.abs(np.array(limits) - values[known, None])
        correlation = correlated(rows.covariance(fraction)[np.ix_(known, known)])
        low, high = np.sqrt(np.maximum(np.einsum("kj,kl,lj->j", apart, correlation, apart), 0)) / len(known)
        found.append((max(value - float(low), 0.0), min(value + float(high), 1.0)))
    return _figure(value, *found)


def correlated(covariance: Floats) -> Floats:
    """Correlations, 0 where a variance is."""
    deviation = np.sqrt(covariance.diagonal())
    scale = np.outer(deviation, deviation)
    found = np.nan_to_num(share(covariance, scale))
    np.fill_diagonal(found, 1.0)
    return found


def differences(first: Sample, other: Sample) -> dict[str, Figure]:
    """What another model scores more than the first on the same questions: accuracy, mIoU, and IoU of each class.

    What is hard for both widens the interval of neither's lead: the limits of both are put together with their
    correlation (Zou & Donner 2008). Models that say the same everywhere differ by 0 for certain.
    """
    samples = (first, other)
    scores = [figures(sample) for sample in samples]
    named = [parts(sample) for sample in samples]
    moved = [influences(sample, list(each.values())) for sample, each in zip(samples, named, strict=True)]
    rows = spread(first, *(np.concatenate(both, axis=1) for both in zip(*moved, strict=True)))
    same = np.array_equal(first.predicted, other.predicted) and np.array_equal(first.mapped, other.mapped)
    found = {}
    for name in (ACCURACY, MIOU, *(f"{IOU} {label}" for label in range(first.classes))):
        one, two = (each[name] for each in scores)
        chosen = [_chosen(name, each) for each in scores]
        weights = np.zeros((2, 2 * len(chosen[0])))
        weights[0, : len(chosen[0])], weights[1, len(chosen[0]) :] = chosen
        limits: list[Interval | None] = []
        for fraction, lower, upper in (
            (first.fraction, one.interval, two.interval),
            (0.0, one.beyond, two.beyond),
        ):
            if lower is None or upper is None:
                limits.append(None)
                continue
            shared = float(correlated(weights @ rows.covariance(fraction) @ weights.T)[0, 1])
            below = _apart(two.value - upper[0], lower[1] - one.value, shared)
            above = _apart(upper[1] - two.value, one.value - lower[0], shared)
            value = two.value - one.value
            limits.append((0.0, 0.0) if same else (max(value - below, -1.0), min(value + above, 1.0)))
        found[name] = _figure(two.value - one.value, *limits)
    return found


def _apart(one: float, other: float, shared: float) -> float:
    return math.sqrt(max(one**2 + other**2 - 2 * shared * one * other, 0.0))


def _chosen(name: str, scores: dict[str, Figure]) -> Floats:
    """How much each estimate counts for the one of this name; its own figure is none of them."""
    names = [each for each in scores if each != MIOU]
    counted = [each.startswith(IOU) and scores[each].value == scores[each].value for each in names]
    chosen = np.array(counted if name == MIOU else [each == name for each in names], dtype=np.float64)
    return np.asarray(chosen / max(chosen.sum(), 1.0))


class More(NamedTuple):
    """What would halve an interval.

    Args:
        questions: How many more.
        images: On how many images, all questions together.
    """

    questions: int
    images: int


def halving(sample: Sample, name: str) -> More:
    """How many more questions would halve the interval of `accuracy` or `miou`.

    The variance has a part between images, which more questions on the same images leave as it is, and one within. Of
    all numbers of images, that with the fewest questions is taken, with at least two in each.
    """
    weights = _chosen(name, figures(sample))
    rows = spread(sample, *influences(sample, list(parts(sample).values())))
    total, within = (float(np.square(part @ weights).sum()) for part in (rows.between, rows.within))
    between = max(total - within, 0.0)
    now = (1 - sample.fraction) * between + within
    if now <= 0:  # nobody saw a mistake, and the interval is as long as one in so many questions
        return More(len(sample.image), len(sample.mapped))
    images = np.arange(len(sample.mapped), sample.population + 1)
    left = now / 4 - (1 - images / sample.population) * between * len(sample.mapped) / images
    # Where what is between these images alone is too much, no number of questions does.
    needed = np.where(left > 0, within * len(sample.image) / np.where(left > 0, left, 1), np.inf)
    needed = np.ceil(np.maximum(needed, 2 * images))
    best = int(np.argmin(needed))
    return More(max(int(needed[best]) - len(sample.image), 0), int(images[best]))
