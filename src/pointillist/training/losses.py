"""Losses that stay finite when nothing is labelled.

Every loss is a mean per image, then a mean over images: the gradient does not depend on how a batch is shared among
devices, and an image without a labelled pixel contributes exactly 0, never NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointillist.classes import IGNORE

MOMENTUM = 0.02
"""Weight of a batch in the moving average of class shares."""

LEAST_SHARE = 0.002
"""A class that is hardly ever labelled counts as if it had this share."""


class BalancedCrossEntropy(nn.Module):
    """Cross-entropy whose labels count the less, the more frequent their class is among the labels so far.

    A label of class c has the weight share_c^(−balance), scaled to a mean of 1 over all labels; the shares are a moving
    average over batches, kept with the checkpoint.

    Args:
        num_classes: C.
        balance: 0 counts every label the same, 1 every class.
    """

    shares: Tensor
    batches: Tensor

    def __init__(self, num_classes: int, balance: float) -> None:
        super().__init__()
        self.balance = balance
        self.register_buffer("shares", torch.full((num_classes,), 1 / num_classes))
        self.register_buffer("batches", torch.zeros(()))

    @property
    def weights(self) -> Tensor:
        """Weight of a label by its class (C)."""
        raw = self.shares.clamp(min=LEAST_SHARE) ** -self.balance
        return raw / (raw * self.shares).sum()

    @property
    def taught(self) -> Tensor:
        """Share of each class in what the loss teaches (C): what a network expects that has learnt it."""
        return self.shares * self.weights

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of B×C×H×W logits and B×H×W labels (255 = ignore): mean per image, then over the batch."""
        self._count(labels)
        loss = F.cross_entropy(logits.float(), labels, self.weights, ignore_index=IGNORE, reduction="none")
        labelled = (labels != IGNORE).flatten(1).sum(1)
        return (loss.flatten(1).sum(1) / labelled.clamp(min=1)).mean()

    def sparse(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The same where few pixels are labelled: the others are not even looked at."""
        self._count(labels)
        labelled = labels != IGNORE
        image, row, column = labelled.nonzero(as_tuple=True)
        classes = labels[image, row, column]
        # Classes last, so that a row of logits is one pixel's.
        loss = F.cross_entropy(logits.permute(0, 2, 3, 1)[image, row, column].float(), classes, reduction="none")
        total = loss.new_zeros(len(labels)).index_add(0, image, loss * self.weights[classes])
        return (total / labelled.flatten(1).sum(1).clamp(min=1)).mean()

    def _count(self, labels: Tensor) -> None:
        if not self.training:
            return
        counts = torch.bincount(labels[labels != IGNORE], minlength=len(self.shares)).float()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(counts)
        if counts.sum() > 0:
            self.batches += 1
            # A plain mean at first, so that the start does not depend on a guess.
            self.shares.lerp_(counts / counts.sum(), max(MOMENTUM, 1 / float(self.batches)))


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
