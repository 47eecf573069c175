"""What better pseudo-masks would be worth: `single-stage` whose kept pixels are checked against the real masks.

No way to learn from points: it tells how much of the distance to `full` lies in wrong labels, and how much in pixels
that are not kept. Runs use it through `told: dropped` (wrong labels are left out) or `told: right` (put right).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from pointillist.classes import IGNORE, ClassSet
from pointillist.pseudomask.trace import PseudoMask
from pointillist.training.methods import Outcome, Step, methods
from pointillist.training.methods.single_stage import SingleStage, SingleStageOptions


def tell(how: Literal["dropped", "right"]) -> None:
    """Let `single-stage` of this process know the masks."""

    class Told(SingleStage):
        supervision: ClassVar[Literal["points", "masks"]] = "masks"

        def __init__(self, options: SingleStageOptions, classes: ClassSet, feature_channels: int) -> None:
            super().__init__(options, classes, feature_channels)
            self.mask: Tensor | None = None
            make = self.generator

            def checked(*arguments: Any, **settings: Any) -> PseudoMask:
                made = make(*arguments, **settings)
                return replace(made, labels=check(made.labels, self.mask, how))

            self.generator = checked  # type: ignore[assignment]

        def loss(self, step: Step) -> Outcome:
            self.mask = step.batch.mask
            return super().loss(step)

    methods()["single-stage"] = Told


def check(labels: Tensor, mask: Tensor | None, how: Literal["dropped", "right"]) -> Tensor:
    """Labels whose kept pixels are right; where the mask says nothing, nothing is kept.

    Args:
        labels: B×H×W, 255 = not kept.
        mask: B×H×W real labels, 255 = ignore.
        how: Leave wrong labels out, or put them right.
    """
    if mask is None:
        raise ValueError("every training image needs a mask here")
    kept = (labels != IGNORE) & ((labels == mask) if how == "dropped" else torch.ones_like(labels, dtype=torch.bool))
    return torch.where(kept, mask, IGNORE)
