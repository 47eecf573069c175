"""Features of an image that nobody has to learn: intensity, edges and texture at several scales.

They are what scikit-image's `multiscale_basic_features` computes and what ilastik, Labkit, Trainable Weka Segmentation
and convpaint classify pixels by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from pointillist.classes import IGNORE
from pointillist.data.transforms import Sample
from pointillist.pseudomask import rasterise_points

SIGMAS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Standard deviations of the Gaussians, pixels."""

PER_BAND = 4
"""Features of a band at one scale."""

TRUNCATE = 4.0
"""Where a Gaussian ends, in standard deviations."""


def filter_bank(images: Tensor, sigmas: Sequence[float] = SIGMAS) -> Tensor:
    """Intensity, edges and texture of each band at each scale.

    A band smoothed with σ gives four features: itself, the magnitude of its gradient (Sobel), and the larger and the
    smaller eigenvalue of its Hessian. Beyond the image, the value at its border goes on. A window of an image gives the
    same as the whole from `reach(sigmas)` pixels off the window's borders.

    Args:
        images: B×K×H×W in [0, 1].
        sigmas: S standard deviations, pixels.

    Returns:
        B×F×H×W, F = S·4·K: scale by scale, feature by feature, band by band.
    """
    found: list[Tensor] = []
    for sigma in sigmas:
        smooth = _smooth(images, sigma)
        found += [smooth, _sobel(smooth), *_hessian_eigenvalues(smooth)]
    return torch.cat(found, 1)


def reach(sigmas: Sequence[float] = SIGMAS) -> int:
    """How many pixels away an image can change a feature."""
    return max(map(_radius, sigmas)) + 2


def clicked_features(
    samples: Iterable[Sample], features_of: Callable[[Tensor], Tensor], most: int | None = None
) -> tuple[Tensor, Tensor]:
    """Features and classes of clicked pixels: n×F float32 and n int64.

    Args:
        samples: Images with their clicks.
        features_of: B×K×H×W images to B×F×H×W features, for instance `filter_bank`.
        most: When so many clicks are reached, the other images are not read.
    """
    features, labels = [], []
    for sample in samples:
        clicked = rasterise_points([sample.points], sample.size, sample.image.device)[0]
        rows, columns = (clicked != IGNORE).nonzero(as_tuple=True)
        features.append(features_of(sample.image[None])[0][:, rows, columns].T)
        labels.append(clicked[rows, columns])
        if most is not None and sum(map(len, labels)) >= most:
            break
    return torch.cat(features), torch.cat(labels)


def _radius(sigma: float) -> int:
    return int(TRUNCATE * sigma + 0.5)


def _smooth(images: Tensor, sigma: float) -> Tensor:
    radius, bands = _radius(sigma), images.shape[1]
    weights = [math.exp(-0.5 * (x / sigma) ** 2) for x in range(-radius, radius + 1)]
    kernel = images.new_tensor([weight / sum(weights) for weight in weights])
    padded = F.pad(images, (radius,) * 4, mode="replicate")
    across = F.conv2d(padded, kernel.expand(bands, 1, 1, -1), groups=bands)
    return F.conv2d(across, kernel[:, None].expand(bands, 1, -1, 1), groups=bands)


def _beside(maps: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The neighbours before and after each pixel; slices are a hundred times faster than convolutions of CPUs."""
    length = maps.shape[dim]
    padded = F.pad(maps, (1, 1, 0, 0) if dim == 3 else (0, 0, 1, 1), mode="replicate")
    return padded.narrow(dim, 0, length), padded.narrow(dim, 2, length)


def _difference(maps: Tensor, dim: int) -> Tensor:
    before, after = _beside(maps, dim)
    return (after - before) / 2


def _mean(maps: Tensor, dim: int) -> Tensor:
    before, after = _beside(maps, dim)
    return (before + after) / 4 + maps / 2


def _sobel(maps: Tensor) -> Tensor:
    across, down = _mean(_difference(maps, 3), 2), _mean(_difference(maps, 2), 3)
    return (2 * (across.square() + down.square())).sqrt()


def _hessian_eigenvalues(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Of second differences; the larger ones first."""
    across, down = _difference(maps, 3), _difference(maps, 2)
    xx, yy, xy = _difference(across, 3), _difference(down, 2), _difference(across, 2)
    mean, spread = (xx + yy) / 2, (xy.square() + ((xx - yy) / 2).square()).sqrt()
    return mean + spread, mean - spread
