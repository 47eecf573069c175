"""Clicks and pseudo-labels of two branches, mixed anew in each step.

Luo et al., *Scribble-Supervised Medical Image Segmentation via Dual-Branch Network and Dynamically Mixed Pseudo Labels
Supervision*, MICCAI 2022 (DMPLS); see docs/methods.md for what is simplified.
"""

from __future__ import annotations

import zlib
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from pointillist.classes import IGNORE, ClassSet
from pointillist.training.losses import sparse_cross_entropy
from pointillist.training.methods.base import LossOutput, Method, MethodOptions, StepInput
from pointillist.training.methods.cells import cell_features, clicked_images


class DmplsOptions(MethodOptions):
    """Settings of the second branch and of the pseudo-labels."""

    name: Literal["dmpls"] = "dmpls"
    weight: float = Field(default=0.5, ge=0)
    """Weight of the Dice losses on the mixed pseudo-labels."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Share of the feature channels that the second branch does not see."""


class Dmpls(Method):
    """Cross-entropy on the clicks in two branches, and Dice with the classes that a random mixture of them prefers.

    The second branch, which only the training uses, is one 1×1 convolution on the features after a dropout.
    """

    name: ClassVar[str] = "dmpls"
    title: ClassVar[str] = "clicks and mixed pseudo-labels of two branches (Luo 2022)"
    Options: ClassVar[type[MethodOptions]] = DmplsOptions

    options: DmplsOptions

    def __init__(self, options: DmplsOptions, classes: ClassSet, feature_channels: int) -> None:
        super().__init__(options, classes, feature_channels)
        self.branch = nn.Conv2d(feature_channels, len(classes), 1)

    def pseudo_labels(self, step: StepInput) -> Tensor:
        """See `Method.pseudo_labels`."""
        shares, kept = self._draw(step)
        return self._mixed(step, self._branch_logits(step, kept), shares)

    def loss(self, step: StepInput) -> LossOutput:
        """See `Method.loss`."""
        shares, kept = self._draw(step)
        branch = self._branch_logits(step, kept)
        labels = self._mixed(step, branch, shares)
        taught = step.with_masks(labels)
        on_clicks = (self.click_loss(step) + sparse_cross_entropy(branch, step.given, self.frequencies.weights)) / 2
        first, second = (dice_loss(logits.float().softmax(1), taught) for logits in (step.output.logits, branch))
        dice = (first + second) / 2
        parts = {"loss_clicks": on_clicks.detach(), "loss_pseudo": dice.detach()}
        return LossOutput(on_clicks + self.options.weight * dice, parts, labels)

    def _draw(self, step: StepInput) -> tuple[Tensor, Tensor]:
        """α (B) and the factors of the dropout (B×F).

        They are a function of the progress and of where the clicks lie in the window, which follows from the run's
        seed. So they are the same after a resumption, on any number of devices, and for whoever asks in between.
        """
        shares, kept = [], []
        for clicks in step.batch.points:
            seed = zlib.crc32(clicks.detach().cpu().numpy().tobytes(), zlib.crc32(repr(step.progress).encode()))
            generator = torch.Generator().manual_seed(seed)
            shares.append(torch.rand((), generator=generator))
            kept.append(torch.rand(self.branch.in_channels, generator=generator) >= self.options.dropout)
        device = step.output.logits.device
        return torch.stack(shares).to(device), torch.stack(kept).to(device) / (1 - self.options.dropout)

    def _branch_logits(self, step: StepInput, kept: Tensor) -> Tensor:
        """B×C×H×W of the second branch."""
        size = (step.batch.image.shape[-2], step.batch.image.shape[-1])
        return cell_features(self.branch(step.output.features * kept[..., None, None]).contiguous(), size, size, 1)

    def _mixed(self, step: StepInput, branch: Tensor, shares: Tensor) -> Tensor:
        """argmax of α·p₁ + (1 − α)·p₂; 255 on padding and in images without a click."""
        mixed = torch.lerp(branch.detach().float().softmax(1), step.probabilities(), shares[:, None, None, None])
        clicked = clicked_images(step.batch.points, mixed.device) > 0
        return mixed.argmax(1).masked_fill(~(step.batch.valid & clicked[:, None, None]), IGNORE)


def dice_loss(probabilities: Tensor, labels: Tensor) -> Tensor:
    """1 − 2·Σ p_c·Y_c / (Σ p_c² + Σ Y_c) over labelled pixels: mean over an image's classes, then over the batch.

    Args:
        probabilities: p, B×C×H×W.
        labels: Y, B×H×W, 255 = ignore. Classes that no pixel has are left out of the mean.

    Returns:
        Scalar; an image without a labelled pixel gives 0.
    """
    known = (labels != IGNORE)[:, None].to(probabilities.dtype)
    target = torch.zeros_like(probabilities).scatter(1, labels.clamp(max=probabilities.shape[1] - 1)[:, None], known)
    overlap, counts = (probabilities * target).flatten(2).sum(2), target.flatten(2).sum(2)
    sizes = (probabilities.square() * known).flatten(2).sum(2) + counts
    present = (counts > 0).to(probabilities.dtype)
    losses = (1 - 2 * overlap / sizes.clamp(min=1)) * present
    return (losses.sum(1) / present.sum(1).clamp(min=1)).mean()
