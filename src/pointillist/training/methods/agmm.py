"""Clicks and an adaptive Gaussian mixture: pixels whose features are near those of a clicked class shall have it.

Wu et al., *Sparsely Annotated Semantic Segmentation with Adaptive Gaussian Mixtures*, CVPR 2023 (AGMM); see
docs/methods.md for what differs from their code.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from pointillist.classes import IGNORE
from pointillist.pseudomask.presence import presence_weights
from pointillist.training.losses import masked_mean
from pointillist.training.methods.base import LossOutput, Method, MethodOptions, StepInput
from pointillist.training.methods.cells import (
    cell_clicks,
    cell_features,
    cell_means,
    clicked_images,
    feature_stride,
    valid_cells,
)

TINY = 1e-6
"""Added to the argument of every logarithm, as in the published code."""


class AgmmOptions(MethodOptions):
    """Weights of the terms beside the cross-entropy."""

    name: Literal["agmm"] = "agmm"
    weight: float = Field(default=2.0, ge=0)
    """Weight of the two cross-entropies between clicks, mixture and prediction."""
    separation: float = Field(default=1.0, ge=0)
    """Weight of the likeness of two classes' centres in one image."""
    absent: float = Field(default=1.0, ge=0)
    """Weight of the probability of classes that are not in the image."""


class Agmm(Method):
    """Cross-entropy on the clicks, and agreement with Gaussians around the features of the clicked pixels.

    Everything happens at the resolution of the features. Nothing is detached: features, centres and predictions move
    towards one another.
    """

    name: ClassVar[str] = "agmm"
    title: ClassVar[str] = "clicks and adaptive Gaussian mixtures of features (Wu 2023)"
    Options: ClassVar[type[MethodOptions]] = AgmmOptions

    options: AgmmOptions

    def loss(self, step: StepInput) -> LossOutput:
        """See `Method.loss`."""
        batch, logits, device = step.batch, step.output.logits, step.output.logits.device
        image_size = (logits.shape[-2], logits.shape[-1])
        stride = feature_stride(step.output.features, image_size)
        probabilities = cell_means(logits, stride).softmax(1)
        size = (probabilities.shape[-2], probabilities.shape[-1])
        features = cell_features(step.output.features, image_size, size, stride)
        labels = cell_clicks(batch.points, size, stride, device)
        valid = valid_cells(batch.valid, stride).to(probabilities.dtype)

        centres, clicked = class_centres(features, labels, len(self.classes))
        mixture = gaussians(features, centres, clicked)
        agreement = mixture_loss(probabilities, mixture, labels, clicked, valid)
        separation = likeness(centres, clicked)
        count, background = len(self.classes), self.classes.background
        present = presence_weights(batch.points, batch.presence, count, background=background).to(device)
        # Of an image that nobody clicked it is not known what is absent.
        looked_at = valid * clicked_images(batch.points, device)[:, None, None]
        absent = absence_loss(probabilities, present, looked_at)
        return self.beside_clicks(
            step,
            mixture=(self.options.weight, agreement),
            separation=(self.options.separation, separation),
            absent=(self.options.absent, absent),
        )


def class_centres(features: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """μ_c: mean feature of the cells clicked as c, for each image alone.

    Args:
        features: B×F×h×w.
        labels: B×h×w clicks, 255 = none.
        num_classes: C.

    Returns:
        Centres B×C×F (0 where there is none), and which there are, B×C in {0, 1}.
    """
    image, row, column = (labels != IGNORE).nonzero(as_tuple=True)
    slots = image * num_classes + labels[image, row, column]
    found = features.permute(0, 2, 3, 1)[image, row, column]
    counts = found.new_zeros(len(labels) * num_classes).index_add(0, slots, torch.ones_like(found[:, 0]))
    sums = found.new_zeros(len(counts), features.shape[1]).index_add(0, slots, found)
    centres = (sums / counts.clamp(min=1)[:, None]).view(len(labels), num_classes, -1)
    return centres, counts.clamp(max=1).view(len(labels), num_classes)


def gaussians(features: Tensor, centres: Tensor, clicked: Tensor) -> Tensor:
    """G_c = exp(−d_c²), d_c = mean over channels of |f − μ_c|.

    Args:
        features: B×F×h×w.
        centres: B×C×F.
        clicked: B×C in {0, 1}.

    Returns:
        B×C×h×w; 0 for classes without a centre.
    """
    rows = features.flatten(2).transpose(1, 2)
    distances = torch.cdist(centres, rows, p=1.0) / features.shape[1]
    return (torch.exp(-distances.square()) * clicked[..., None]).view(*clicked.shape, *features.shape[2:])


def mixture_loss(probabilities: Tensor, mixture: Tensor, labels: Tensor, clicked: Tensor, valid: Tensor) -> Tensor:
    """½·BCE(p, G) on all valid cells and ½·BCE(onehot, G) on clicks, each averaged over the classes clicked in view.

    Args:
        probabilities: p, B×C×h×w.
        mixture: G, B×C×h×w.
        labels: B×h×w clicks, 255 = none.
        clicked: B×C in {0, 1}.
        valid: B×h×w in {0, 1}.

    Returns:
        Scalar, mean over images of the means over cells; 0 for an image without a click in view.
    """
    shares = (clicked / clicked.sum(1, keepdim=True).clamp(min=1))[..., None, None]
    everywhere = (_cross_entropy(mixture, probabilities) * shares).sum(1) / 2
    image, row, column = (labels != IGNORE).nonzero(as_tuple=True)
    at_clicks = mixture.permute(0, 2, 3, 1)[image, row, column]
    onehot = torch.zeros_like(at_clicks).scatter(1, labels[image, row, column][:, None], 1.0)
    losses = (_cross_entropy(onehot, at_clicks) * shares[image, :, 0, 0]).sum(1) / 2
    per_image = losses.new_zeros(len(labels)).index_add(0, image, losses)
    counts = (labels != IGNORE).flatten(1).sum(1).clamp(min=1)
    return masked_mean(everywhere, valid) + (per_image / counts).mean()


def likeness(centres: Tensor, clicked: Tensor) -> Tensor:
    """Mean over the pairs of classes clicked in an image of exp(−d²), d = mean over channels of |μ_c − μ_c'|.

    Args:
        centres: B×C×F.
        clicked: B×C in {0, 1}.

    Returns:
        Scalar, mean over images; 0 for an image with fewer than two classes in view.
    """
    distances = (centres[:, :, None] - centres[:, None]).abs().mean(-1)
    pairs = (clicked[:, :, None] * clicked[:, None]).triu(diagonal=1)
    return ((torch.exp(-distances.square()) * pairs).sum((1, 2)) / pairs.sum((1, 2)).clamp(min=1)).mean()


def absence_loss(probabilities: Tensor, present: Tensor, weights: Tensor) -> Tensor:
    """−log(1 − p_c), summed over the classes, each as far as it is likely not to be in the image.

    Args:
        probabilities: B×C×h×w.
        present: B×C in [0, 1], how likely each class is in the image.
        weights: B×h×w in {0, 1}.

    Returns:
        Scalar, mean per image over its cells, then over images.
    """
    losses = -torch.log1p(TINY - probabilities) * (1 - present)[..., None, None]
    return masked_mean(losses.sum(1), weights)


def _cross_entropy(target: Tensor, probabilities: Tensor) -> Tensor:
    """Binary, element by element; gradients go into both."""
    return -target * torch.log(probabilities + TINY) - (1 - target) * torch.log1p(TINY - probabilities)
