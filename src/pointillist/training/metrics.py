"""Scores from one confusion matrix, pooled over all pixels of a split: the PASCAL VOC protocol."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pointillist.classes import IGNORE, ClassSet

Floats = NDArray[np.float64]


def confusion_matrix(labels: NDArray[Any], mask: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """C×C counts of one image from H×W class indices, rows = real, columns = predicted; leaves out ignored pixels."""
    counted = mask != IGNORE
    pairs = mask[counted].astype(np.int64) * classes + labels[counted]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def share(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """`part / whole`, NaN where the whole is 0."""
    found: Floats = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=found, where=np.asarray(whole) > 0)
    return found


def class_iou(correct: NDArray[Any], real: NDArray[Any], predicted: NDArray[Any]) -> Floats:
    """Intersection over union from pixels that are right, in the mask, and predicted, each …×C; NaN where none is."""
    return share(correct, real + predicted - correct)


def mean_of_known(values: NDArray[Any]) -> Floats:
    """Mean along the last axis of what is not NaN; NaN where nothing is."""
    return share(np.nansum(values, axis=-1), (~np.isnan(values)).sum(axis=-1))


@dataclass(frozen=True)
class Scores:
    """What a confusion matrix says.

    Args:
        class_names: C names.
        confusion: C×C pixels, rows = real, columns = predicted.
    """

    class_names: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    @cached_property
    def _counts(self) -> NDArray[np.int64]:
        return np.array(self.confusion, dtype=np.int64)

    @cached_property
    def iou(self) -> tuple[float, ...]:
        """Intersection over union by class, in [0, 1]; NaN for a class absent from both mask and prediction."""
        return tuple(class_iou(self._counts.diagonal(), self._counts.sum(1), self._counts.sum(0)).tolist())

    @cached_property
    def precision(self) -> tuple[float, ...]:
        """By class, the share of its predicted pixels that are right; NaN for a class that is not predicted."""
        return tuple(share(self._counts.diagonal(), self._counts.sum(0)).tolist())

    @cached_property
    def recall(self) -> tuple[float, ...]:
        """By class, the share of its real pixels that are found; NaN for a class that no mask has."""
        return tuple(share(self._counts.diagonal(), self._counts.sum(1)).tolist())

    @cached_property
    def f1(self) -> tuple[float, ...]:
        """By class, the harmonic mean of precision and recall (also called Dice); NaN where IoU is NaN."""
        return tuple(share(2 * self._counts.diagonal(), self._counts.sum(0) + self._counts.sum(1)).tolist())

    @cached_property
    def confusion_shares(self) -> tuple[tuple[float, ...], ...]:
        """C×C, each row divided by its sum: what becomes of the pixels of a class; NaN for a class no mask has."""
        shares = share(self._counts, np.broadcast_to(self._counts.sum(1, keepdims=True), self._counts.shape))
        return tuple(map(tuple, shares.tolist()))

    @cached_property
    def pixel_accuracy(self) -> float:
        """Share of labelled pixels that are right."""
        return float(share(self._counts.trace(), self._counts.sum()))

    @property
    def pixels(self) -> tuple[int, ...]:
        """Labelled pixels by class."""
        return tuple(map(sum, self.confusion))

    @property
    def miou(self) -> float:
        """Mean IoU over the classes that occur in mask or prediction, in [0, 1]."""
        return float(mean_of_known(np.array(self.iou)))

    @property
    def per_class(self) -> dict[str, float | None]:
        """IoU by class name; None for a class that does not occur."""
        return by_class(self.class_names, self.iou)


def by_class(names: tuple[str, ...], values: tuple[float, ...]) -> dict[str, float | None]:
    """Values by class name; None for NaN."""
    return {name: known(value) for name, value in zip(names, values, strict=True)}


def known(value: float) -> float | None:
    """A value as JSON can have it: None for NaN."""
    return None if value != value else value


def scores(confusion: Tensor | NDArray[np.int64], classes: ClassSet) -> Scores:
    """Scores of a confusion matrix.

    Args:
        confusion: C×C counts, rows = real, columns = predicted.
        classes: Their names.

    >>> import torch
    >>> scores(torch.tensor([[3, 1], [0, 4]]), ClassSet.create(["soil", "berry"])).iou
    (0.75, 0.8)
    """
    return Scores(classes.names, tuple(map(tuple, confusion.tolist())))
