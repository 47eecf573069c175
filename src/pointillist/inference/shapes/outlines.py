"""Outlines of objects along the edges of their pixels, from the runs of their pixels: no picture of them is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointillist.inference.shapes.runs import Runs


@dataclass(frozen=True)
class Ring:
    """One closed outline; the last point is not the first one again.

    Args:
        owner: Position of its object.
        hole: Whether it goes around pixels that are not the object's.
        points: N×2 x, y in pixels, corner-based, from the top one of the leftmost corners on: counter-clockwise for who
            looks at the picture. Steps are vertical and horizontal by turns.
        area: Pixels inside.
    """

    owner: int
    hole: bool
    points: NDArray[np.int64]
    area: int


def rings_of(runs: Runs) -> Iterator[Ring]:
    """The rings of objects, by object, then by their leftmost corner.

    Where pixels touch at a corner only, the ring goes around each of them for itself.

    Args:
        runs: Down columns, as `objects_of` tells pixels.
    """
    # At a corner of a rectilinear shape, the second difference of its mask along x and y is not 0. A run has four.
    owner = np.tile(runs.owner, 4)
    x = np.concatenate((runs.row, runs.row, runs.row + 1, runs.row + 1))
    y = np.concatenate((runs.start, runs.stop, runs.start, runs.stop))
    turn = np.repeat((1, -1, -1, 1), len(runs.row))
    order = np.lexsort((y, x, owner))
    owner, x, y, turn = owner[order], x[order], y[order], turn[order]
    begins = np.flatnonzero(np.diff(owner, prepend=-1) | np.diff(x, prepend=-1) | np.diff(y, prepend=-1))
    if not len(begins):
        return
    # 2 and -2 where pixels touch at the corner only: there are two corners in one place.
    turn = np.add.reduceat(turn, begins)
    many = np.abs(turn)
    owner, x, y, turn = (np.repeat(values, many) for values in (owner[begins], x[begins], y[begins], turn))
    # In a line of corners the first and the second one are the ends of an edge, the third and the fourth, and so on:
    # in columns as they stand, in rows by another order, in which one turn or the other brings both around one pixel.
    by_row = np.lexsort((np.arange(len(x)) * np.sign(turn), x, y, owner))
    beside = np.empty(len(x), np.int64)
    beside[by_row] = by_row.reshape(-1, 2)[:, ::-1].reshape(-1)
    across: list[int] = beside.tolist()
    seen = bytearray(len(x))
    way: list[int] = []
    starts: list[int] = []
    for first in range(len(x)):
        if seen[first]:
            continue
        starts.append(len(way))
        corner = first
        while not seen[corner]:
            below = corner ^ 1
            seen[corner] = seen[below] = 1
            way += (corner, below)
            corner = across[below]
    follows = np.arange(1, len(way) + 1)
    follows[[*(start - 1 for start in starts[1:]), -1]] = starts
    points = np.stack((x[way], y[way]), axis=1)
    doubled = points[:, 0] * points[follows, 1] - points[follows, 0] * points[:, 1]
    areas = np.abs(np.add.reduceat(doubled, starts)) // 2
    owners, holes = owner[way][starts].tolist(), (turn[way][starts] < 0).tolist()
    for start, stop, of, hole, area in zip(starts, [*starts[1:], None], owners, holes, areas.tolist(), strict=True):
        yield Ring(of, hole, points[start:stop], area)


def simplified(points: NDArray[np.int64], tolerance: float) -> NDArray[np.int64]:
    """A ring with fewer of its points: none that is left out is further than `tolerance` pixels from the new ring.

    At least three points stay. Source: Ramer (1972), Douglas, Peucker (1973).
    """
    if tolerance == 0:
        return points
    count = len(points)
    closed = np.concatenate((points, points[:1]))
    far = int(np.square(points - points[0]).sum(axis=1).argmax())
    keep = np.zeros(count + 1, bool)
    keep[[0, far, count]] = True
    pieces = [(0, far), (far, count)]
    while pieces:
        begin, end = pieces.pop()
        if end - begin < 2:
            continue
        along, from_begin = closed[end] - closed[begin], closed[begin + 1 : end] - closed[begin]
        share = np.clip(from_begin @ along / max(1, along @ along), 0, 1)
        distance = np.square(from_begin - share[:, None] * along).sum(axis=1)
        split = begin + 1 + int(distance.argmax())
        if distance[split - begin - 1] > tolerance**2 or keep.sum() < 4:
            keep[split] = True
            pieces += [(begin, split), (split, end)]
    return points[keep[:-1]]
