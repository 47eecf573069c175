"""The spatial prior: how much a class is believed at a pixel by its distance from the clicks alone."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from pointillist.errors import ConfigError
from pointillist.pseudomask.channels import channels_of_clicks
from pointillist.pseudomask.checks import check_maps, check_setting
from pointillist.pseudomask.fields import Metric, class_fields
from pointillist.pseudomask.stages.base import Stage, StageInput

TINY = 1e-30
"""A prior that is next to nothing, but wins where all others are 0."""


class SpatialPrior(Stage):
    """What both priors share: the distance they are made of, and the background's floor."""

    distance: Metric = "geodesic"
    """`geodesic` (paths that respect the borders of objects) or `euclidean` distance from the clicks."""
    gamma: float = Field(default=300.0, ge=0)
    """Price of colour in a geodesic: so many unit lengths for the way from black to white in one band of three."""
    background_floor: float = Field(default=0.8, ge=0, le=1)
    """Least prior of the background, as a fraction of the largest at the pixel. The background is what lies between
    objects, often in many pieces of which few are clicked, so distance may count against it only up to a point."""

    @model_validator(mode="after")
    def _no_idle_setting(self) -> Self:
        if self.distance == "euclidean" and self.gamma != type(self).model_fields["gamma"].default:
            raise ValueError("gamma prices colour, which a euclidean distance does not see")
        return self

    def distances(self, given: StageInput) -> Tensor:
        """B×K×H×W pixels to the nearest click of the class of each channel."""
        size = (given.image.shape[2], given.image.shape[3])
        count = given.classes.shape[1]
        rows = channels_of_clicks(given.clicks, given.classes)
        gammas = [self.gamma * unit for unit in given.units]
        return class_fields(rows, size, count, self.distance, given.image, gammas, given.image.device)[0]

    @abstractmethod
    def prior(self, distances: Tensor, progress: float | None) -> Tensor:
        """B×K×H×W in [0, 1] of distances in unit lengths; 0 for a class without a click in the image."""

    def __call__(self, scores: Tensor, given: StageInput) -> Tensor:
        """Multiply the scores by the prior, where clicks mark objects."""
        distances = self.distances(given) if given.distances is None else given.distances
        prior = self.prior(given.in_units(distances), given.progress)
        if self.background_floor > 0 and given.background is not None:
            least = self.background_floor * prior.amax(dim=1, keepdim=True)
            is_background = (given.classes == given.background).to(prior.device)[:, :, None, None]
            prior = torch.where(is_background, torch.maximum(prior, least), prior)
        if given.objects is not None:
            for image, objects in zip(prior, given.objects, strict=True):
                if not objects:
                    image.fill_(1.0)
        return prior.mul_(scores)


class InverseDistance(SpatialPrior):
    """(1 + D)^−power: what counts is the ratio of the distances to the clicks of two classes, near and far alike."""

    name: ClassVar[str] = "inverse-distance"
    kind: Literal["inverse-distance"] = "inverse-distance"
    power: float = Field(default=1.5, ge=0)
    """How strongly the ratio of the distances to the clicks of two classes decides between them."""

    def prior(self, distances: Tensor, progress: float | None) -> Tensor:
        """See `inverse_distance_weighting`."""
        return inverse_distance_weighting(distances, power=self.power)


class Gaussian(SpatialPrior):
    """exp(−D²/2σ²) with a σ that grows over the training: trust near the clicks first."""

    name: ClassVar[str] = "gaussian"
    kind: Literal["gaussian"] = "gaussian"
    sigma_start: float = Field(default=32.0, gt=0)
    """σ at the start of training, in unit lengths."""
    sigma_end: float = Field(default=160.0, gt=0)
    """σ at its end."""

    def prior(self, distances: Tensor, progress: float | None) -> Tensor:
        """See `expanding_gaussian`; where all classes are too far for float32, the nearest one is believed."""
        if progress is None:
            raise ConfigError("Got None.", field="progress", hint="A Gaussian prior expands: pass the progress.")
        prior = expanding_gaussian(distances, progress, sigma_start=self.sigma_start, sigma_end=self.sigma_end)
        nearest, index = distances.min(dim=1, keepdim=True)
        silent = (prior.amax(dim=1, keepdim=True) == 0) & nearest.isfinite()
        return prior.scatter_add_(1, index, silent.to(prior.dtype) * TINY)


def inverse_distance_weighting(distances: Tensor, *, power: float) -> Tensor:
    """(1 + D)^−power.

    Args:
        distances: B×C×H×W in unit lengths, +inf for classes without clicks.
        power: ≥ 0; 0 believes every clicked class the same.

    Returns:
        B×C×H×W float32 in [0, 1]; 0 where the distance is +inf.

    Raises:
        TensorError: For a wrong rank or dtype.
        ConfigError: For a power that is negative or not finite.
    """
    check_maps(distances, "distances")
    check_setting(math.isfinite(power) and power >= 0, "power", power, "Use a finite number, 0 or more.")
    weights = (distances.float() + 1).pow_(-power)
    return weights if power > 0 else weights.masked_fill_(distances.isinf(), 0.0)


def expanding_gaussian(distances: Tensor, progress: float, *, sigma_start: float, sigma_end: float) -> Tensor:
    """exp(−D²/2σ(t)²), where σ(t) = sigma_start · (sigma_end / sigma_start)^t grows by the same factor in equal times.

    Args:
        distances: B×C×H×W, +inf for classes without clicks.
        progress: t in [0, 1], the share of training that is done.
        sigma_start: σ(0) in the unit of the distances.
        sigma_end: σ(1), likewise.

    Returns:
        B×C×H×W in [0, 1], in the dtype of `distances`; 0 where the distance is +inf.

    Raises:
        TensorError: For a wrong rank or dtype.
        ConfigError: For a progress outside [0, 1] or a σ that is not positive and finite.
    """
    check_maps(distances, "distances")
    check_progress(progress)
    for name, sigma in (("sigma_start", sigma_start), ("sigma_end", sigma_end)):
        check_setting(math.isfinite(sigma) and sigma > 0, name, sigma, "Use a finite number above 0.")
    sigma = sigma_start * (sigma_end / sigma_start) ** progress
    wide = distances if distances.dtype == torch.float64 else distances.float()
    return torch.exp(-(wide / (math.sqrt(2.0) * sigma)).square()).to(distances.dtype)


def check_progress(progress: float) -> None:
    """Refuse anything but a share.

    Raises:
        ConfigError: With the value.
    """
    check_setting(0.0 <= progress <= 1.0, "progress", progress, "Use the share of training that is done, 0 to 1.")
