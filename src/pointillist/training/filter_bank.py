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
from pointillist.data.samples import Clicked
from pointillist.errors import PointsError
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
    # Second differences of a smooth image are near the rounding of float32, and trees ask on which side of a number a
    # feature lies. Apple's GPUs have no float64.
    exact = images if images.device.type == "mps" else images.double()
    found: list[Tensor] = []
    for sigma in sigmas:
        smooth = _smooth(_smooth(exact, sigma, 3), sigma, 2)
        found += [one.to(images.dtype) for one in (smooth, _sobel(smooth), *_hessian_eigenvalues(smooth))]
    return torch.cat(found, 1)


def reach(sigmas: Sequence[float] = SIGMAS) -> int:
    """How many pixels away an image can change a feature."""
    return max(map(_radius, sigmas)) + 2


def clicked_features(clicked: Iterable[Clicked], features_of: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Features and classes of clicked pixels that have data: n×F float32 and n int64.

    Args:
        clicked: Images with their clicks.
        features_of: B×K×H×W images to B×F×h×w features, for instance `filter_bank`; with fewer pixels than the image
            has, a click takes the pixel that it lies in.

    Raises:
        PointsError: No click lies on a pixel with data.
    """
    features, labels = [], []
    for sample, points, _ in clicked:
        map_of_clicks = rasterise_points([points], sample.size, sample.image.device)[0]
        rows, columns = ((map_of_clicks != IGNORE) & sample.valid).nonzero(as_tuple=True)
        if len(rows) == 0:
            continue
        found = features_of(sample.image[None])[0]
        features.append(found[:, rows * found.shape[1] // sample.size[0], columns * found.shape[2] // sample.size[1]].T)
        labels.append(map_of_clicks[rows, columns])
    if not labels:
        hint = "Look at the images in the annotator: what is transparent or marked as empty cannot be learnt."
        raise PointsError("no click lies on a pixel that has data.", hint=hint)
    return torch.cat(features), torch.cat(labels)


def _radius(sigma: float) -> int:
    return int(TRUNCATE * sigma + 0.5)


def _smooth(maps: Tensor, sigma: float, dim: int) -> Tensor:
    radius = _radius(sigma)
    weights = [math.exp(-0.5 * (x / sigma) ** 2) for x in range(radius + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    found = maps * (weights[0] / total)
    padded, both = _padded(maps, radius, dim), torch.empty_like(maps)
    for offset in range(1, radius + 1):
        torch.add(*_beside(padded, maps.shape[dim], radius, offset, dim), out=both)
        found.add_(both, alpha=weights[offset] / total)
    return found


def _padded(maps: Tensor, by: int, dim: int) -> Tensor:
    """The same with its border value going on for some pixels."""
    return F.pad(maps, (by, by, 0, 0) if dim == 3 else (0, 0, by, by), mode="replicate")


def _beside(padded: Tensor, length: int, radius: int, offset: int, dim: int) -> tuple[Tensor, Tensor]:
    """What lies so many pixels before and after each; slices are faster on CPUs than convolutions."""
    return padded.narrow(dim, radius - offset, length), padded.narrow(dim, radius + offset, length)


def _difference(maps: Tensor, dim: int) -> Tensor:
    before, after = _beside(_padded(maps, 1, dim), maps.shape[dim], 1, 1, dim)
    return (after - before) / 2


def _mean(maps: Tensor, dim: int) -> Tensor:
    before, after = _beside(_padded(maps, 1, dim), maps.shape[dim], 1, 1, dim)
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
