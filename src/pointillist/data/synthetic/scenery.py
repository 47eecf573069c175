"""What scenes are drawn with: noise, shapes as signed distances, and a canvas that paints image and mask at once.

A shape is the signed distance from each pixel centre to its outline, in pixels, negative inside. Its coverage of a
pixel follows from that distance, so edges are anti-aliased without supersampling, and the mask changes exactly where
the coverage passes one half: image and mask agree to the pixel. All coordinates are continuous, x right, y down, with
the origin at the top-left corner of the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]
"""One number per pixel, H×W or anything that broadcasts to it; or a colour, …×3 in 0..1."""


@dataclass(frozen=True)
class Window:
    """A rectangle of a canvas.

    Args:
        box: Row and column slices.
        x: 1×w, pixel centres.
        y: h×1, pixel centres.
    """

    box: tuple[slice, slice]
    x: Field
    y: Field


class Canvas:
    """An image being painted, and its mask.

    Args:
        height: In pixels.
        width: In pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        self.color: Field = np.zeros((height, width, 3))
        self.mask: NDArray[np.uint8] = np.zeros((height, width), dtype=np.uint8)
        self.whole = self.around(width / 2, height / 2, max(height, width))

    def around(self, x: float, y: float, reach: float) -> Window:
        """The part of the canvas within `reach` pixels of a place; empty when that is outside."""
        height, width = self.mask.shape
        top, bottom = (min(max(math.floor(y + side * reach), 0), height) for side in (-1, 1))
        left, right = (min(max(math.floor(x + side * reach), 0), width) for side in (-1, 1))
        return Window(
            (slice(top, bottom), slice(left, right)),
            np.arange(left, right)[None, :] + 0.5,
            np.arange(top, bottom)[:, None] + 0.5,
        )

    def paint(self, where: Window, shape: Field, color: Field, label: int | None = None, soft: float = 1.0) -> None:
        """Cover a shape with colour; with a label, it also becomes an object in the mask.

        Args:
            where: Window the shape is given in.
            shape: h×w signed distances.
            color: h×w×3 or 3, in 0..1.
            label: Class index, or None for what is only paint.
            soft: Width of the edge in pixels; 1 = anti-aliased and sharp.
        """
        part = self.color[where.box]
        part += coverage(shape, soft)[..., None] * (color - part)
        if label is not None:
            self.mask[where.box][shape < 0] = label

    def shade(self, where: Window, shape: Field, factor: Field, soft: float = 1.0) -> None:
        """Multiply the colours below a shape; the mask stays."""
        self.color[where.box] *= 1 + coverage(shape, soft)[..., None] * (factor - 1)


def coverage(shape: Field, soft: float = 1.0) -> Field:
    """Part of each pixel that a shape covers, 0..1."""
    return np.clip(0.5 - shape / soft, 0, 1)


def textured(color: Field, variation: Field) -> Field:
    """Colour × (1 + variation): a pattern of light on one material."""
    return color * (1 + variation)[..., None]


def mixed(first: Field, second: Field, share: Field) -> Field:
    """h×w×3: `first` where the share (h×w) is 0, `second` where it is 1."""
    return first + share[..., None] * (second - first)


def noise(rng: np.random.Generator, shape: tuple[int, int], cells: Sequence[float], fade: float = 0.6) -> Field:
    """Smooth noise of several scales, about −1..1.

    Args:
        rng: Source of randomness.
        shape: Height and width in pixels.
        cells: Size of the blotches of each layer, in pixels.
        fade: Weight of each layer relative to the one before.
    """
    total = np.zeros(shape)
    weights = [fade**layer for layer in range(len(cells))]
    # Layers add up like independent noise, so this keeps the spread of the sum that of one layer.
    spread = math.sqrt(sum(weight * weight for weight in weights))
    for weight, cell in zip(weights, cells, strict=True):
        grid = rng.random((math.ceil(shape[0] / cell) + 2, math.ceil(shape[1] / cell) + 2)) * 2 - 1
        offsets = rng.random(2)
        row, down = _lattice(shape[0], cell, offsets[0])
        column, right = _lattice(shape[1], cell, offsets[1])
        lines = grid[row] + down[:, None] * (grid[row + 1] - grid[row])
        total += weight / spread * (lines[:, column] + right * (lines[:, column + 1] - lines[:, column]))
    return total


def _lattice(length: int, cell: float, offset: float) -> tuple[NDArray[np.intp], Field]:
    place = (np.arange(length) + 0.5) / cell + offset
    index = np.floor(place).astype(np.intp)
    step = place - index
    return index, step * step * (3 - 2 * step)


def turned(where: Window, x: float, y: float, angle: float) -> tuple[Field, Field]:
    """Coordinates (along, across) of a frame at (x, y), turned by an angle in radians; each h×w."""
    cosine, sine = math.cos(angle), math.sin(angle)
    dx, dy = where.x - x, where.y - y
    return dx * cosine + dy * sine, dy * cosine - dx * sine


def rectangle(along: Field, across: Field, half_length: float, half_width: float, corner: float = 0.0) -> Field:
    """Rectangle around the origin of a turned frame, with rounded corners of the given radius."""
    p, q = np.abs(along) - (half_length - corner), np.abs(across) - (half_width - corner)
    outside = np.sqrt(np.maximum(p, 0) ** 2 + np.maximum(q, 0) ** 2)
    distance: Field = outside + np.minimum(np.maximum(p, q), 0) - corner
    return distance


def blob(
    along: Field, across: Field, radius: float, waves: Sequence[tuple[int, float, float]], stretch: float = 1.0
) -> Field:
    """Closed curve around the origin whose radius swings with the angle.

    Args:
        along: h×w, first coordinate.
        across: h×w, second coordinate.
        radius: Mean radius in pixels, across.
        waves: Swings per turn, amplitude relative to the radius, and phase in radians, of each wave.
        stretch: Length divided by width.
    """
    along = along / stretch
    angle = np.arctan2(across, along)
    outline = np.ones_like(angle)
    for swings, amplitude, phase in waves:
        outline += amplitude * np.cos(swings * angle + phase)
    return np.sqrt(along * along + across * across) - radius * outline


@dataclass(frozen=True)
class Band:
    """A winding strip: a road or a stream.

    Args:
        x: A place on its middle line, before it winds.
        y: The same.
        angle: Its direction, in radians.
        swing: Amplitude of its bends, in pixels.
        bend: Radians of a bend per pixel.
        phase: Of the bends, in radians.
        half: Half its width, in pixels.
    """

    x: float
    y: float
    angle: float
    swing: float
    bend: float
    phase: float
    half: float

    def across(self, where: Window) -> tuple[Field, Field]:
        """How far along the band each pixel is, and its signed distance from the middle line; each h×w."""
        along, across = turned(where, self.x, self.y, self.angle)
        slope = self.swing * self.bend * np.cos(self.bend * along + self.phase)
        return along, (across - self.swing * np.sin(self.bend * along + self.phase)) / np.sqrt(1 + slope * slope)

    def place(self, along: float, beside: float = 0.0) -> tuple[float, float, float]:
        """(x, y, direction in radians) of a place `along` the band and `beside` its middle line."""
        slope = self.swing * self.bend * math.cos(self.bend * along + self.phase)
        across = self.swing * math.sin(self.bend * along + self.phase) + beside * math.sqrt(1 + slope * slope)
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        x, y = self.x + along * cosine - across * sine, self.y + along * sine + across * cosine
        return x, y, self.angle + math.atan(slope)
