"""Image, mask, points and distances move together.

All geometry uses continuous corner-based coordinates (pixel centre at + 0.5): a flip maps x to W − x, a resize to
x·W'/W, a crop to x − left. Nothing is rounded, so a click stays where it was on its object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as color

from pointillist.classes import IGNORE

PADDING_VALUE = 0.5
"""Grey beyond the image; the network's normalisation maps it to zero."""


@dataclass(frozen=True)
class Sample:
    """One image with everything known about it, at the scale of training.

    Args:
        name: Name of the image in its data set.
        image: 3×H×W float32 in [0, 1].
        points: N×3 float32 (x, y, class index), all clicks of the whole image; after a crop some lie outside.
        valid: H×W bool, False on padding.
        mask: H×W int64 class indices, 255 = ignore; None where there is no mask.
        distances: P×H×W float32 pixels to the nearest click of the classes in `distance_classes`; None when not asked.
        distance_classes: P class indices.
        scale: √(H·W) of the whole image in pixels; grows with a zoom, and a crop leaves it as it is.
    """

    name: str
    image: Tensor
    points: Tensor
    valid: Tensor
    scale: float
    mask: Tensor | None = None
    distances: Tensor | None = None
    distance_classes: Tensor | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.image.shape[-2], self.image.shape[-1]


def fit_size(size: tuple[int, int], box: tuple[int, int] | None) -> tuple[int, int]:
    """The largest (height, width) of the same shape that fits into a box; the size itself without a box.

    >>> fit_size((360, 480), (144, 192)), fit_size((100, 400), (160, 160))
    ((144, 192), (40, 160))
    """
    if box is None:
        return size
    scale = min(box[0] / size[0], box[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resize_image(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize H×W×3 with an antialiasing filter, so that shrinking keeps thin things visible."""
    if image.shape[:2] == size:
        return image
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def resize_labels(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize H×W labels; each pixel takes the label under its centre, nothing is mixed."""
    if labels.shape == size:
        return labels
    return np.asarray(Image.fromarray(labels).resize((size[1], size[0]), Image.Resampling.NEAREST))


def resize_sample(sample: Sample, size: tuple[int, int]) -> Sample:
    """Resize everything to (height, width)."""
    if sample.size == size:
        return sample
    (height, width), (new_height, new_width) = sample.size, size
    factor = torch.tensor([new_width / width, new_height / height, 1.0])
    zoom = (new_width / width * new_height / height) ** 0.5
    shrinks = new_height < height or new_width < width
    distances = sample.distances
    if distances is not None:
        # Only finite planes are kept, so that interpolation never meets 0·∞; distances are in pixels and scale along.
        distances = _interpolate(distances, size, "bilinear") * zoom
    return replace(
        sample,
        image=_interpolate(sample.image, size, "bilinear", antialias=shrinks).clamp_(0, 1),
        points=sample.points * factor,
        valid=_interpolate(sample.valid[None].float(), size, "nearest-exact")[0] > 0,
        mask=None if sample.mask is None else _interpolate(sample.mask[None].float(), size, "nearest-exact")[0].long(),
        distances=distances,
        scale=sample.scale * zoom,
    )


def _interpolate(planes: Tensor, size: tuple[int, int], mode: str, antialias: bool = False) -> Tensor:
    align = False if mode == "bilinear" else None
    return F.interpolate(planes[None], size, mode=mode, align_corners=align, antialias=antialias)[0]


def crop_sample(sample: Sample, top: int, left: int, size: tuple[int, int]) -> Sample:
    """Cut a window of (height, width) at (top, left); where it reaches beyond the image, there is padding.

    Padding is grey, ignored in the mask, not valid, and continues the border value of the distances.
    """
    height, width = sample.size
    if (top, left) == (0, 0) and size == sample.size:
        return sample
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + size[0], height), min(left + size[1], width)
    pad = (x0 - left, left + size[1] - x1, y0 - top, top + size[0] - y1)

    def cut(planes: Tensor, value: float) -> Tensor:
        return F.pad(planes[..., y0:y1, x0:x1], pad, value=value)

    distances = sample.distances
    if distances is not None and len(distances):
        distances = F.pad(distances[None, :, y0:y1, x0:x1], pad, mode="replicate")[0]
    elif distances is not None:
        distances = distances.new_zeros((0, *size))
    return replace(
        sample,
        image=cut(sample.image, PADDING_VALUE),
        points=sample.points - torch.tensor([left, top, 0.0]),
        valid=cut(sample.valid.to(torch.uint8), 0) > 0,
        mask=None if sample.mask is None else cut(sample.mask, IGNORE),
        distances=distances,
    )


def flip_sample(sample: Sample, *, horizontal: bool = False, vertical: bool = False) -> Sample:
    """Mirror left–right, top–bottom, or both."""
    axes = [axis for axis, wanted in ((-1, horizontal), (-2, vertical)) if wanted]
    if not axes:
        return sample
    points = sample.points.clone()
    if horizontal:
        points[:, 0] = sample.size[1] - points[:, 0]
    if vertical:
        points[:, 1] = sample.size[0] - points[:, 1]
    return replace(
        sample,
        image=sample.image.flip(axes),
        points=points,
        valid=sample.valid.flip(axes),
        mask=None if sample.mask is None else sample.mask.flip(axes),
        distances=None if sample.distances is None else sample.distances.flip(axes),
    )


@dataclass(frozen=True)
class Geometry:
    """Random scale, window and flips; the same draw for every method.

    Args:
        window: (height, width) of what comes out.
        scale: Range of the random zoom, drawn log-uniformly.
        horizontal_flip: Mirror left–right half of the time.
        vertical_flip: Mirror top–bottom half of the time.
    """

    window: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)
    horizontal_flip: bool = True
    vertical_flip: bool = False

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Draw and apply one transformation."""
        zoom = float(np.exp(rng.uniform(np.log(self.scale[0]), np.log(self.scale[1]))))
        height, width = (max(1, round(side * zoom)) for side in sample.size)
        sample = resize_sample(sample, (height, width))
        top, left = (
            int(rng.integers(min(0, gap), max(0, gap) + 1)) for gap in (height - self.window[0], width - self.window[1])
        )
        sample = crop_sample(sample, top, left, self.window)
        horizontal, vertical = (rng.random(2) < 0.5).tolist()
        return flip_sample(
            sample, horizontal=horizontal and self.horizontal_flip, vertical=vertical and self.vertical_flip
        )


def jitter_colors(image: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Random brightness, contrast and saturation, each by a factor in [1 − strength, 1 + strength].

    Args:
        image: 3×H×W in [0, 1].
        strength: 0 changes nothing.
        rng: Source of the draw.
    """
    factors: Sequence[float] = rng.uniform(1 - strength, 1 + strength, size=3).tolist()
    if strength == 0:
        return image
    image = color.adjust_brightness(image, factors[0])
    image = color.adjust_contrast(image, factors[1])
    saturated: Tensor = color.adjust_saturation(image, factors[2])
    return saturated
