"""What answers to questions say about all pixels of all images, and how sure that is: docs/statistics.md.

All figures are shares of a part of the pixels: of those with a class, how many are right (accuracy); of those predicted
as k, really k, or either, how many are both (precision, recall, IoU); and how many are really k (area).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pointillist.training.metrics import Floats, share

ACCURACY, LEFT_OUT = "accuracy", "left out"
PRECISION, RECALL, IOU, AREA = BY_CLASS = ("precision", "recall", "iou", "area")

LEAST = 10
"""Predicted classes with fewer questions are weighted together, so that no weight hangs on chance alone."""

SURE = 0.95
"""How often an interval is to have the truth inside."""


@dataclass(frozen=True)
class Sample:
    """N questions with an answer, on m of M images, and what a model says there.

    Args:
        image: N, index of the image, 0 to m − 1.
        position: N×2, x and y (continuous, pixels).
        weight: N, how many pixels each stands for, up to one factor for all: 1 / inclusion probability.
        real: N, class index that was answered; −1 for an answer that names none.
        predicted: N, class index.
        mapped: m×C, pixels of the whole image by predicted class.
        sizes: m×2, height and width of the images, pixels.
        population: M.
    """

    image: NDArray[np.intp]
    position: Floats
    weight: Floats
    real: NDArray[np.intp]
    predicted: NDArray[np.intp]
    mapped: Floats
    sizes: Floats
    population: int

    @property
    def classes(self) -> int:
        """C."""
        return int(self.mapped.shape[1])

    @property
    def fraction(self) -> float:
        """Which share of the images was asked, above 0, at most 1."""
        return len(self.mapped) / self.population

    @cached_property
    def group(self) -> NDArray[np.intp]:
        """C, the group of each predicted class: its own, or that of several with fewer than `LEAST` questions each."""
        count = np.bincount(self.predicted, minlength=self.classes)
        found = np.zeros(self.classes, np.intp)
        group = inside = 0
        order = np.argsort(count, kind="stable")
        for place, label in enumerate(order):
            found[label] = group
            inside += count[label]
            if inside >= LEAST and count[order[place + 1 :]].sum() >= LEAST:
                group, inside = group + 1, 0
        return found

    @cached_property
    def weights(self) -> Floats:
        """N, calibrated: those of each group of predicted classes add up to its share of the mapped pixels.

        It is known from the prediction of whole images, so chance has no part in it: post-stratification, the
        estimator of Olofsson et al. (2014).
        """
        group = self.group[self.predicted]
        asked = np.bincount(group, self.weight, self.group.max() + 1)
        mapped = np.bincount(self.group, self.mapped.sum(0), len(asked))
        return np.asarray(self.weight * (mapped / mapped.sum() / np.maximum(asked, 1e-300))[group])

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """N, image by image, in strips from left to right and back again, so that neighbours follow one another."""
        count = np.bincount(self.image, minlength=len(self.mapped))[self.image]
        height, width = self.sizes[self.image].T
        strips = np.maximum(np.round(np.sqrt(count * height / width)), 1)
        strip = np.floor(self.position[:, 1] / height * strips)
        along = np.where(strip % 2, -self.position[:, 0], self.position[:, 0])
        return np.lexsort((along, strip, self.image))

    @cached_property
    def confusion(self) -> Floats:
        """C×C shares of the pixels with a class, rows = real, columns = predicted."""
        named = self.real >= 0
        pairs = self.real[named] * self.classes + self.predicted[named]
        sums = np.bincount(pairs, self.weights[named], self.classes**2).reshape(self.classes, -1)
        return np.asarray(sums / max(sums.sum(), 1e-300))


class Part(NamedTuple):
    """A share of a part of the pixels.

    Args:
        hit: N, which questions count for it.
        base: N, which questions are in the part.
        doubt: How many questions tell something about its spread.
    """

    hit: NDArray[np.bool_]
    base: NDArray[np.bool_]
    doubt: int


class Spread(NamedTuple):
    """What the variances of P estimates are made of.

    Args:
        between: m×P, whose squares add up to the variance as if images had been drawn with replacement.
        within: R×P, the same for pixels in images.
        fraction: Which share of the images was asked.
    """

    between: Floats
    within: Floats
    fraction: float

    def covariance(self, fraction: float) -> Floats:
        """P×P, when `fraction` of the images of interest was asked."""
        return np.asarray((1 - fraction) * self.between.T @ self.between + fraction * self.within.T @ self.within)

    def quantile(self, weights: Floats, fraction: float) -> float:
        """Student's, for a combination of the estimates, with the degrees of freedom of Satterthwaite (1946)."""
        parts = ((1 - fraction, self.between @ weights), (fraction, self.within @ weights))
        sums = [(share * float(rows @ rows), max(len(rows) - 1, 1)) for share, rows in parts if len(rows)]
        total, below = sum(value for value, _ in sums), sum(value**2 / free for value, free in sums)
        return float(stats.t.ppf((1 + SURE) / 2, total**2 / below if below > 0 else max(len(self.within), 1)))


def parts(sample: Sample) -> dict[str, Part]:
    """All shares of a sample, by name: `accuracy`, `left out`, and `iou 0` … for each class."""
    named = sample.real >= 0
    right = named & (sample.real == sample.predicted)
    found = {ACCURACY: _part(right, named), LEFT_OUT: _part(~named, np.ones_like(named))}
    for label in range(sample.classes):
        real, predicted = sample.real == label, named & (sample.predicted == label)
        both = real & predicted
        found[f"{PRECISION} {label}"] = _part(both, predicted)
        found[f"{RECALL} {label}"] = _part(both, real)
        found[f"{IOU} {label}"] = _part(both, real | predicted)
        # How large a class is mapped is known: only where the map is wrong there is doubt.
        found[f"{AREA} {label}"] = Part(real, named, int((real != predicted).sum()))
    return found


def _part(hit: NDArray[np.bool_], base: NDArray[np.bool_]) -> Part:
    return Part(hit, base, int(min(hit.sum(), (base & ~hit).sum())))


def shares(sample: Sample, wanted: Sequence[Part]) -> Floats:
    """P estimates; NaN where no question is in the part."""
    above = np.array([sample.weights[part.hit].sum() for part in wanted])
    below = np.array([sample.weights[part.base].sum() for part in wanted])
    return share(above, below)


def influences(sample: Sample, wanted: Sequence[Part]) -> tuple[Floats, Floats]:
    """How much each question (N×P), and how much each map (m×P), moves the estimates: their linear approximation."""
    values = np.nan_to_num(shares(sample, wanted))
    found = np.zeros((len(sample.image), len(wanted)))
    for index, (part, value) in enumerate(zip(wanted, values, strict=True)):
        below = sample.weights[part.base].sum()
        if below > 0:
            found[:, index] = (part.hit - value * part.base) / below
    group = sample.group[sample.predicted]
    groups = sample.group.max() + 1
    sums = np.zeros((groups, len(wanted)))
    np.add.at(sums, group, sample.weights[:, None] * found)
    means = sums / np.maximum(np.bincount(group, sample.weights, groups), 1e-300)[:, None]
    return sample.weights[:, None] * (found - means[group]), sample.mapped @ means[sample.group] / sample.mapped.sum()


def spread(sample: Sample, by_question: Floats, by_map: Floats) -> Spread:
    """Variances between images and within them.

    Within an image, a question is compared with the next one along a strip: questions are spread evenly, and neighbours
    are more alike than others (Wolter, *Introduction to Variance Estimation*, ch. 8). A question alone on its image is
    compared with those alone on others.
    """
    images = len(sample.mapped)
    sums = by_map.copy()
    np.add.at(sums, sample.image, by_question)
    count = np.bincount(sample.image, minlength=images)
    between = (sums - sums.mean(0)) * np.sqrt(images / max(images - 1, 1))
    order = sample.order
    ordered, image = by_question[order], sample.image[order]
    same = image[1:] == image[:-1]
    number = count[image[1:][same]]
    within = np.diff(ordered, axis=0)[same] * np.sqrt(number / (2 * (number - 1)))[:, None]
    alone = by_question[count[sample.image] == 1]
    if len(alone) > 1:
        within = np.concatenate([within, (alone - alone.mean(0)) * np.sqrt(len(alone) / (len(alone) - 1))])
    return Spread(between, within, sample.fraction)
