"""Windows cut from images: image, mask, clicks and distances move together.

All geometry uses continuous corner-based coordinates (pixel centre at + 0.5): a flip maps x to W − x, a cut that is
zoomed maps x to (x − left)·W'/W. Clicks are never rounded, so each stays where it was on its object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pointillist.classes import IGNORE

PADDING_VALUE = 0.5
"""Grey beyond the image; the network's normalisation maps it to zero."""


@dataclass(frozen=True)
class Sample:
    """One image, or a window of one, with everything known about it.

    Args:
        name: Name of the image in its data set.
        image: K×H×W float32 in [0, 1].
        points: N×3 float32 (x, y, class index), all clicks that count for it; some lie outside.
        valid: H×W bool, False on padding and where there is no data.
        scale: √(H·W) in pixels of the whole image, or of a piece of a large one; grows with a zoom, and a cut leaves it
            as it is.
        mask: H×W int64 class indices, 255 = ignore; None where there is no mask.
        distances: P×H×W float32 pixels to the nearest click of the classes in `distance_classes`; None when not asked.
        distance_classes: P class indices.
        evidence: Q×H×W float32, how much a classifier of pixels believes the classes in `evidence_classes`; None when
            not asked.
        evidence_classes: Q class indices.
        presence: C float32, how likely each class is somewhere in the image; None where objects were clicked, so that
            it follows from the clicks. See `pointillist.points.occupancy`.
    """

    name: str
    image: Tensor
    points: Tensor
    valid: Tensor
    scale: float
    mask: Tensor | None = None
    distances: Tensor | None = None
    distance_classes: Tensor | None = None
    evidence: Tensor | None = None
    evidence_classes: Tensor | None = None
    presence: Tensor | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.image.shape[-2], self.image.shape[-1]


@dataclass(frozen=True)
class StoredSample:
    """A sample as it is kept between draws: compact, not yet cut.

    Args:
        name: Name of the image.
        image: K×H×W uint8 or uint16, 0 is black and the largest value of the type white.
        points: N×3 float32, see `Sample`.
        scale: √(H·W) in pixels.
        valid: H×W bool; None where all pixels count.
        mask: H×W uint8; None where there is no mask.
        distances: P×h×w float16 in their own pixels: they may have fewer of these than the image. Rounding changes a
            distance by less than 0.05 %.
        distance_classes: P class indices.
        evidence: Q×h×w float16 in [0, 1], see `Sample`; it may have fewer pixels than the image, too.
        evidence_classes: Q class indices.
        presence: C float32, see `Sample`.
    """

    name: str
    image: NDArray[Any]
    points: NDArray[np.float32]
    scale: float
    valid: NDArray[np.bool_] | None = None
    mask: NDArray[np.uint8] | None = None
    distances: NDArray[np.float16] | None = None
    distance_classes: NDArray[np.int64] | None = None
    evidence: NDArray[np.float16] | None = None
    evidence_classes: NDArray[np.int64] | None = None
    presence: NDArray[np.float32] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.image.shape[-2], self.image.shape[-1]

    def whole(self) -> Sample:
        """All of it, as it is."""
        return self.cut(Window(0, 0, *self.size), self.size)

    def cut(self, window: Window, size: tuple[int, int]) -> Sample:
        """Cut a window and bring it to (height, width); where it reaches beyond the image, there is padding.

        The work depends on the window alone. Padding is grey, ignored in the mask, not valid, and continues the border
        value of the distances.
        """
        height, width = self.size
        rows = slice(max(window.top, 0), min(window.top + window.height, height))
        columns = slice(max(window.left, 0), min(window.left + window.width, width))
        zoom_y, zoom_x = size[0] / window.height, size[1] / window.width
        top, bottom = (round((edge - window.top) * zoom_y) for edge in (rows.start, rows.stop))
        left, right = (round((edge - window.left) * zoom_x) for edge in (columns.start, columns.stop))
        inside = (max(1, bottom - top), max(1, right - left))
        # Rounding must not push a single row or column out.
        top, left = min(top, size[0] - inside[0]), min(left, size[1] - inside[1])
        pad = (left, size[1] - left - inside[1], top, size[0] - top - inside[0])

        image = image_tensor(self.image[:, rows, columns])
        if inside != image.shape[1:]:
            shrinks = inside[0] < image.shape[1] or inside[1] < image.shape[2]
            image = _interpolate(image, inside, "bilinear", antialias=shrinks).clamp_(0, 1)
        valid = torch.ones(inside) if self.valid is None else _nearest(self.valid[rows, columns], inside)
        mask = (
            None if self.mask is None else F.pad(_nearest(self.mask[rows, columns], inside), pad, value=IGNORE).long()
        )
        distances = evidence = None
        if self.distances is not None:
            distances = self._planes(self.distances, window, size)
            # Each is in its own pixels, and becomes one in pixels of the window.
            own = self.distances.shape[1] * self.distances.shape[2]
            distances *= (zoom_y * zoom_x * height * width / own) ** 0.5
        if self.evidence is not None:
            evidence = self._planes(self.evidence, window, size)
        points = torch.from_numpy(self.points) - torch.tensor([window.left, window.top, 0.0])
        return Sample(
            name=self.name,
            image=F.pad(image, pad, value=PADDING_VALUE),
            points=points * torch.tensor([zoom_x, zoom_y, 1.0]),
            valid=F.pad(valid, pad) > 0,
            scale=self.scale * (zoom_y * zoom_x) ** 0.5,
            mask=mask,
            distances=distances,
            distance_classes=None if self.distance_classes is None else torch.from_numpy(self.distance_classes),
            evidence=evidence,
            evidence_classes=None if self.evidence_classes is None else torch.from_numpy(self.evidence_classes),
            presence=None if self.presence is None else torch.from_numpy(self.presence),
        )

    def _planes(self, values: NDArray[np.float16], window: Window, size: tuple[int, int]) -> Tensor:
        """What P×h×w planes, of fewer pixels perhaps, say of each pixel of a window."""
        planes = torch.from_numpy(values).float()
        if not len(planes):
            return planes.new_zeros((0, *size))
        height, width = self.size
        if window == (0, 0, height, width) and size == self.size == planes.shape[1:]:
            return planes
        # Where the centre of each pixel of the window lies in the image, whose sides go from −1 to 1.
        ys = (window.top + (torch.arange(size[0]) + 0.5) * (window.height / size[0])) * (2 / height) - 1
        xs = (window.left + (torch.arange(size[1]) + 0.5) * (window.width / size[1])) * (2 / width) - 1
        grid = torch.stack([xs.expand(size), ys[:, None].expand(size)], dim=-1)
        found: Tensor = F.grid_sample(planes[None], grid[None], "bilinear", "border", align_corners=False)[0]
        return found


class Window(NamedTuple):
    """A part of an image in whole pixels; it may reach beyond the image."""

    top: int
    left: int
    height: int
    width: int


def image_tensor(values: NDArray[Any]) -> Tensor:
    """K×H×W uint8 or uint16 → float32 in [0, 1]."""
    return torch.from_numpy(values.astype(np.float32)).div_(np.iinfo(values.dtype).max)


def _interpolate(planes: Tensor, size: tuple[int, int], mode: str, antialias: bool = False) -> Tensor:
    align = False if mode == "bilinear" else None
    return F.interpolate(planes[None], size, mode=mode, align_corners=align, antialias=antialias)[0]


def _nearest(values: NDArray[Any], size: tuple[int, int]) -> Tensor:
    plane = torch.from_numpy(values.astype(np.float32))
    return plane if plane.shape == size else _interpolate(plane[None], size, "nearest-exact")[0]


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
        evidence=None if sample.evidence is None else sample.evidence.flip(axes),
    )


@dataclass(frozen=True)
class Geometry:
    """Random zoom, window and flips; the same draw for every method.

    Args:
        window: (height, width) of what comes out.
        zoom: Range of the random zoom, drawn log-uniformly.
        horizontal_flip: Mirror left–right half of the time.
        vertical_flip: Mirror top–bottom half of the time.
    """

    window: tuple[int, int]
    zoom: tuple[float, float] = (1.0, 1.0)
    horizontal_flip: bool = True
    vertical_flip: bool = False

    @property
    def largest(self) -> int:
        """Longest side of what may be cut out before it is zoomed."""
        return -int(-max(self.window) // min(self.zoom[0], 1.0))

    def __call__(
        self, stored: StoredSample, rng: np.random.Generator, around: tuple[float, float] | None = None
    ) -> Sample:
        """Draw a transformation and apply it: the window is cut first and then zoomed, so that only it costs.

        Args:
            stored: The image.
            rng: Source of the draw.
            around: A click (x, y) that has to be in the window; every window that holds it is as likely.
        """
        zoom = float(np.exp(rng.uniform(np.log(self.zoom[0]), np.log(self.zoom[1]))))
        sides = [max(1, round(side / zoom)) for side in self.window]
        places = (None, None) if around is None else (around[1], around[0])
        top, left = (
            _start(length, side, place, rng) for length, side, place in zip(stored.size, sides, places, strict=True)
        )
        sample = stored.cut(Window(top, left, sides[0], sides[1]), self.window)
        horizontal, vertical = (rng.random(2) < 0.5).tolist()
        return flip_sample(
            sample, horizontal=horizontal and self.horizontal_flip, vertical=vertical and self.vertical_flip
        )


def _start(length: int, side: int, place: float | None, rng: np.random.Generator) -> int:
    """Where a window of a side begins on an image of a length; with a place, such that it is inside."""
    low, high = min(0, length - side), max(0, length - side)
    if place is not None:
        pixel = min(int(place), length - 1)
        low, high = max(low, pixel - side + 1), min(high, pixel)
    return int(rng.integers(low, high + 1))


def jitter_colors(image: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Random brightness, contrast and saturation, each by a factor in [1 − strength, 1 + strength].

    Args:
        image: K×H×W in [0, 1]. Grey is the luminance of red, green and blue; otherwise the bands' mean.
        strength: 0 changes nothing.
        rng: Source of the draw.
    """
    factors: Sequence[float] = rng.uniform(1 - strength, 1 + strength, size=3).tolist()
    if strength == 0:
        return image
    if len(image) == 3:
        # Imported here: it brings 170 MB along, which only a training needs.
        from torchvision.transforms.v2 import functional as color

        image = color.adjust_brightness(image, factors[0])
        image = color.adjust_contrast(image, factors[1])
        saturated: Tensor = color.adjust_saturation(image, factors[2])
        return saturated
    image = (image * factors[0]).clamp_(0, 1)
    image = torch.lerp(image.mean(), image, factors[1]).clamp_(0, 1)
    return torch.lerp(image.mean(0, keepdim=True), image, factors[2]).clamp_(0, 1)
