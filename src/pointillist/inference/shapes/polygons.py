"""Label maps as polygons, one for each connected region of a class; in blocks, so that large maps fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import IGNORE
from pointillist.inference.prediction import Prediction

BLOCK = 1024
"""Side in pixels of what is looked at together. Lines do not move along the seams between blocks; larger blocks take
longer, as simplifying takes more than twice as long for twice as many regions."""

MANY = 2**14
"""Regions that are given out together."""


@dataclass(frozen=True)
class Regions:
    """Some connected regions of a label map; two pixels of a class are connected along an edge.

    Args:
        polygons: N shapely polygons with holes, in pixels, corner-based.
        classes: N class indices.
        pixels: N numbers of pixels.
        confidence: N sums of the confidence of those pixels.
    """

    polygons: NDArray[np.object_]
    classes: NDArray[np.int32]
    pixels: NDArray[np.int64]
    confidence: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, chosen: NDArray[Any]) -> Regions:
        return Regions(*(getattr(self, field.name)[chosen] for field in fields(self)))


def find_regions(prediction: Prediction, simplify: float = 2.0) -> Iterator[Regions]:
    """All regions of all classes; pixels without data belong to none.

    Neighbours share their points, so that there is no gap and no overlap between them, simplified or not.

    Args:
        prediction: Labels and confidence.
        simplify: Tolerance in pixels: lines lose points as long as the triangles cut off are smaller than its square
            (Visvalingam and Whyatt 1993). 2 takes off the stairs of slanting lines up to runs of eight pixels, and
            turns single pixels into triangles. The outline of the image stays. 0 keeps the edges of the pixels.

    Yields:
        Regions inside one block, about `MANY` together; at the end, those in several.
    """
    height, width = prediction.size
    whole: list[Regions] = []  # inside one block
    parts: list[Regions] = []  # of regions that may go on in another block
    links: list[NDArray[np.int64]] = []  # pairs of parts of one region
    known = 0
    row = np.zeros(width, np.int64)  # numbers of the parts along the last row of the blocks above
    for top in range(0, height, BLOCK):
        column = np.zeros(0, np.int64)  # and along the last column of the block to the left
        for left in range(0, width, BLOCK):
            ids, found = _regions_of_block(prediction, top, left, simplify)
            rows, columns = slice(top, top + len(ids)), slice(left, left + ids.shape[1])
            kept = found.classes != IGNORE
            partial = np.zeros(len(found), bool)
            seams = [(ids[0], top > 0), (ids[:, 0], left > 0)]
            seams += [(ids[-1], rows.stop < height), (ids[:, -1], columns.stop < width)]
            for seam, goes_on in seams:
                partial[seam] |= goes_on
            partial &= kept
            numbers = np.full(len(found), -1, np.int64)
            numbers[partial] = np.arange(known, known + partial.sum())
            known += int(partial.sum())
            labels = prediction.labels
            if top > 0:
                links.append(_links(labels[top - 1 : top + 1, columns], row[columns], numbers[ids[0]]))
            if left > 0:
                links.append(_links(labels[rows, left - 1 : left + 1].T, column, numbers[ids[:, 0]]))
            row[columns], column = numbers[ids[-1]], numbers[ids[:, -1]]
            parts.append(found[partial])
            whole.append(found[kept & ~partial])
            if sum(map(len, whole)) >= MANY:
                yield _together(whole)
                whole.clear()
        prediction.release()
    if whole:
        yield _together(whole)
        whole.clear()
    if known:
        yield _joined(parts, links, known)


def _links(labels: NDArray[np.uint8], before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of parts of one class on both sides of a seam, from the labels (2×N) and the numbers there."""
    same = (labels[0] == labels[1]) & (labels[0] != IGNORE)
    return np.unique(np.stack([before[same], after[same]], axis=1), axis=0)


def _together(parts: list[Regions]) -> Regions:
    return Regions(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Regions)))


def _joined(parts: list[Regions], links: list[NDArray[np.int64]], count: int) -> Regions:
    import shapely
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    every = _together(parts)
    pairs = np.concatenate(links)
    total, region = connected_components(
        coo_array((np.ones(len(pairs), bool), pairs.T), (count, count)), directed=False
    )
    order = np.argsort(region, kind="stable")
    first = np.searchsorted(region[order], np.arange(total))
    groups = np.split(every.polygons[order], first[1:])
    # The blocks cut their parts at the same points of the seam, so that the seams drop out exactly.
    polygons = [group[0] if len(group) == 1 else shapely.coverage_union_all(group) for group in groups]
    return Regions(
        _valid(np.array(polygons, dtype=object)),
        every.classes[order][first],
        np.bincount(region, every.pixels).astype(np.int64),
        np.bincount(region, every.confidence).astype(np.float64),
    )


def _regions_of_block(
    prediction: Prediction, top: int, left: int, simplify: float
) -> tuple[NDArray[np.int32], Regions]:
    """The number of each pixel's region, and the regions by number, those without data among them."""
    import shapely
    from scipy import ndimage

    labels = np.array(prediction.labels[top : top + BLOCK, left : left + BLOCK])
    ids = np.empty(labels.shape, np.int32)
    classes: list[int] = []
    for value in np.flatnonzero(np.bincount(labels.ravel(), minlength=256)):
        inside = labels == value
        numbers, count = ndimage.label(inside)
        np.copyto(ids, numbers + np.int32(len(classes) - 1), where=inside)
        classes += [int(value)] * count
    polygons = _outlines(ids, _corners(prediction.labels, top, left, labels.shape))
    if simplify > 0:
        # The outline of the block stays; regions without data are there, so that lines towards them do not.
        polygons = shapely.coverage_simplify(polygons, simplify, simplify_boundary=False)
    if prediction.confidence is None:
        confidence = np.full(len(classes), np.nan)
    else:
        weights = prediction.confidence[top : top + BLOCK, left : left + BLOCK]
        confidence = np.bincount(ids.ravel(), weights.ravel(), len(classes))
    moved = shapely.transform(polygons, lambda points: points + np.array([left, top]))
    return ids, Regions(moved, np.array(classes, np.int32), np.bincount(ids.ravel()), confidence)


def _corners(labels: NDArray[np.uint8], top: int, left: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The corners of the pixels of a block, (H+1)×(W+1), at which the outline of each neighbour needs a point."""
    height, width = size
    rows, columns = labels.shape
    around = np.full((height + 2, width + 2), -1, np.int16)
    above, before = min(top, 1), min(left, 1)
    known = labels[top - above : top + height + 1, left - before : left + width + 1]
    around[1 - above :, 1 - before :][: known.shape[0], : known.shape[1]] = known
    across = around[:, 1:] != around[:, :-1]  # (H+2)×(W+1)
    along = around[1:] != around[:-1]  # (H+1)×(W+2)
    needed: NDArray[np.bool_] = across[1:].astype(np.int8) + across[:-1] + along[:, 1:] + along[:, :-1] >= 3
    # Along a seam, also where only one side changes: the other side's parts are cut there, too.
    for edge, inside in ((0, top > 0), (-1, top + height < rows)):
        needed[edge] |= inside & (across[0 if edge == 0 else -2] | across[1 if edge == 0 else -1])
    for edge, inside in ((0, left > 0), (-1, left + width < columns)):
        needed[:, edge] |= inside & (along[:, 0 if edge == 0 else -2] | along[:, 1 if edge == 0 else -1])
    return needed


def _outlines(ids: NDArray[np.int32], corners: NDArray[np.bool_]) -> NDArray[np.object_]:
    """The polygon of each region by its number, with a point at each of the corners that it passes."""
    import shapely
    from rasterio.features import shapes

    rings: list[list[tuple[float, float]]] = []
    ends: list[int] = []
    order: list[int] = []
    for shape, number in shapes(ids, connectivity=4):
        rings += shape["coordinates"]
        ends.append(len(rings))
        order.append(int(number))
    points = np.array(list(chain.from_iterable(rings)), np.int32)
    starts = np.cumsum([0, *map(len, rings)])
    # From each point one pixel at a time towards the next; the last point of a ring is its first.
    steps = np.diff(points, axis=0, append=0)
    length = np.abs(steps).sum(axis=1)
    length[starts[1:] - 1] = 1
    origin = np.repeat(np.arange(len(points)), length)
    done = np.arange(len(origin)) - np.repeat(np.cumsum(length) - length, length)
    dense = points[origin] + done[:, None] * np.sign(steps)[origin]
    kept = (done == 0) | corners[dense[:, 1], dense[:, 0]]
    offsets = np.searchsorted(origin[kept], starts)
    polygons = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, dense[kept].astype(np.float64), (offsets, np.array([0, *ends]))
    )
    return _valid(polygons[np.argsort(order)])


def _valid(polygons: NDArray[np.object_]) -> NDArray[np.object_]:
    """The same with holes where outlines touch themselves, as GDAL before 3.10 and GEOS before 3.14 have them."""
    import shapely

    wrong = ~shapely.is_valid(polygons)
    polygons[wrong] = shapely.make_valid(polygons[wrong])
    return polygons
