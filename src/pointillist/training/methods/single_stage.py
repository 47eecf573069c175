"""Single-stage learning from points: pseudo-masks made inside the step from refined, spatially filtered predictions.

From the paper (Akiva and Dana, arXiv 2106.10309) are the single stage and the pseudo-masks made on the fly "through
refined and filtered features"; the stages, their order and all default values are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from pointillist.classes import ClassSet
from pointillist.data.samples import FieldsOf
from pointillist.pseudomask import PseudoMaskGenerator, distance_fields
from pointillist.training.losses import LEAST_SHARE, BalancedCrossEntropy
from pointillist.training.methods.base import Method, MethodOptions, Outcome, Step
from pointillist.training.methods.cells import cell_features


class SingleStageOptions(MethodOptions):
    """Settings of the pseudo-mask and its weight in the loss.

    Args:
        warmup: Share of the training that learns from clicks alone.
        weight: Weight of the pseudo-mask loss after the warm-up.
        click_head: Whether pseudo-masks are made by a head of their own, which learns from clicks alone. Without it the
            prediction makes them (or that of the moving average of the weights), and what is wrong in them comes back.
        shift: How far the shares of the classes in what was taught are taken out of the prediction before it makes
            pseudo-masks: 0 not at all, 1 wholly.
        presence: Keep only classes clicked in the image.
        dilations: Neighbour distances of the refinement, in pixels.
        iterations: Refinement steps; 0 leaves the prediction as it is.
        metric: Distance from the clicks; None switches the spatial filter off.
        gamma: Pixels per unit of colour in the geodesic distance.
        exponent: How strongly the ratio of the distances to the clicks of two classes decides between them; None
            filters with a Gaussian that expands from `sigma_start` to `sigma_end` instead.
        reach: Least weight of the background in the spatial filter, as a fraction of the nearest class's.
        sigma_start: Width of the expanding Gaussian at the start, in units of the image's scale √(H·W).
        sigma_end: Width at the end.
        reliability: Whether doubtful pixels are left out.
        confidence: Least share of the evidence at a pixel that its class must have; None judges by the three bars.
        low: Bar on evidence: the least that is kept.
        cut: Bar relative to the class's best pixel.
        cut_background: The same for the background.
    """

    name: Literal["single-stage"] = "single-stage"
    warmup: float = Field(default=0.1, ge=0, le=1)
    weight: float = Field(default=4.0, ge=0)
    click_head: bool = True
    shift: float = Field(default=0.6, ge=0, le=1)
    presence: bool = True
    dilations: tuple[int, ...] = (1, 2, 4, 8, 12, 24)
    iterations: int = Field(default=10, ge=0, le=1000)
    metric: Literal["euclidean", "geodesic"] | None = "geodesic"
    gamma: float = Field(default=300.0, ge=0)
    exponent: float | None = Field(default=1.5, ge=0)
    reach: float = Field(default=0.8, ge=0, le=1)
    sigma_start: float = Field(default=0.2, gt=0)
    sigma_end: float = Field(default=1.0, gt=0)
    reliability: bool = True
    confidence: float | None = Field(default=0.6, ge=0, le=1)
    low: float = Field(default=0.1, ge=0, le=1)
    cut: float = Field(default=0.4, ge=0, le=1)
    cut_background: float = Field(default=0.4, ge=0, le=1)

    def generator(self, background: int | None) -> PseudoMaskGenerator:
        """The generator of these settings."""
        names = {field.name for field in fields(PseudoMaskGenerator)} - {"background"}
        return PseudoMaskGenerator(background=background, **self.model_dump(include=names))


class SingleStage(Method):
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
        self.options = options
        self.generator = options.generator(classes.background)
        self.on_pseudo_masks = BalancedCrossEntropy(len(classes), options.balance)
        self.click_head = nn.Conv2d(feature_channels, len(classes), 1) if options.click_head else None
        self.on_click_head = BalancedCrossEntropy(len(classes), options.balance)

    def fields_of(self) -> FieldsOf | None:
        """Geodesic fields are made on the whole image, so that a crop does not lose an object's click."""
        if self.options.metric != "geodesic":
            return None  # Euclidean fields follow from the clicks' coordinates, inside a crop or not.
        return GeodesicFields(len(self.classes), self.options.gamma)

    def loss(self, step: Step) -> Outcome:
        """See `Method.loss`."""
        total = self.click_loss(step)
        parts = {"loss_clicks": total.detach()}
        head = self._head_logits(step)
        if head is not None:
            total = total + self.on_click_head.sparse(head, self.clicks(step))
        if step.progress < self.options.warmup:
            return Outcome(total, parts=parts)
        labels = self.generator(
            step.batch.image,
            step.guide() if head is None else head.detach().softmax(1),
            step.batch.points,
            progress=(step.progress - self.options.warmup) / max(1 - self.options.warmup, 1e-9),
            expected=self.taken_out(self.taught() if head is None else self.on_click_head.taught),
            fields=step.batch.fields,
            valid=step.batch.valid,
        ).labels
        on_pseudo_mask = self.on_pseudo_masks(step.prediction.logits, labels)
        parts["loss_pseudo"] = on_pseudo_mask.detach()
        return Outcome(total + self.options.weight * on_pseudo_mask, labels, parts)

    def _head_logits(self, step: Step) -> Tensor | None:
        """Logits of the second head at the size of the image, B×C×H×W; None where there is none."""
        if self.click_head is None:
            return None
        size = (step.batch.image.shape[-2], step.batch.image.shape[-1])
        # Planes are enlarged a third faster than interleaved channels.
        return cell_features(self.click_head(step.prediction.features).contiguous(), size, size, stride=1)

    def taught(self) -> Tensor:
        """How much of each class (C) the prediction was taught so far."""
        taught = self.on_clicks.taught
        if self.on_pseudo_masks.batches > 0:
            taught = taught + self.options.weight * self.on_pseudo_masks.taught
        return taught

    def taken_out(self, taught: Tensor) -> Tensor | None:
        """What probabilities are divided by (C): the share of each class in what was taught, to the power `shift`."""
        if self.options.shift == 0:
            return None
        return (taught / taught.sum()).clamp(min=LEAST_SHARE) ** self.options.shift

    def expected(self) -> Tensor | None:
        """See `Method.expected`; of the prediction, whatever made the pseudo-masks."""
        return self.taken_out(self.taught())


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
        planes = distance_fields(
            [points], size, self.num_classes, metric="geodesic", image=image[None], gamma=self.gamma
        )
        return planes[0, classes], classes
