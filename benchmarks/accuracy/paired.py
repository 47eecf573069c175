"""`single-stage` against another method, paired by data set and seed, with two kinds of 95 % intervals.

Student's t over data sets × seeds says how far the difference would move with other sets and seeds of the same kind;
the bootstrap over images (Efron 1979), how far with other images of the same sets.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from runs import OURS, Run, chosen
from scipy import stats

from pointillist.training.metrics import class_iou, mean_of_known

RESAMPLES = 2000

Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """`single-stage` minus another method, in points (hundredths) of mIoU.

    Args:
        mean: Over all pairs.
        pairs: How many.
        over_seeds: Student's t over the pairs; None for one.
        over_images: Bootstrap; None where runs kept no counts by image.
    """

    mean: float
    pairs: int
    over_seeds: Interval | None
    over_images: Interval | None

    @property
    def narrower(self) -> Interval | None:
        """The narrower of the two intervals, which excuses less."""
        known = [each for each in (self.over_seeds, self.over_images) if each is not None]
        return min(known, key=lambda each: each[1] - each[0], default=None)


def bracketed(interval: Interval | None) -> str:
    """`[+0.4, +3.8]`, or a dash."""
    return "–" if interval is None else f"[{interval[0]:+.1f}, {interval[1]:+.1f}]"


def pairs(runs: list[Run], other: str, datasets: Iterable[str]) -> list[tuple[Run, Run]]:
    """Runs of `single-stage` with those of another method that share data set and seed."""
    found = []
    for dataset in datasets:
        ours, theirs = chosen(runs, dataset, OURS), chosen(runs, dataset, other)
        found += [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]
    return found


def difference(runs: list[Run], other: str, datasets: Iterable[str]) -> Difference | None:
    """The paired difference over some data sets; None where there is no pair.

    Raises:
        SystemExit: Two runs were scored on other masks.
    """
    paired = pairs(runs, other, datasets)
    if not paired:
        return None
    values = [100 * (ours["miou"] - theirs["miou"]) for ours, theirs in paired]
    return Difference(statistics.mean(values), len(values), student(values), over_images(paired))


def student(values: list[float]) -> Interval | None:
    """95 % interval of the mean by Student's t."""
    if len(values) < 2:
        return None
    mean = statistics.mean(values)
    half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return mean - half, mean + half


def over_images(paired: list[tuple[Run, Run]]) -> Interval | None:
    """95 % interval of the mean difference when the images of each data set are drawn anew.

    Both runs of a pair, and all seeds of a data set, see the same draws.
    """
    drawn = []
    for ours, theirs in paired:
        if not ours.get("per_image") or not theirs.get("per_image"):
            return None
        first, second = np.array(ours["per_image"]), np.array(theirs["per_image"])
        if not np.array_equal(first[:, 1], second[:, 1]):
            raise SystemExit(f"{ours['dataset']}: {OURS} and {theirs['variant']} were scored on other masks.")
        drawn.append(100 * (resampled(first, ours["dataset"]) - resampled(second, ours["dataset"])))
    low, high = np.nanquantile(np.mean(drawn, axis=0), (0.025, 0.975)).tolist()
    return low, high


def resampled(counts: NDArray[np.int64], dataset: str) -> NDArray[np.float64]:
    """mIoU of `RESAMPLES` sets of N images drawn with replacement from N; the draws depend on N and the name alone.

    Args:
        counts: N×3×C pixels by image and class: right, in the mask, predicted.
        dataset: Name of the data set.
    """
    images = len(counts)
    times = np.random.default_rng(list(dataset.encode())).multinomial(images, np.full(images, 1 / images), RESAMPLES)
    # Pixels are whole numbers below 2^53: as floats, for speed, their sums stay exact.
    pooled = times.astype(np.float64) @ counts.reshape(images, -1).astype(np.float64)
    correct, real, predicted = pooled.reshape(RESAMPLES, 3, -1).transpose(1, 0, 2)
    return mean_of_known(class_iou(correct, real, predicted))
