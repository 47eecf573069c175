"""Single-stage learning from points: pseudo-masks made inside the step from refined, spatially filtered predictions.

From the paper (Akiva and Dana, arXiv 2106.10309) are the single stage and the pseudo-masks made on the fly "through
refined and filtered features"; the stages, their order and all default values are this project's.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointillist.classes import IGNORE, ClassSet
from pointillist.training.losses import as_prior, pixel_cross_entropy
from pointillist.training.methods.base import MethodOptions, StepInput
from pointillist.training.methods.cells import cell_features, features_at
from pointillist.training.methods.pseudo_masks import PseudoMaskMethod, PseudoMaskOptions


class SingleStageOptions(PseudoMaskOptions):
    """Settings of the pseudo-mask and its weight in the loss; the defaults are the recipe."""

    name: Literal["single-stage"] = "single-stage"
    click_head: bool = True
    """Whether pseudo-masks are made by a head of their own, which learns from clicks alone. Without it the prediction
    makes them, and what is wrong in them comes back."""


class SingleStage(PseudoMaskMethod):
    """Cross-entropy on the clicks and on a pseudo-mask that is made from the features of the same step.

    A network that learns from its own pseudo-masks grows surer than it is right. So a second head, one 1×1 convolution
    on the same features, learns from clicks alone and makes the pseudo-masks; the head that predicts learns from both.
    Two heads for making and using pseudo-labels are from Chen et al., *Debiased Self-Training for Semi-Supervised
    Learning*, NeurIPS 2022.
    """

    name: ClassVar[str] = "single-stage"
    title: ClassVar[str] = "pseudo-masks from refined, spatially filtered predictions, made inside the step"
    Options: ClassVar[type[MethodOptions]] = SingleStageOptions

    def __init__(self, options: SingleStageOptions, classes: ClassSet, feature_channels: int) -> None:
        super().__init__(options, classes, feature_channels)
        self.click_head = nn.Conv2d(feature_channels, len(classes), 1) if options.click_head else None

    @torch.no_grad()
    def teacher_logits(self, step: StepInput) -> Tensor:
        """Those of the second head, at the size of the image."""
        if self.click_head is None:
            return super().teacher_logits(step)
        size = (step.batch.image.shape[-2], step.batch.image.shape[-1])
        # Channels are enlarged a third faster apart than interleaved.
        return cell_features(self.click_head(step.output.features).contiguous(), size, size, stride=1)

    def teacher_prior(self) -> Tensor | None:
        """The second head learns from clicks alone."""
        return super().teacher_prior() if self.click_head is None else as_prior(self.frequencies.weighted)

    def teacher_loss(self, step: StepInput) -> Tensor:
        """The second head's own cross-entropy on the clicks."""
        if self.click_head is None:
            return super().teacher_loss(step)
        pixels = (step.clicks != IGNORE).nonzero(as_tuple=True)
        size = (step.clicks.shape[-2], step.clicks.shape[-1])
        # The head is linear, so clicked pixels alone give what enlarged logits of all would.
        clicked = features_at(step.output.features, size, pixels)
        logits = F.linear(clicked, self.click_head.weight.flatten(1), self.click_head.bias)
        return pixel_cross_entropy(logits, step.clicks, pixels, self.frequencies.weights)
