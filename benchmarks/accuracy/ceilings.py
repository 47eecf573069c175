"""What is missing from `single-stage`: the same with an oracle that reads from the real masks what clicks do not say.

No way to learn from points. Runs ask for it through `oracle`:

- `dropped`: wrong pseudo-labels are left out; `corrected`: they get their true class.
- `prior`: the class prior of the pixels takes the place of the power of the prior that the clicks taught.
- `prior-and-distances`: besides, the spatial prior is the ratio of how often each distance from a class's clicks
  occurs inside and outside of that class.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.samples import Batch
from pointillist.pseudomask import InverseDistance
from pointillist.pseudomask.stages.base import UNIT_SIZE
from pointillist.training.losses import ClassFrequencies, as_prior
from pointillist.training.methods import LossOutput, StepInput, methods
from pointillist.training.methods.single_stage import SingleStage, SingleStageOptions

Oracle = Literal["dropped", "corrected", "prior", "prior-and-distances"]

BINS = 24
"""Bins of log distance, a quarter wide each."""


def use_oracle(oracle: Oracle) -> None:
    """Let `single-stage` of this process see the masks."""

    class WithOracle(SingleStage):
        supervision: ClassVar[Literal["points", "masks"]] = "masks"

        def __init__(self, options: SingleStageOptions, classes: ClassSet, feature_channels: int) -> None:
            super().__init__(options, classes, feature_channels)
            self.pixel_frequencies = ClassFrequencies(len(classes), options.class_balance)
            # A little mass everywhere, so that no logarithm is infinite.
            self.inside, self.outside = torch.full((2, len(classes), BINS), 5.0)

        def pseudo_labels(self, step: StepInput) -> Tensor:
            if oracle == "prior-and-distances":
                step = replace(step, batch=replace(step.batch, distances=self.oracle_distances(step.batch)))
            labels = super().pseudo_labels(step)
            if oracle in ("prior", "prior-and-distances"):
                return labels
            mask = mask_of(step.batch)
            kept = (labels != IGNORE) if oracle == "corrected" else (labels == mask)
            return torch.where(kept, mask, IGNORE)

        def teacher_prior(self) -> Tensor:
            clicked = super().teacher_prior()
            if oracle in ("dropped", "corrected"):
                return clicked
            # The generator raises what it divides by to this power: here one prior is wholly taken out, one put in.
            power = self.options.pseudo_mask.prior_correction
            return (clicked / as_prior(self.pixel_frequencies.weighted)) ** (1 / power)

        def update_class_frequencies(self, step: StepInput, output: LossOutput) -> None:
            super().update_class_frequencies(step, output)
            self.pixel_frequencies.update(mask_of(step.batch))
            if oracle == "prior-and-distances":
                self.count(step.batch)

        def count(self, batch: Batch) -> None:
            """Learn from the masks how far from its clicks a class lies."""
            mask, distances = mask_of(batch), in_units(batch)
            for c in range(len(self.inside)):
                clicked, bins = distances[:, c].isfinite(), bin_of(distances[:, c])
                own, others = mask == c, (mask != c) & (mask != IGNORE)
                self.inside[c] += torch.bincount(bins[own & clicked], minlength=BINS)
                self.outside[c] += torch.bincount(bins[others & clicked], minlength=BINS)

        def oracle_distances(self, batch: Batch) -> Tensor:
            """Distances (pixels) at which inverse-distance weighting gives the ratio of inside to outside."""
            prior = self.options.pseudo_mask.spatial_prior
            if not isinstance(prior, InverseDistance):
                raise ValueError("inverse-distance weighting is needed here")
            distances = in_units(batch)
            inside, outside = (counts / counts.sum(1, keepdim=True) for counts in (self.inside, self.outside))
            ratio = (inside / outside).log()
            channels = [ratio[c][bin_of(distances[:, c])] for c in range(len(ratio))]
            weighted = torch.expm1(-torch.stack(channels, dim=1) / prior.power) * units(batch)
            return torch.where(distances.isfinite(), weighted, torch.inf)

    methods()["single-stage"] = WithOracle


def mask_of(batch: Batch) -> Tensor:
    """B×H×W real labels, 255 = not known."""
    if batch.mask is None:
        raise ValueError("every training image needs a mask here")
    return batch.mask


def units(batch: Batch) -> Tensor:
    """B×1×1×1 pixels per unit length."""
    return batch.scales.view(-1, 1, 1, 1) / UNIT_SIZE


def in_units(batch: Batch) -> Tensor:
    """B×C×H×W geodesic distances in unit lengths."""
    if batch.distances is None:
        raise ValueError("geodesic distances are needed here")
    return batch.distances / units(batch)


def bin_of(distances: Tensor) -> Tensor:
    """Bin of each distance by its logarithm."""
    return (distances.clamp(max=1e9).log1p() * 4).long().clamp(0, BINS - 1)
