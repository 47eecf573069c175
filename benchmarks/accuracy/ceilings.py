"""What is missing from `single-stage`: the same, told by the real masks what it has to guess from clicks.

No way to learn from points. Runs ask for it through `told`:

- `dropped`: wrong labels among the kept pixels are left out; `right`: they are put right.
- `shares`: the share of each class in the pixels takes the place of the power of what was taught.
- `extent`: besides, how far each class reaches from its clicks: the competing filter gives way to the ratio of the
  densities of log distance inside and outside of the class.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.samples import Batch
from pointillist.pseudomask.trace import PseudoMask
from pointillist.training.losses import LEAST_SHARE
from pointillist.training.methods import Outcome, Step, methods
from pointillist.training.methods.single_stage import SingleStage, SingleStageOptions

Secret = Literal["dropped", "right", "shares", "extent"]

BINS = 24
"""Bins of log distance, a quarter wide each."""


def tell(how: Secret) -> None:
    """Let `single-stage` of this process know the masks."""

    class Told(SingleStage):
        supervision: ClassVar[Literal["points", "masks"]] = "masks"

        def __init__(self, options: SingleStageOptions, classes: ClassSet, feature_channels: int) -> None:
            super().__init__(options, classes, feature_channels)
            self.mask: Tensor | None = None
            # A little mass everywhere, so that no logarithm is infinite.
            self.inside, self.outside = torch.full((2, len(classes), BINS), 5.0)
            self.pixels = torch.ones(len(classes))
            make = self.generator

            def checked(*arguments: Any, **settings: Any) -> PseudoMask:
                made = make(*arguments, **settings)
                return replace(made, labels=check(made.labels, self.mask, how)) if how in ("dropped", "right") else made

            self.generator = checked  # type: ignore[assignment]

        def loss(self, step: Step) -> Outcome:
            self.mask = step.batch.mask
            if how in ("shares", "extent"):
                self.count(step.batch)
            if how == "extent" and step.batch.fields is not None:
                step = replace(step, batch=replace(step.batch, fields=self.told_fields(step.batch.fields)))
            return super().loss(step)

        def taken_out(self, taught: Tensor) -> Tensor | None:
            if how in ("dropped", "right"):
                return super().taken_out(taught)
            shares = (self.pixels / self.pixels.sum()).clamp(min=LEAST_SHARE).sqrt()
            return (taught / taught.sum()).clamp(min=LEAST_SHARE) * shares.sum() / shares

        def count(self, batch: Batch) -> None:
            """Learn the shares and extents of the classes from the masks seen so far."""
            if batch.mask is None or batch.fields is None:
                raise ValueError("masks and geodesic fields are needed here")
            for c in range(len(self.pixels)):
                known, own = batch.mask != IGNORE, batch.mask == c
                self.pixels[c] += own.sum()
                near = batch.fields[:, c].isfinite()
                bins = bin_of(batch.fields[:, c])
                self.inside[c] += torch.bincount(bins[own & near], minlength=BINS)
                self.outside[c] += torch.bincount(bins[known & ~own & near], minlength=BINS)

        def told_fields(self, fields: Tensor) -> Tensor:
            """Distances at which the competing filter gives the ratio of densities."""
            exponent = self.options.exponent
            if exponent is None:
                raise ValueError("the competing filter is needed here")
            inside = self.inside / self.inside.sum(1, keepdim=True)
            outside = self.outside / self.outside.sum(1, keepdim=True)
            ratio = (inside / outside).log()
            planes = [ratio[c][bin_of(fields[:, c])] for c in range(len(ratio))]
            told = torch.expm1(-torch.stack(planes, dim=1) / exponent)
            return torch.where(fields.isfinite(), told, torch.inf)

    methods()["single-stage"] = Told


def bin_of(distances: Tensor) -> Tensor:
    """Bin of each distance by its logarithm."""
    return (distances.clamp(max=1e9).log1p() * 4).long().clamp(0, BINS - 1)


def check(labels: Tensor, mask: Tensor | None, how: Secret) -> Tensor:
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
