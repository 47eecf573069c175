"""Scores from one confusion matrix, pooled over all pixels of a split: the PASCAL VOC protocol."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from pointillist.classes import IGNORE, ClassSet


def confusion_metric(classes: ClassSet) -> MulticlassConfusionMatrix:
    """A C×C counter, rows = real, columns = predicted, that leaves out ignored pixels and adds up over processes."""
    return MulticlassConfusionMatrix(num_classes=len(classes), ignore_index=IGNORE, validate_args=False)


@dataclass(frozen=True)
class Scores:
    """What a confusion matrix says.

    Args:
        class_names: C names.
        iou: Intersection over union by class, in [0, 1]; NaN for a class absent from both mask and prediction.
        pixel_accuracy: Share of labelled pixels that are right.
        pixels: Labelled pixels by class.
    """

    class_names: tuple[str, ...]
    iou: tuple[float, ...]
    pixel_accuracy: float
    pixels: tuple[int, ...]

    @property
    def miou(self) -> float:
        """Mean IoU over the classes that occur in mask or prediction, in [0, 1]."""
        known = [value for value in self.iou if value == value]
        return sum(known) / len(known) if known else float("nan")

    @property
    def per_class(self) -> dict[str, float | None]:
        """IoU by class name; None for a class that does not occur."""
        return {name: value if value == value else None for name, value in zip(self.class_names, self.iou, strict=True)}


def scores(confusion: Tensor, classes: ClassSet) -> Scores:
    """Scores of a confusion matrix.

    Args:
        confusion: C×C counts, rows = real, columns = predicted.
        classes: Their names.

    >>> scores(torch.tensor([[3, 1], [0, 4]]), ClassSet.create(["soil", "berry"])).iou
    (0.75, 0.8)
    """
    counts = confusion.double()
    hit = counts.diag()
    union = counts.sum(0) + counts.sum(1) - hit
    iou = torch.where(union > 0, hit / union.clamp(min=1), torch.nan)
    total = counts.sum()
    return Scores(
        class_names=classes.names,
        iou=tuple(iou.tolist()),
        pixel_accuracy=float(hit.sum() / total) if total > 0 else float("nan"),
        pixels=tuple(int(count) for count in confusion.sum(1).tolist()),
    )
