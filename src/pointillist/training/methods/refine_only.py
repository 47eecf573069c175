"""Learning from refined pseudo-masks without a spatial filter: what a method of image-level labels makes of clicks.

Presence, pixel-adaptive refinement and per-class bars come from Araslanov and Roth, *Single-Stage Semantic
Segmentation from Image Labels* (CVPR 2020, "1-stage-wseg"); see docs/methods.md for what differs.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pointillist.classes import IGNORE, ClassSet
from pointillist.pseudomask import PseudoMaskGenerator
from pointillist.training.losses import BalancedCrossEntropy
from pointillist.training.methods.base import Method, MethodOptions, Outcome, Step


class RefineOnlyOptions(MethodOptions):
    """Settings of the pseudo-mask and its weight in the loss.

    Args:
        warmup: Share of the training that learns from clicks alone.
        weight: Weight of the pseudo-mask loss after the warm-up.
        dilations: Neighbour distances of the refinement, in pixels.
        iterations: Refinement steps.
        low: Least probability that is kept.
        cut: Probability kept, relative to the class's best pixel.
        cut_background: The same for the background.
    """

    name: Literal["refine-only"] = "refine-only"
    warmup: float = Field(default=0.1, ge=0, le=1)
    weight: float = Field(default=0.5, ge=0)
    dilations: tuple[int, ...] = (1, 2, 4, 8, 12, 24)
    iterations: int = Field(default=10, ge=0, le=1000)
    low: float = Field(default=0.2, ge=0, le=1)
    cut: float = Field(default=0.75, ge=0, le=1)
    cut_background: float = Field(default=0.8, ge=0, le=1)


class RefineOnly(Method):
    """Cross-entropy on the clicks and on a refined pseudo-mask that knows which classes there are, but not where."""

    name: ClassVar[str] = "refine-only"
    title: ClassVar[str] = "pseudo-masks from refined predictions, without the spatial filter"
    Options: ClassVar[type[MethodOptions]] = RefineOnlyOptions

    def __init__(self, options: RefineOnlyOptions, classes: ClassSet, feature_channels: int) -> None:
        super().__init__(options, classes, feature_channels)
        self.options = options
        self.on_pseudo_masks = BalancedCrossEntropy(len(classes), options.balance)
        self.generator = PseudoMaskGenerator(
            background=classes.background,
            dilations=options.dilations,
            iterations=options.iterations,
            metric=None,
            low=options.low,
            cut=options.cut,
            cut_background=options.cut_background,
        )

    def loss(self, step: Step) -> Outcome:
        """See `Method.loss`."""
        batch = step.batch
        on_clicks = self.click_loss(step)
        if step.progress < self.options.warmup:
            return Outcome(on_clicks, parts={"loss_clicks": on_clicks.detach()})
        labels = self.generator(
            batch.image, step.guide(), batch.points, progress=step.progress, valid=batch.valid
        ).labels
        for plane, clicks in zip(labels, batch.points, strict=True):
            if len(clicks) == 0:
                plane.fill_(IGNORE)  # Only the background is present then, and would claim the whole image unasked.
        on_pseudo_mask = self.on_pseudo_masks(step.prediction.logits, labels)
        return Outcome(
            on_clicks + self.options.weight * on_pseudo_mask,
            labels,
            {"loss_clicks": on_clicks.detach(), "loss_pseudo": on_pseudo_mask.detach()},
        )
