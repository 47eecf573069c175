"""Boundary F-score: how near predicted borders lie to real ones.

Csurka, Larlus and Perronnin, *What is a good evaluation measure for semantic segmentation?*, BMVC 2013.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import IGNORE
from pointillist.training.metrics import Floats, share

TOLERANCE = 0.0075
"""How far from a real border a predicted one may lie and count as found, as a share of the image's diagonal."""

AT_ONCE = 2**24
"""Pixels that are looked at together; of a large image, some rows after others."""


def boundary_f_scores(labels: NDArray[np.uint8], mask: NDArray[np.uint8], classes: int) -> Floats:
    """Boundary F-score of every class in one image.

    The boundary of a class is its pixels with one of the four neighbours outside it; the image's own edge is none.
    What the mask ignores is ignored in both, so that the edge of an ignored area counts as a border of both. Precision
    is the share of predicted boundary pixels with a real one of the class within the tolerance, recall the reverse.

    Args:
        labels: H×W class indices.
        mask: H×W class indices, 255 = ignore.
        classes: C.

    Returns:
        C values in [0, 1]; NaN for a class that has no boundary in mask and prediction.
    """
    tolerance = TOLERANCE * float(np.hypot(*mask.shape))
    rows, beyond = max(AT_ONCE // mask.shape[1], int(4 * tolerance) + 1), int(tolerance) + 1
    counts = np.zeros((4, classes), dtype=np.int64)
    for top in range(0, len(mask), rows):
        first = max(0, top - beyond)
        around = slice(first, top + rows + beyond)
        counts += _counts(labels[around], mask[around], classes, tolerance, slice(top - first, top - first + rows))
    near_real, of_predicted, near_predicted, of_real = counts
    precision, recall = share(near_real, of_predicted), share(near_predicted, of_real)
    f_score = share(2 * precision * recall, precision + recall)
    # A boundary on one side only is not found at all, nor is one that lies far from every other.
    return np.where(of_predicted + of_real == 0, np.nan, np.nan_to_num(f_score))


def _counts(
    labels: NDArray[np.uint8], mask: NDArray[np.uint8], classes: int, tolerance: float, rows: slice
) -> NDArray[np.int64]:
    """4×C boundary pixels in some rows: predicted ones near a real one, predicted ones, real near predicted, real."""
    labels = np.where(mask == IGNORE, np.uint8(IGNORE), labels)
    predicted, real = _boundary(labels), _boundary(mask)
    counts = np.zeros((4, classes), dtype=np.int64)
    for table in _tables(classes):
        # A bit for each class: one pass serves up to 64 of them.
        predicted_bits, real_bits = np.where(predicted, table[labels], 0), np.where(real, table[mask], 0)
        hit = predicted_bits & _dilated(real_bits, tolerance) != 0
        counts[0] += np.bincount(labels[rows][hit[rows]], minlength=classes)
        hit = real_bits & _dilated(predicted_bits, tolerance) != 0
        counts[2] += np.bincount(mask[rows][hit[rows]], minlength=classes)
    counts[1] = np.bincount(labels[rows][predicted[rows]], minlength=IGNORE + 1)[:classes]
    counts[3] = np.bincount(mask[rows][real[rows]], minlength=IGNORE + 1)[:classes]
    return counts


def _boundary(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels with one of the four neighbours of another class."""
    found = np.zeros(labels.shape, dtype=np.bool_)
    rows, columns = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    found[1:] |= rows
    found[:-1] |= rows
    found[:, 1:] |= columns
    found[:, :-1] |= columns
    return found


def _tables(classes: int) -> Iterator[NDArray[np.unsignedinteger]]:
    """From label to a bit of its own, for 64 classes at a time, in the narrowest type that has enough of them."""
    for first in range(0, classes, 64):
        count = min(64, classes - first)
        width = next(bits for bits in (8, 16, 32, 64) if bits >= count)
        table = np.zeros(IGNORE + 1, dtype=f"uint{width}")
        table[first : first + count] = np.left_shift(np.uint64(1), np.arange(count, dtype=np.uint64))
        yield table


def _dilated(bits: NDArray[np.unsignedinteger], tolerance: float) -> NDArray[np.unsignedinteger]:
    """H×W, every bit that is set within the tolerance: a disc, row by row from its ends to its middle."""
    found, run, reached = bits.copy(), bits.copy(), 0
    for away in range(int(tolerance), -1, -1):
        half = int(np.sqrt(tolerance**2 - away**2))
        for step in range(reached + 1, half + 1):
            run[:, step:] |= bits[:, :-step]
            run[:, :-step] |= bits[:, step:]
        reached = half
        found[away:] |= run[: len(run) - away]
        found[: len(run) - away] |= run[away:]
    return found
