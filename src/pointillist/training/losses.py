"""Losses that stay finite when nothing is labelled.

Every loss is a mean per image, then a mean over images: the gradient does not depend on how a batch is shared among
devices, and an image without a labelled pixel contributes exactly 0, never NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointillist.classes import IGNORE

MOMENTUM = 0.02
"""Weight of a batch in the moving average of class frequencies."""

LEAST_FREQUENCY = 0.002
"""A class that is hardly ever labelled counts as if it had this frequency."""


class ClassFrequencies(nn.Module):
    """How often each class was labelled: a moving average over batches, kept with the checkpoint.

    Args:
        num_classes: C.
        balance: Class-balance exponent: a label of class c has the weight frequency_c^(−balance), scaled to a mean of 1
            over all labels. 0 counts every label the same, 1 every class.
    """

    frequencies: Tensor
    batches: Tensor

    def __init__(self, num_classes: int, balance: float) -> None:
        super().__init__()
        self.balance = balance
        self.register_buffer("frequencies", torch.full((num_classes,), 1 / num_classes))
        self.register_buffer("batches", torch.zeros(()))

    @property
    def weights(self) -> Tensor:
        """Weight of a label by its class (C)."""
        raw = self.frequencies.clamp(min=LEAST_FREQUENCY) ** -self.balance
        return raw / (raw * self.frequencies).sum()

    @property
    def weighted(self) -> Tensor:
        """Frequency times weight of each class (C): what a network expects that has learnt from these labels."""
        return self.frequencies * self.weights

    def update(self, labels: Tensor) -> None:
        """Count the labels of a batch (255 = ignore), over all processes of a distributed training."""
        # Counting 255 as well takes a fifth of the time of leaving it out first.
        counts = torch.bincount(labels.flatten(), minlength=IGNORE + 1)[: len(self.frequencies)].float()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(counts)
        if counts.sum() > 0:
            self.batches += 1
            # A plain mean at first, so that the start does not depend on a guess.
            self.frequencies.lerp_(counts / counts.sum(), max(MOMENTUM, 1 / float(self.batches)))


def as_prior(taught: Tensor) -> Tensor:
    """Amounts taught by class (C) as shares above 0."""
    return (taught / taught.sum()).clamp(min=LEAST_FREQUENCY)


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of B×C×H×W logits and B×H×W labels (255 = ignore): mean per image, then over the batch.

    Args:
        logits: B×C×H×W.
        labels: B×H×W class indices.
        weights: Weight of a label by its class (C).
    """
    loss = F.cross_entropy(logits.float(), labels, weights, ignore_index=IGNORE, reduction="none")
    labelled = (labels != IGNORE).flatten(1).sum(1)
    return (loss.flatten(1).sum(1) / labelled.clamp(min=1)).mean()


def sparse_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """`cross_entropy` where few pixels are labelled: the others are not even looked at."""
    pixels = (labels != IGNORE).nonzero(as_tuple=True)
    image, row, column = pixels
    # Classes last, so that a row of logits is one pixel's.
    return pixel_cross_entropy(logits.permute(0, 2, 3, 1)[image, row, column], labels, pixels, weights)


def pixel_cross_entropy(logits: Tensor, labels: Tensor, pixels: tuple[Tensor, ...], weights: Tensor) -> Tensor:
    """The same for N×C logits of those pixels alone.

    Args:
        logits: N×C.
        labels: B×H×W class indices.
        pixels: Image, row and column of the N labelled pixels.
        weights: Weight of a label by its class (C).
    """
    classes = labels[pixels]
    loss = F.cross_entropy(logits.float(), classes, reduction="none")
    total = loss.new_zeros(len(labels)).index_add(0, pixels[0], loss * weights[classes])
    return (total / (labels != IGNORE).flatten(1).sum(1).clamp(min=1)).mean()


def masked_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean per image over its pixels, then over the batch; an image without weight gives 0.

    Args:
        values: B×H×W.
        weights: B×H×W, not negative.
    """
    total = (values * weights).flatten(1).sum(1)
    return (total / weights.flatten(1).sum(1).clamp(min=1e-6)).mean()
