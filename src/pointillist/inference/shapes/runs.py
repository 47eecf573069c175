"""Runs: stretches of pixels of one label in a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Runs:
    """The pixels of objects: runs along rows, by object, then from top left.

    Args:
        owner: Position of the object in its `Objects`.
        row: Row.
        start: First column.
        stop: Column behind the last one.
    """

    owner: NDArray[np.int64]
    row: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]


def stretches(labels: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Place of the first pixel of each stretch of one label in a row, and the label."""
    begins = np.ones(labels.shape, bool)
    np.not_equal(labels[:, 1:], labels[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    return starts, labels.reshape(-1)[starts]


def touching(
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    values: NDArray[np.uint8],
    which: NDArray[np.int64],
    width: int,
    reach: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of runs of one label that touch, one of `which` and one in the row above it."""
    which = which[starts[which] // width > starts[0] // width] if len(starts) else which
    above = starts[which] // width * width - width
    low = np.maximum(starts[which] - width - reach, above)
    high = np.minimum(starts[which] + lengths[which] - 1 - width + reach, above + width - 1)
    begin = np.searchsorted(starts, low, side="right") - 1
    counts = np.searchsorted(starts, high, side="right") - begin
    run = np.repeat(which, counts)
    other = np.arange(len(run)) + np.repeat(begin - np.cumsum(counts) + counts, counts)
    same = values[run] == values[other]
    return run[same], other[same]


def gathered(
    places: NDArray[np.int64],
    component: NDArray[np.int32],
    chunks: list[list[NDArray[np.int64]]],
    done: NDArray[np.int64],
    stays: NDArray[np.int64],
    width: int,
) -> tuple[Runs, list[list[NDArray[np.int64]]]]:
    """The pixels of the objects that are done, and chunks of those that go on.

    Args:
        places: 2×N, places and lengths of the runs of a strip.
        component: Of the objects from above, then of these runs.
        chunks: Of the objects from above.
        done: Components.
        stays: Components.
        width: Of the image.
    """
    collected: dict[int, list[NDArray[np.int64]]] = {}
    for index, earlier in enumerate(chunks):
        collected.setdefault(int(component[index]), []).extend(earlier)
    owner = component[len(chunks) :]
    order = np.argsort(owner, kind="stable")
    owner, places = owner[order], places[:, order]
    begins, ends = np.searchsorted(owner, stays), np.searchsorted(owner, stays, side="right")
    kept = [
        [*collected.pop(int(one), []), places[:, begin:end].copy()]
        for one, begin, end in zip(stays, begins, ends, strict=True)
    ]
    position = np.full(int(component.max(initial=-1)) + 1, -1)
    position[done] = np.arange(len(done))
    ended = position[owner] >= 0
    parts = [(position[owner[ended]], places[:, ended])]
    parts += [(np.full(part.shape[1], position[one]), part) for one, found in collected.items() for part in found]
    of = np.concatenate([index for index, _ in parts])
    place, length = np.concatenate([part for _, part in parts], axis=1)
    order = np.lexsort((place, of))
    row, start = np.divmod(place[order], width)
    return Runs(of[order], row, start, start + length[order]), kept
