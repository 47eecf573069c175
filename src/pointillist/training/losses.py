"""Losses that stay finite when nothing is labelled.

Every loss is a mean per image, then a mean over images: the gradient does not depend on how a batch is shared among
devices, and an image without a labelled pixel contributes exactly 0, never NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from pointillist.classes import IGNORE


def masked_cross_entropy(logits: Tensor, labels: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Cross-entropy over labelled pixels: mean per image, then over the batch.

    Args:
        logits: B×C×H×W.
        labels: B×H×W class indices, 255 = ignore.
        class_weights: C; each pixel counts with the weight of its label.

    Returns:
        Scalar; 0 (with zero gradient) when no pixel is labelled.
    """
    loss = F.cross_entropy(logits.float(), labels, ignore_index=IGNORE, reduction="none")
    weights = (labels != IGNORE).to(loss.dtype)
    if class_weights is not None:
        weights = weights * class_weights[labels.clamp(max=len(class_weights) - 1)]
    return masked_mean(loss, weights)


def masked_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean per image over its pixels, then over the batch; an image without weight gives 0.

    Args:
        values: B×H×W.
        weights: B×H×W, not negative.
    """
    total = (values * weights).flatten(1).sum(1)
    return (total / weights.flatten(1).sum(1).clamp(min=1e-6)).mean()


def click_labels(points: Sequence[Tensor], size: tuple[int, int], device: torch.device) -> Tensor:
    """Label map that holds the clicks and nothing else.

    Args:
        points: Per image N×3 (x, y, class); clicks outside are left out. Of two in one pixel the later one stays.
        size: (height, width).
        device: Where the result lies.

    Returns:
        B×H×W int64, 255 where there is no click.
    """
    height, width = size
    labels = torch.full((len(points), height, width), IGNORE, dtype=torch.int64, device=device)
    for plane, clicks in zip(labels, points, strict=True):
        column, row = clicks[:, 0].floor().long(), clicks[:, 1].floor().long()
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        plane[row[inside], column[inside]] = clicks[inside, 2].long()
    return labels
