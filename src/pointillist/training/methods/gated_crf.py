"""Clicks and a pairwise energy: neighbours of the same colour shall agree.

Obukhov, Georgoulis, Dai and Van Gool, *Gated CRF Loss for Weakly Supervised Semantic Image Segmentation*, arXiv
1906.04651 (2019); see docs/methods.md for what differs from their code.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from pointillist.pseudomask.fields import band_weight
from pointillist.training.methods.base import LossOutput, Method, MethodOptions, StepInput
from pointillist.training.methods.cells import cell_means, clicked_images, valid_cells

COLOR_STD = 0.25
"""Standard deviation by which colours in [0, 1] are divided, the one of the network's input."""


class GatedCrfOptions(MethodOptions):
    """Settings of the pairwise energy."""

    name: Literal["gated-crf"] = "gated-crf"
    weight: float = Field(default=0.01, ge=0)
    """Weight of the energy beside the cross-entropy."""
    radius: int = Field(default=5, ge=1, le=32)
    """Half the side of the window of neighbours, in cells."""
    sigma_xy: float = Field(default=6.0, gt=0)
    """Width of the kernel in position, in cells."""
    sigma_rgb: float = Field(default=0.1, gt=0)
    """Width of the kernel in standardised colour."""
    stride: Literal[1, 2, 4, 8] = 2
    """Pixels per cell: the energy compares predictions at low resolution."""


class GatedCrf(Method):
    """Cross-entropy on the clicks, and a Potts energy between near pixels of like colour."""

    name: ClassVar[str] = "gated-crf"
    title: ClassVar[str] = "clicks and the Gated CRF loss (Obukhov 2019)"
    Options: ClassVar[type[MethodOptions]] = GatedCrfOptions

    options: GatedCrfOptions

    def loss(self, step: StepInput) -> LossOutput:
        """See `Method.loss`."""
        options, batch = self.options, step.batch
        valid = valid_cells(batch.valid, options.stride)
        energies = gated_crf_energy(
            cell_means(step.output.logits, options.stride).softmax(1),
            cell_means(batch.image, options.stride) / COLOR_STD,
            valid,
            radius=options.radius,
            sigma_xy=options.sigma_xy,
            sigma_rgb=options.sigma_rgb,
        )
        energy = (energies * clicked_images(batch.points, energies.device)).mean()
        return self.beside_clicks(step, crf=(options.weight, energy))


def gated_crf_energy(
    probabilities: Tensor, colors: Tensor, valid: Tensor, *, radius: int, sigma_xy: float, sigma_rgb: float
) -> Tensor:
    """Σ_i Σ_{j in the window of i} k_ij·(1 − Σ_c p_i,c·p_j,c) per image, divided by its number of valid cells.

    k_ij = exp(−‖x_i − x_j‖²/2σ_xy² − 3/K·‖I_i − I_j‖²/2σ_rgb²), j ≠ i, zero where i or j is padding; for 3/K see
    `band_weight`.

    Args:
        probabilities: B×C×h×w; the gradient goes through p_i and p_j.
        colors: B×K×h×w standardised colours.
        valid: B×h×w bool, False on padding.
        radius: Half the side of the square window, in cells.
        sigma_xy: σ_xy in cells.
        sigma_rgb: σ_rgb in the unit of `colors`.

    Returns:
        B; 0 for an image of padding only.
    """
    colors = colors / (math.sqrt(2 / band_weight(colors.shape[1])) * sigma_rgb)
    sums: Tensor = _PairEnergy.apply(probabilities, colors, valid, radius, sigma_xy)
    return sums / valid.flatten(1).sum(1).clamp(min=1)


class _PairEnergy(torch.autograd.Function):
    """Energy sums per image, with the gradient −2·Σ_j k_ij·p_j.

    Left to autograd, each of the 120 neighbours would keep its copies of p and k for the way back. The energy is
    quadratic in p and k symmetric, so one sum over neighbours gives value and gradient alike.
    """

    @staticmethod
    def forward(ctx: Any, probabilities: Tensor, colors: Tensor, valid: Tensor, radius: int, sigma_xy: float) -> Tensor:
        mask = valid[:, None].to(probabilities.dtype)
        # Σ_j k_ij·p_j and Σ_j k_ij in one go: the latter is a further plane of ones.
        planes = torch.cat([probabilities, torch.ones_like(mask)], dim=1)
        sums = torch.zeros_like(planes)
        for one, other, squared in _pairs(probabilities.shape[-2], probabilities.shape[-1], radius):
            distance = (colors[one] - colors[other]).square_().sum(1, keepdim=True)
            kernel = distance.add_(squared / (2 * sigma_xy**2)).neg_().exp_()
            kernel *= mask[one] * mask[other]
            sums[one].addcmul_(kernel, planes[other])
            sums[other].addcmul_(kernel, planes[one])
        agreement = sums[:, :-1]
        ctx.save_for_backward(agreement)
        return sums[:, -1].flatten(1).sum(1) - (agreement * probabilities).flatten(1).sum(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        (agreement,) = ctx.saved_tensors
        return -2 * agreement * gradients[0][:, None, None, None], None, None, None, None


def _pairs(height: int, width: int, radius: int) -> Iterator[tuple[Any, Any, int]]:
    """Each pair of offsets once: the indices of all first cells, of all second cells, their squared distance."""
    for down in range(min(radius, height - 1) + 1):
        for right in range(-min(radius, width - 1), min(radius, width - 1) + 1):
            if down == 0 and right <= 0:
                continue
            one = (..., slice(0, height - down), slice(max(0, -right), width - max(0, right)))
            other = (..., slice(down, height), slice(max(0, right), width - max(0, -right)))
            yield one, other, down**2 + right**2
