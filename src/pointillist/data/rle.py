"""Outlines and run lengths as COCO has them, drawn pixel by pixel as its own tools do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

LONGEST = 2**24
"""Steps along an outline, in fifths of a pixel: far more than around any image that is opened."""

_UPSAMPLING = 5
_DIGIT = 5
"""Bits of a character of a compressed list; the sixth tells that more follow."""

_MOST_DIGITS = 12


def counts_of(text: str) -> NDArray[np.int64]:
    """Run lengths from their compressed form.

    Numbers are written in digits of 5 bits, the lowest first, from the character 48 up; from the fourth on, each is the
    difference to the one two places before it.

    Raises:
        ValueError: It is no such text.

    Source: `rleFrString` of pycocotools (`maskApi.c`).

    >>> counts_of("052").tolist(), counts_of("PPPh0").tolist()
    ([0, 5, 2], [786432])
    """
    codes = np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64) - 48
    if codes.size == 0 or codes.min() < 0 or codes.max() > 63:
        raise ValueError("it has characters that no compressed list has")
    last = codes & 32 == 0
    if not last[-1]:
        raise ValueError("it ends in the middle of a number")
    ends = np.flatnonzero(last)
    begins = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - begins + 1
    if lengths.max() > _MOST_DIGITS:
        raise ValueError("it has a number that is too long")
    shifts = _DIGIT * (np.arange(codes.size) - np.repeat(begins, lengths))
    values = np.add.reduceat((codes & 31) << shifts, begins)
    values = np.where(codes[ends] & 16, values - (1 << (_DIGIT * lengths)), values)
    # Sums of differences, apart for the two kinds of runs; the first number stands for itself.
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def texts_of(counts: NDArray[np.int64], many: NDArray[np.int64]) -> list[str]:
    """The compressed form of several lists of run lengths: see `counts_of`.

    Args:
        counts: The lists, one behind the other.
        many: How many run lengths each has.

    Source: `rleToString` of pycocotools (`maskApi.c`).

    >>> texts_of(np.array([0, 5, 2, 786432]), np.array([3, 1]))
    ['052', 'PPPh0']
    """
    ends = np.cumsum(many)
    late = np.flatnonzero(np.arange(len(counts)) - np.repeat(ends - many, many) > 2)
    values = counts.astype(np.int64)
    values[late] -= counts[late - 2]
    digits_of = np.empty(len(values), np.int64)
    parts = []
    for begin in range(0, len(values), 2**16):
        part = slice(begin, begin + 2**16)
        shifted = values[part, None] >> (_DIGIT * np.arange(_MOST_DIGITS))
        digits = shifted & 31
        # A digit is the last one where what is left only repeats its highest bit, the sign.
        last = (shifted >> _DIGIT) == np.where(digits & 16, -1, 0)
        digits_of[part] = last.argmax(axis=1) + 1
        used = np.arange(_MOST_DIGITS) < digits_of[part, None]
        parts.append((digits + np.where(last, 48, 80))[used].astype(np.uint8).tobytes())
    text = b"".join(parts)
    cuts = np.concatenate(([0], np.cumsum(digits_of)))[np.concatenate(([0], ends))].tolist()
    return [text[begin:end].decode("ascii") for begin, end in pairwise(cuts)]


def mask_of_counts(counts: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of run lengths: of pixels outside, inside, outside, … down each column, from the left one on.

    Args:
        counts: Run lengths.
        size: (height, width).

    Raises:
        ValueError: They do not add up to the pixels of the mask.
    """
    pixels = size[0] * size[1]
    if (counts.size and (counts.min() < 0 or counts.max() > pixels)) or counts.sum() != pixels:
        raise ValueError(f"its run lengths do not add up to {size[1]}×{size[0]} pixels")
    return np.repeat(np.arange(counts.size) % 2 == 1, counts).reshape(size[::-1]).T


def mask_of_outlines(outlines: Sequence[NDArray[np.float64]], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels inside any of several outlines.

    An outline is walked in fifths of a pixel; where it passes the middle of a column, the pixels below change sides.

    Args:
        outlines: x, y, x, y, … of each, in continuous pixels from the corner of the image.
        size: (height, width).

    Raises:
        ValueError: An outline is longer than any around an image.

    Source: `rleFrPoly` and `rleMerge` of pycocotools (`maskApi.c`).
    """
    inside = np.zeros(size[::-1], dtype=bool)
    for outline in outlines:
        inside |= _inside(outline.reshape(-1, 2), size)
    return inside.T


def _inside(corners: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """W×H, whether a pixel is inside."""
    height, width = size
    if not (np.abs(corners) < LONGEST).all():
        raise ValueError("an outline leads far out of the image")
    fine = (_UPSAMPLING * corners + 0.5).astype(np.int64)
    begins, ends = fine, np.roll(fine, -1, axis=0)
    steps = np.abs(ends - begins).max(axis=1)
    if steps.sum() > LONGEST:
        raise ValueError("an outline leads far out of the image")
    edges = np.arange(len(fine))
    # Along its longer side an edge goes by whole steps, always upwards; then its points come in their own order.
    axis = np.where(np.abs(ends - begins)[:, 0] >= np.abs(ends - begins)[:, 1], 0, 1)
    falls = begins[edges, axis] > ends[edges, axis]
    low, high = np.where(falls[:, None], ends, begins), np.where(falls[:, None], begins, ends)
    slope = (high - low)[edges, 1 - axis] / np.maximum(steps, 1)
    edge = np.repeat(edges, steps + 1)
    along = np.arange(edge.size) - np.repeat(np.cumsum(steps + 1) - steps - 1, steps + 1)
    along = np.where(falls[edge], steps[edge] - along, along)
    points = np.empty((edge.size, 2), np.int64)
    rows = np.arange(edge.size)
    points[rows, axis[edge]] = along + low[edge, axis[edge]]
    points[rows, 1 - axis[edge]] = (low[edge, 1 - axis[edge]] + slope[edge] * along + 0.5).astype(np.int64)
    before, after = points[:-1], points[1:]
    column = (np.where(after[:, 0] < before[:, 0], after[:, 0], after[:, 0] - 1) + 0.5) / _UPSAMPLING - 0.5
    passes = (after[:, 0] != before[:, 0]) & (column == np.floor(column)) & (column >= 0) & (column <= width - 1)
    row = np.ceil(np.clip((np.minimum(before, after)[:, 1] + 0.5) / _UPSAMPLING - 0.5, 0, height))
    changes = np.bincount((column * height + row)[passes].astype(np.int64), minlength=height * width + 1)
    inside: NDArray[np.bool_] = np.cumsum(changes[: height * width]) % 2 == 1
    return inside.reshape(width, height)
