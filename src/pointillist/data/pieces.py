"""Large images in overlapping pieces: memory and time of a draw do not depend on the size of the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointillist.classes import IGNORE
from pointillist.data.dataset import Dataset, Item
from pointillist.data.images import image_size, reads_windows
from pointillist.data.inputs import Scale, at_size
from pointillist.data.masks import check_size
from pointillist.data.regions import Part, Source, file_of, window_of
from pointillist.data.resize import resize_labels
from pointillist.data.transforms import StoredSample, image_tensor
from pointillist.points.border import with_border_points

PlanesOf = Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]
"""Makes planes of classes: (image K×H×W, points N×3, presence as in `Sample`) → (planes P×h×w, their classes P).
They may have fewer pixels than the image; planes that hold distances then count them in these larger pixels."""

LARGEST = 1024
"""An image with a longer side, at the scale at which it is learnt, is cut into pieces."""

MARGIN = 384
"""Clicks beyond a piece count up to so many pixels from it; of classes that have none as near, the nearest counts."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an image, or all of it, at the scale at which it is learnt.

    Args:
        item: The image.
        own: (height, width) of its file.
        whole: (height, width) of the whole image at this scale.
        top: First row.
        left: First column.
        height: Rows.
        width: Columns.
    """

    item: Item
    own: tuple[int, int]
    whole: tuple[int, int]
    top: int
    left: int
    height: int
    width: int

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole image."""
        return (self.height, self.width) == self.whole


def cut_into_pieces(items: Sequence[Item], scale: Scale, overlap: int) -> list[Piece]:
    """All pieces of some images, in their order.

    Args:
        items: The images.
        scale: At which they are learnt.
        overlap: Pixels that neighbouring pieces share at least, so that every window lies in one of them.

    Raises:
        ImageError: The size of an image cannot be read.
    """
    pieces = []
    for item in items:
        own = image_size(item.image)
        whole = scale.size_of(own)
        tops, height = _starts(whole[0], overlap)
        lefts, width = _starts(whole[1], overlap)
        pieces += [Piece(item, own, whole, top, left, height, width) for top in tops for left in lefts]
    return pieces


def _starts(length: int, overlap: int) -> tuple[list[int], int]:
    """Where pieces begin along one side, and how long each is."""
    if length <= LARGEST:
        return [0], length
    side = max(LARGEST * 3 // 4, 2 * overlap)
    if side >= length:
        return [0], length
    count = -(-(length - overlap) // (side - overlap))
    return [round(i * (length - side) / (count - 1)) for i in range(count)], side


def clicks_on_image(dataset: Dataset, piece: Piece) -> NDArray[np.float64]:
    """N×3 (x, y, class) of all clicks on the image of a piece, in pixels of the whole at the scale of the piece."""
    height, width = piece.own
    points = dataset.points.of(piece.item.name)
    clicks = np.array([(p.x, p.y, dataset.classes.index(p.label)) for p in points], dtype=np.float64).reshape(-1, 3)
    clicks[:, :2] *= (piece.whole[1] / width, piece.whole[0] / height)
    return with_border_points(clicks, piece.whole, dataset.classes.border_background)


def clicks_of(dataset: Dataset, piece: Piece) -> NDArray[np.float64]:
    """N×3 (x, y, class) of the clicks that count for a piece, in its pixels; some lie outside."""
    clicks = clicks_on_image(dataset, piece)
    clicks[:, :2] -= (piece.left, piece.top)
    if piece.is_whole:
        return clicks
    beyond = [
        np.maximum(np.maximum(-clicks[:, axis], clicks[:, axis] - side), 0)
        for axis, side in ((0, piece.width), (1, piece.height))
    ]
    distance = np.hypot(*beyond)
    counts = distance <= MARGIN
    for label in np.unique(clicks[:, 2]):
        of_class = clicks[:, 2] == label
        if not (counts & of_class).any():
            counts[np.argmin(np.where(of_class, distance, np.inf))] = True
    return clicks[counts]


def clicks_by_class(dataset: Dataset, pieces: Sequence[Piece]) -> dict[int, list[tuple[int, float, float]]]:
    """Every click once, in the piece in which it lies deepest: by class, piece, x and y in the piece.

    Args:
        dataset: The data set.
        pieces: See `cut_into_pieces`; those of an image follow one another.
    """
    found: dict[int, list[tuple[int, float, float]]] = {}
    for _, group in groupby(enumerate(pieces), key=lambda numbered: numbered[1].item.name):
        of_image = list(group)
        clicks = clicks_on_image(dataset, of_image[0][1])
        deepest, home = np.full(len(clicks), -1.0), np.zeros(len(clicks), dtype=int)
        for place, (_, piece) in enumerate(of_image):
            x, y = clicks[:, 0] - piece.left, clicks[:, 1] - piece.top
            depth = np.minimum.reduce([x, y, piece.width - x, piece.height - y])
            home[depth > deepest] = place
            np.maximum(deepest, depth, out=deepest)
        for (x, y, label), place in zip(clicks[deepest >= 0].tolist(), home[deepest >= 0], strict=True):
            index, piece = of_image[place]
            found.setdefault(int(label), []).append((index, x - piece.left, y - piece.top))
    return found


def read_piece(
    dataset: Dataset,
    piece: Piece,
    *,
    with_mask: bool,
    distances_of: PlanesOf | None = None,
    evidence_of: PlanesOf | None = None,
) -> StoredSample:
    """Read a piece with its clicks, and its mask if asked.

    Args:
        dataset: The data set, its bands known.
        piece: Which part of which image.
        with_mask: Whether to open the mask, where there is one.
        distances_of: Makes the distances that the method needs.
        evidence_of: Makes the evidence that it needs, in [0, 1].

    Raises:
        ImageError: The image cannot be read.
        MaskError: The mask cannot be read or does not fit.
    """
    size = (piece.height, piece.width)
    source = piece.item.image if piece.is_whole else _source(piece, piece.item.image)
    pixels = at_size(dataset.known_bands.read(source, size if piece.whole[0] < piece.own[0] else None), size)
    mask = None
    if with_mask and piece.item.mask is not None:
        mask = resize_labels(_labels(dataset, piece, piece.item.mask), size)
    if mask is not None and pixels.valid is not None:
        mask = np.where(pixels.valid, mask, IGNORE).astype(np.uint8)
    stored = StoredSample(
        name=piece.item.name,
        image=np.ascontiguousarray(pixels.values.transpose(2, 0, 1)),
        points=clicks_of(dataset, piece).astype(np.float32),
        scale=(size[0] * size[1]) ** 0.5,
        valid=pixels.valid,
        mask=mask,
        presence=dataset.presence.get(piece.item.name),
    )
    image, points = image_tensor(stored.image), torch.from_numpy(stored.points)
    presence = None if stored.presence is None else torch.from_numpy(stored.presence)
    if distances_of is not None:
        distances, classes = distances_of(image, points, presence)
        compact = distances.clamp(max=float(np.finfo(np.float16).max)).numpy().astype(np.float16)
        stored = replace(stored, distances=compact, distance_classes=classes.numpy())
    if evidence_of is not None:
        evidence, classes = evidence_of(image, points, presence)
        stored = replace(stored, evidence=evidence.numpy().astype(np.float16), evidence_classes=classes.numpy())
    return stored


def _source(piece: Piece, source: Source) -> Part:
    """The window of the source that is the piece."""
    tall, wide = (own / whole for own, whole in zip(piece.own, piece.whole, strict=True))
    top, left = round(piece.top * tall), round(piece.left * wide)
    bottom, right = round((piece.top + piece.height) * tall), round((piece.left + piece.width) * wide)
    return window_of(source, top, left, bottom - top, right - left)


def _labels(dataset: Dataset, piece: Piece, mask: Source) -> NDArray[np.uint8]:
    """The mask of a piece, at the scale of its file."""
    if piece.is_whole:
        return dataset.masks.read(mask, piece.own)
    region = _source(piece, mask)
    if reads_windows(mask):
        check_size(file_of(mask), image_size(mask), piece.own)
        return dataset.masks.read(region, (region.height, region.width))
    labels = dataset.masks.read(mask, piece.own)
    return labels[region.top : region.top + region.height, region.left : region.left + region.width]
