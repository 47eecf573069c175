"""Single-stage learning from points: pseudo-masks made inside the step from refined, spatially filtered predictions.

From the paper (Akiva and Dana, arXiv 2106.10309) are the single stage and the pseudo-masks made on the fly "through
refined and filtered features"; the stages, their order and all default values are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from pointillist.classes import ClassSet
from pointillist.data.samples import FieldsOf
from pointillist.pseudomask import PseudoMaskGenerator, distance_fields
from pointillist.training.losses import masked_cross_entropy
from pointillist.training.methods.base import Method, MethodOptions, Outcome, Step


class SingleStageOptions(MethodOptions):
    """Settings of the pseudo-mask and its weight in the loss.

    Args:
        warmup: Share of the training that learns from clicks alone.
        weight: Weight of the pseudo-mask loss after the warm-up.
        presence: Keep only classes clicked in the image.
        dilations: Neighbour distances of the refinement, in pixels.
        iterations: Refinement steps; 0 leaves the prediction as it is.
        metric: Distance from the clicks; None switches the spatial filter off.
        gamma: Pixels per unit of colour in the geodesic distance.
        sigma_start: Width of the spatial filter at the start, in units of the image's scale √(H·W).
        sigma_end: Width at the end.
        low: Least evidence that is kept.
        cut: Evidence kept, relative to the class's best pixel.
        cut_background: The same for the background.
        reliability: Whether doubtful pixels are left out.
    """

    name: Literal["single-stage"] = "single-stage"
    warmup: float = Field(default=0.1, ge=0, le=1)
    weight: float = Field(default=1.0, ge=0)
    presence: bool = True
    dilations: tuple[int, ...] = (1, 2, 4, 8, 12, 24)
    iterations: int = Field(default=10, ge=0, le=1000)
    metric: Literal["euclidean", "geodesic"] | None = "geodesic"
    gamma: float = Field(default=30.0, ge=0)
    sigma_start: float = Field(default=0.2, gt=0)
    sigma_end: float = Field(default=1.0, gt=0)
    low: float = Field(default=0.1, ge=0, le=1)
    cut: float = Field(default=0.4, ge=0, le=1)
    cut_background: float = Field(default=0.4, ge=0, le=1)
    reliability: bool = True


class SingleStage(Method):
    """Cross-entropy on the clicks and on the pseudo-mask of the present prediction."""

    name: ClassVar[str] = "single-stage"
    title: ClassVar[str] = "pseudo-masks from refined, spatially filtered predictions, made inside the step"
    Options: ClassVar[type[MethodOptions]] = SingleStageOptions

    def __init__(self, options: SingleStageOptions, classes: ClassSet, feature_channels: int) -> None:
        super().__init__(options, classes, feature_channels)
        self.options = options
        self.generator = PseudoMaskGenerator(
            background=classes.background,
            presence=options.presence,
            dilations=options.dilations,
            iterations=options.iterations,
            metric=options.metric,
            gamma=options.gamma,
            sigma_start=options.sigma_start,
            sigma_end=options.sigma_end,
            reliability=options.reliability,
            low=options.low,
            cut=options.cut,
            cut_background=options.cut_background,
        )

    def fields_of(self) -> FieldsOf | None:
        """Geodesic fields are made on the whole image, so that a crop does not lose an object's click."""
        if self.options.metric != "geodesic":
            return None  # Euclidean fields follow from the clicks' coordinates, inside a crop or not.
        return GeodesicFields(len(self.classes), self.options.gamma)

    def loss(self, step: Step) -> Outcome:
        """See `Method.loss`."""
        on_clicks = self.click_loss(step)
        if step.progress < self.options.warmup:
            return Outcome(on_clicks, parts={"loss_clicks": on_clicks.detach()})
        labels = self.generator(
            step.batch.image,
            step.guide(),
            step.batch.points,
            progress=(step.progress - self.options.warmup) / max(1 - self.options.warmup, 1e-9),
            fields=step.batch.fields,
            valid=step.batch.valid,
        ).labels
        on_pseudo_mask = masked_cross_entropy(step.prediction.logits, labels)
        return Outcome(
            on_clicks + self.options.weight * on_pseudo_mask,
            labels,
            {"loss_clicks": on_clicks.detach(), "loss_pseudo": on_pseudo_mask.detach()},
        )


@dataclass(frozen=True)
class GeodesicFields:
    """Makes geodesic fields of the clicked classes on a whole image; loader workers receive it.

    Args:
        num_classes: C.
        gamma: Pixels per unit of colour.
    """

    num_classes: int
    gamma: float

    def __call__(self, image: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """(image 3×H×W, points N×3) → (fields P×H×W, their classes P)."""
        size = (image.shape[-2], image.shape[-1])
        classes = torch.unique(points[:, 2]).long()
        fields = distance_fields(
            [points], size, self.num_classes, metric="geodesic", image=image[None], gamma=self.gamma
        )
        return fields[0, classes], classes
