"""What the methods share that learn from clicks and from pseudo-masks made of the same step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from pointillist.classes import ClassSet
from pointillist.data.pieces import PlanesOf
from pointillist.data.samples import ClickedImages
from pointillist.pseudomask import PseudoMaskGenerator, PseudoMaskSettings, coarser, distance_fields, unit_length
from pointillist.training.losses import ClassFrequencies, as_prior, cross_entropy
from pointillist.training.methods.base import LossOutput, Method, MethodOptions, StepInput
from pointillist.training.pixel_classifier import PER_CLASS, PixelEvidence, fit_pixel_classifier


class PseudoMaskOptions(MethodOptions):
    """Settings of the pseudo-mask and its weight in the loss."""

    warmup: float = Field(default=0.1, ge=0, le=1)
    """Share of the training that learns from clicks alone."""
    weight: float = Field(default=4.0, ge=0)
    """Weight of the pseudo-mask loss after the warm-up."""
    pseudo_mask: PseudoMaskSettings = PseudoMaskSettings()
    """How pseudo-masks are made."""


class PseudoMaskMethod(Method):
    """Cross-entropy on the clicks and, after a warm-up, on a pseudo-mask made of the prediction of the same step."""

    options: PseudoMaskOptions

    def __init__(self, options: PseudoMaskOptions, classes: ClassSet, feature_channels: int) -> None:
        super().__init__(options, classes, feature_channels)
        self.generator = PseudoMaskGenerator(classes.background, options.pseudo_mask)
        self.pseudo_label_frequencies = ClassFrequencies(len(classes), options.class_balance)
        self._evidence: PixelEvidence | None = None

    def prepare(self, clicked: ClickedImages, network: nn.Module) -> None:
        """Learn the classifier of pixels that gives evidence."""
        settings = self.options.pseudo_mask
        if settings.evidence is None or settings.evidence.weight == 0:
            return
        classifier = fit_pixel_classifier(
            clicked(PER_CLASS),
            len(self.classes),
            balance=self.options.class_balance,
            prior_correction=settings.prior_correction,
            seed=torch.initial_seed() % 2**32,
        )
        self._evidence = PixelEvidence(classifier, self.classes.background, settings.presence)

    def evidence_of(self) -> PlanesOf | None:
        """What that classifier says, see `prepare`."""
        return self._evidence

    def distances_of(self) -> PlanesOf | None:
        """Geodesic distances are made on the whole image, so that a crop does not lose an object's click."""
        prior = self.options.pseudo_mask.spatial_prior
        if prior is None or prior.distance != "geodesic":
            return None  # Euclidean distances follow from the clicks' coordinates, inside a crop or not.
        return GeodesicDistances(len(self.classes), prior.gamma)

    def teacher_logits(self, step: StepInput) -> Tensor:
        """B×C×H×W logits that the pseudo-masks are made from."""
        return step.output.logits

    def teacher_prior(self) -> Tensor | None:
        """Class prior (C) in them."""
        return self.class_prior()

    def teacher_loss(self, step: StepInput) -> Tensor:
        """What the teacher itself has to learn, where it is not the prediction."""
        return step.output.logits.new_zeros(())

    def pseudo_labels(self, step: StepInput) -> Tensor:
        """See `Method.pseudo_labels`."""
        warmup = self.options.warmup
        return self.generator(
            step.batch.image,
            self.teacher_logits(step).detach().float().softmax(1),
            step.batch.points,
            progress=max(0.0, step.progress - warmup) / max(1 - warmup, 1e-9),
            class_prior=self.teacher_prior(),
            distances=step.batch.distances,
            evidence=step.batch.evidence,
            presence=step.batch.presence,
            scale=step.batch.scales,
            valid=step.batch.valid,
        ).labels

    def loss(self, step: StepInput) -> LossOutput:
        """See `Method.loss`."""
        on_clicks = self.click_loss(step)
        total = on_clicks + self.teacher_loss(step)
        parts = {"loss_clicks": on_clicks.detach()}
        if step.progress < self.options.warmup:
            return LossOutput(total, parts)
        labels = self.pseudo_labels(step)
        taught, weights = step.with_masks(labels), self.pseudo_label_frequencies.weights
        on_pseudo_labels = cross_entropy(step.output.logits, taught, weights)
        parts["loss_pseudo"] = on_pseudo_labels.detach()
        return LossOutput(total + self.options.weight * on_pseudo_labels, parts, labels)

    def update_class_frequencies(self, step: StepInput, output: LossOutput) -> None:
        """See `Method.update_class_frequencies`."""
        super().update_class_frequencies(step, output)
        if output.pseudo_labels is not None:
            self.pseudo_label_frequencies.update(step.with_masks(output.pseudo_labels))

    def class_prior(self) -> Tensor | None:
        """See `Method.class_prior`."""
        if self.options.pseudo_mask.prior_correction == 0:
            return None
        taught = self.frequencies.weighted
        if self.pseudo_label_frequencies.batches > 0:
            taught = taught + self.options.weight * self.pseudo_label_frequencies.weighted
        return as_prior(taught)


@dataclass(frozen=True)
class GeodesicDistances:
    """Makes geodesic distances to the clicked classes on a whole image; loader workers receive it.

    Args:
        num_classes: C.
        gamma: Unit lengths per unit of colour.
    """

    num_classes: int
    gamma: float

    def __call__(self, image: Tensor, points: Tensor, presence: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `PlanesOf`; with about one pixel per unit length, because the recipe knows nothing finer."""
        if presence is not None:  # these points mark no objects
            points = points[:0]
        height, width = image.shape[-2:]
        size, factor = coarser((height, width))
        if factor > 1:
            image = F.interpolate(image[None], size, mode="bilinear", antialias=True, align_corners=False)[0].clamp(
                0, 1
            )
            points = points * torch.tensor([size[1] / width, size[0] / height, 1.0])
        classes = torch.unique(points[:, 2]).long()
        gamma = self.gamma * unit_length(size)
        maps = distance_fields([points], size, self.num_classes, metric="geodesic", image=image[None], gamma=gamma)
        return maps[0, classes], classes
