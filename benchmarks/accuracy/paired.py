"""`single-stage` against another method, paired by data set and seed, with two kinds of 95 % intervals.

Student's t over data sets says how far the difference would move with other sets of the same kind; on one set it is
over seeds. Seeds of one set are alike, so they are averaged first: as cases of their own they would count a set three
times. The bootstrap over images (Efron 1979) says how far it would move with other images of the same sets.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

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
        mean: Over the sets, of the means over their pairs.
        pairs: How many.
        over_sets: Student's t over the sets, or over the pairs of a single one; None where there is one of them.
        over_images: Bootstrap; None where runs kept no counts by image.
    """

    mean: float
    pairs: int
    over_sets: Interval | None
    over_images: Interval | None

    @property
    def narrower(self) -> Interval | None:
        """The narrower of the two intervals, which excuses less."""
        known = [each for each in (self.over_sets, self.over_images) if each is not None]
        return min(known, key=lambda each: each[1] - each[0], default=None)


def bracketed(interval: Interval | None, form: str = "+.1f") -> str:
    """`[+0.4, +3.8]`, or a dash."""
    return "–" if interval is None else f"[{interval[0]:{form}}, {interval[1]:{form}}]"


def pairs(runs: list[Run], dataset: str, other: str) -> list[tuple[Run, Run]]:
    """Runs of `single-stage` on a data set with those of another method that have the same seed."""
    ours, theirs = chosen(runs, dataset, OURS), chosen(runs, dataset, other)
    return [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]


def difference(runs: list[Run], others: Mapping[str, str]) -> Difference | None:
    """The paired difference to another method on each of some data sets; None where there is no pair.

    Raises:
        SystemExit: Two runs were scored on other masks.
    """
    paired = [found for dataset, other in others.items() if (found := pairs(runs, dataset, other))]
    if not paired:
        return None
    values = [[100 * (ours["miou"] - theirs["miou"]) for ours, theirs in each] for each in paired]
    means = [statistics.mean(each) for each in values]
    spread = student(means if len(means) > 1 else values[0])
    return Difference(statistics.mean(means), sum(map(len, values)), spread, over_images(paired))


def student(values: list[float]) -> Interval | None:
    """95 % interval of the mean by Student's t."""
    if len(values) < 2:
        return None
    mean = statistics.mean(values)
    half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return mean - half, mean + half


def over_images(paired: list[list[tuple[Run, Run]]]) -> Interval | None:
    """95 % interval of the mean difference when the images of each data set are drawn anew; pairs by data set.

    Both runs of a pair, and all seeds of a data set, see the same draws.
    """
    drawn = []
    for each in paired:
        for ours, theirs in each:
            if not ours.get("per_image") or not theirs.get("per_image"):
                return None
            if [real for _, real, _ in ours["per_image"]] != [real for _, real, _ in theirs["per_image"]]:
                raise SystemExit(f"{ours['dataset']}: {OURS} and {theirs['variant']} were scored on other masks.")
        drawn.append(np.mean([100 * (resampled(ours) - resampled(theirs)) for ours, theirs in each], axis=0))
    low, high = np.nanquantile(np.mean(drawn, axis=0), (0.025, 0.975)).tolist()
    return low, high


def resampled(run: Run) -> NDArray[np.float64]:
    """mIoU of `RESAMPLES` sets of N images drawn with replacement from the N of a run's data set."""
    return _resampled(run["dataset"], json.dumps(run["per_image"]))


@cache
def _resampled(dataset: str, per_image: str) -> NDArray[np.float64]:
    """The same of N×3×C pixels by image and class: right, real, predicted; drawn alike for all runs of a data set."""
    counts = np.array(json.loads(per_image), dtype=np.float64)  # below 2^53, sums of whole numbers stay exact
    images = len(counts)
    times = np.random.default_rng(list(dataset.encode())).multinomial(images, np.full(images, 1 / images), RESAMPLES)
    pooled = (times @ counts.reshape(images, -1)).reshape(RESAMPLES, 3, -1)
    correct, real, predicted = pooled.transpose(1, 0, 2)
    return mean_of_known(class_iou(correct, real, predicted))
