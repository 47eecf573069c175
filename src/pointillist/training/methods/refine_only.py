"""Learning from refined pseudo-masks without a spatial prior: what a method of image-level labels makes of clicks.

Presence, pixel-adaptive refinement and per-class thresholds come from Araslanov and Roth, *Single-Stage Semantic
Segmentation from Image Labels* (CVPR 2020, "1-stage-wseg"); see docs/methods.md for what differs.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from pointillist.classes import IGNORE
from pointillist.pseudomask import ClassThresholds, PseudoMaskSettings
from pointillist.training.methods.base import MethodOptions, StepInput
from pointillist.training.methods.pseudo_masks import PseudoMaskMethod, PseudoMaskOptions


class RefineOnlyOptions(PseudoMaskOptions):
    """Settings of the pseudo-mask and its weight in the loss."""

    name: Literal["refine-only"] = "refine-only"
    weight: float = Field(default=0.5, ge=0)
    """Weight of the pseudo-mask loss after the warm-up."""
    pseudo_mask: PseudoMaskSettings = PseudoMaskSettings(
        prior_correction=0.0, spatial_prior=None, evidence=None, selection=ClassThresholds()
    )
    """How pseudo-masks are made."""


class RefineOnly(PseudoMaskMethod):
    """Cross-entropy on the clicks and on a refined pseudo-mask that knows which classes there are, but not where."""

    name: ClassVar[str] = "refine-only"
    title: ClassVar[str] = "pseudo-masks from refined predictions, without the spatial prior"
    Options: ClassVar[type[MethodOptions]] = RefineOnlyOptions

    def pseudo_labels(self, step: StepInput) -> Tensor:
        """See `Method.pseudo_labels`."""
        labels = super().pseudo_labels(step)
        for image, clicks in zip(labels, step.batch.points, strict=True):
            if len(clicks) == 0:
                image.fill_(IGNORE)  # Only the background is present then, and would claim the whole image unasked.
        return labels
