"""Connected objects of a label map of any size, found in strips: only those that go on below are kept in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import IGNORE
from pointillist.inference.prediction import Prediction
from pointillist.inference.shapes.perimeters import STEPS, outline
from pointillist.inference.shapes.runs import Runs, gathered, stretches, touching

PIXELS = 2**20
"""Pixels of a strip, each of which might be an object of its own."""

BLOCK = 2**24
"""Pixels that are read together where strips are columns, which a file does not keep together."""


@dataclass(frozen=True)
class Objects:
    """Some objects, as arrays with a value each.

    Args:
        label: Class index.
        area: Pixels.
        centroid: N×2, row and column, pixel-centre based: (0, 0) is the centre of the first pixel.
        box: N×4, first row, first column, row and column behind the last ones.
        perimeter: Pixels, as scikit-image measures it.
        confidence: Mean of the confidence map; NaN without one.
        ground: Sum of the `ground` of its rows; NaN without one.
        runs: Its pixels, where asked for.
    """

    label: NDArray[np.int64]
    area: NDArray[np.int64]
    centroid: NDArray[np.float64]
    box: NDArray[np.int64]
    perimeter: NDArray[np.float64]
    confidence: NDArray[np.float64]
    ground: NDArray[np.float64]
    runs: Runs | None

    def __len__(self) -> int:
        return len(self.label)

    @property
    def pixel_runs(self) -> Runs:
        """Their pixels, when they were asked for; else a ValueError."""
        if self.runs is None:
            raise ValueError("the pixels of these objects were not asked for")
        return self.runs


def objects_of(
    prediction: Prediction,
    *,
    without: Collection[int] = (IGNORE,),
    diagonal: bool = True,
    ground: NDArray[np.float64] | None = None,
    pixels: bool = False,
) -> Iterator[Objects]:
    """Objects by their last row, then by their first pixel, some at a time.

    Memory is that of a strip and of the objects that reach its last row; with `pixels`, of their runs too.

    Args:
        prediction: Labels, and perhaps confidence.
        without: Labels that make no objects.
        diagonal: Whether pixels that touch at a corner belong together.
        ground: What a pixel counts on the ground, by row.
        pixels: Whether to tell the pixels. They are told as run lengths have them, so all of this is then about the
            transposed image, the columns of which are rows here, and perimeters are NaN.
    """
    from scipy.sparse import coo_array  # takes as long to import as all the rest
    from scipy.sparse.csgraph import connected_components

    height, width = prediction.size[::-1] if pixels else prediction.size
    counted = np.ones(256, bool)
    counted[list(without)] = False
    above = _Above(np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.int64), _Table.none(), [])
    for top, strip in _columns(prediction) if pixels else prediction.strips(PIXELS):
        labels = np.ascontiguousarray(strip.labels)
        rows = len(labels)
        # Places are from the first pixel of the strip on; the runs of the row above it, below zero, are the first ones.
        starts, values = stretches(labels)
        own = slice(len(above.starts), None)
        starts, values = np.concatenate((above.starts, starts)), np.concatenate((above.values, values))
        lengths = np.diff(starts, append=rows * width)
        new = np.flatnonzero(counted[values[own]]) + len(above.starts)
        # What may belong together: the objects from above, then the runs of this strip.
        opened = len(above.table)
        node = np.full(len(starts), -1)
        node[: len(above.starts)] = above.owner
        node[new] = np.arange(opened, opened + len(new))
        one, other = touching(starts, lengths, values, new, width, int(diagonal))
        graph = coo_array((np.ones(len(one), bool), (node[one], node[other])), shape=(opened + len(new),) * 2)
        count, component = connected_components(graph, directed=False)

        table = _Table.of_runs(starts[new] + top * width, lengths[new], values[new], width)
        if strip.confidence is not None:
            flat = np.ascontiguousarray(strip.confidence).reshape(-1)
            table.sums[0] = np.add.reduceat(flat, starts[own], dtype=np.float64)[new - len(above.starts)]
        if ground is not None:
            table.sums[1] = lengths[new] * ground[top + starts[new] // width]
        if not pixels:
            place, kind = outline(prediction.labels, top, rows, counted)
            np.add.at(table.counts, (3 + kind, node[np.searchsorted(starts, place, side="right") - 1] - opened), 1)
        order = np.argsort(component, kind="stable")
        table = _Table.joined(above.table, table, order, np.searchsorted(component[order], np.arange(count)))

        last = starts >= (rows - 1) * width
        goes_on = np.zeros(count, bool)
        goes_on[component[node[last & (node >= 0)]]] = top + rows < height
        done, stays = np.flatnonzero(~goes_on), np.flatnonzero(goes_on)
        done = done[np.lexsort((table.low[2, done], table.high[0, done]))]
        runs, chunks = None, above.chunks
        if pixels:
            places = np.stack((starts[new] + top * width, lengths[new]))
            runs, chunks = gathered(places, component, above.chunks, done, stays, width)
        if len(done):
            yield table.take(done).objects(strip.confidence is not None, ground is not None, runs)
        position = np.full(count, -1)
        position[stays] = np.arange(len(stays))
        owner = np.append(position[component], -1)[node[last]]  # the last one is for runs of no object
        above = _Above(starts[last] - rows * width, values[last], owner, table.take(stays), chunks)


def _columns(prediction: Prediction) -> Iterator[tuple[int, Prediction]]:
    """Strips of the transposed image, cut from blocks of columns: a file is read as often as there are blocks."""
    height, width = prediction.size
    for left in range(0, width, max(1, BLOCK // height)):
        right = min(width, left + max(1, BLOCK // height))
        labels = np.empty((height, right - left), np.uint8)
        sure = None if prediction.confidence is None else np.empty(labels.shape, prediction.confidence.dtype)
        for top, strip in prediction.strips():
            rows = slice(top, top + len(strip.labels))
            labels[rows] = strip.labels[:, left:right]
            if sure is not None and strip.confidence is not None:
                sure[rows] = strip.confidence[:, left:right]
        for first, part in Prediction(labels.T, None if sure is None else sure.T).strips(PIXELS):
            yield left + first, part


@dataclass(frozen=True)
class _Table:
    """Sums and bounds of objects or of runs, in columns.

    Args:
        counts: Of pixels, of their rows, of their columns, and of the three kinds of pixels of the outline.
        sums: Of confidence, of `ground`.
        low: First row, first column, first place.
        high: Row and column behind the last ones, label.
    """

    counts: NDArray[np.int64]
    sums: NDArray[np.float64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]

    @classmethod
    def none(cls) -> _Table:
        return cls(*(np.empty((columns, 0), kind) for columns, kind in ((6, int), (2, float), (3, int), (3, int))))

    @classmethod
    def of_runs(
        cls, place: NDArray[np.int64], length: NDArray[np.int64], label: NDArray[np.uint8], width: int
    ) -> _Table:
        row, column = np.divmod(place, width)
        none = np.zeros(len(place), np.int64)
        columns = length * (2 * column + length - 1) // 2
        return cls(
            np.stack((length, length * row, columns, none, none, none)),
            np.zeros((2, len(place))),
            np.stack((row, column, place)),
            np.stack((row + 1, column + length, label.astype(np.int64))),
        )

    @classmethod
    def joined(cls, one: _Table, other: _Table, order: NDArray[np.int64], begins: NDArray[np.int64]) -> _Table:
        """Rows of two tables, in an order in which those from each beginning on become one."""
        if not len(begins):
            return cls.none()
        columns = []
        for name, combine in (("counts", np.add), ("sums", np.add), ("low", np.minimum), ("high", np.maximum)):
            both = np.concatenate((getattr(one, name), getattr(other, name)), axis=1)
            columns.append(combine.reduceat(both[:, order], begins, axis=1))
        return cls(*columns)

    def __len__(self) -> int:
        return int(self.counts.shape[1])

    def take(self, rows: NDArray[np.int64]) -> _Table:
        return _Table(self.counts[:, rows], self.sums[:, rows], self.low[:, rows], self.high[:, rows])

    def objects(self, confidence: bool, ground: bool, runs: Runs | None) -> Objects:
        area = self.counts[0]
        return Objects(
            label=self.high[2],
            area=area,
            centroid=(self.counts[1:3] / area).T,
            box=np.stack((*self.low[:2], *self.high[:2]), axis=1),
            perimeter=STEPS @ self.counts[3:] if runs is None else np.full(len(area), np.nan),
            confidence=self.sums[0] / area if confidence else np.full(len(area), np.nan),
            ground=self.sums[1] if ground else np.full(len(area), np.nan),
            runs=runs,
        )


@dataclass(frozen=True)
class _Above:
    """What is known of the strips above.

    Args:
        starts: Of the runs of their last row, in places before the next strip.
        values: Labels of these runs.
        owner: Which object of `table` each belongs to, or -1.
        table: Objects that reach the last row.
        chunks: For each of them, arrays of the places and lengths of its runs; empty where nobody asks for pixels.
    """

    starts: NDArray[np.int64]
    values: NDArray[np.uint8]
    owner: NDArray[np.int64]
    table: _Table
    chunks: list[list[NDArray[np.int64]]]
