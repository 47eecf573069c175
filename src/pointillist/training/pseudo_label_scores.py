"""How good pseudo-labels are, told by real masks: one definition for training, benchmarks and reports."""

from __future__ import annotations

import torch
from torch import Tensor

from pointillist.classes import IGNORE


def coverage(labels: Tensor, valid: Tensor) -> Tensor:
    """Share of valid pixels that have a pseudo-label.

    Args:
        labels: B×H×W pseudo-labels, 255 = none.
        valid: B×H×W bool, False on padding.
    """
    return ((labels != IGNORE) & valid).sum() / valid.sum().clamp(min=1)


def precision(labels: Tensor, mask: Tensor) -> Tensor:
    """Share of pseudo-labels that are right, among those on pixels whose real class is known.

    Args:
        labels: B×H×W pseudo-labels, 255 = none.
        mask: B×H×W real labels, 255 = not known.
    """
    judged = (labels != IGNORE) & (mask != IGNORE)
    return ((labels == mask) & judged).sum() / judged.sum().clamp(min=1)


def class_counts(labels: Tensor, mask: Tensor, num_classes: int) -> Tensor:
    """Counts by class that coverage and precision of each class are made of; counts of several images add up.

    Args:
        labels: Pseudo-labels, 255 = none.
        mask: Real labels of the same shape, 255 = not known.
        num_classes: C.

    Returns:
        4×C: real pixels, real pixels that have a pseudo-label, pseudo-labels of the class, and those that are right.
        Coverage of a class is the second row by the first, precision the last by the third.
    """
    known = mask != IGNORE
    labelled = known & (labels != IGNORE)
    rows = (mask[known], mask[labelled], labels[labelled], labels[labelled & (labels == mask)])
    return torch.stack([torch.bincount(row.flatten(), minlength=num_classes) for row in rows])
