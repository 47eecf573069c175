"""Questions: pixels that the program chose, each with the probability with which it was chosen.

Clicks say where objects are, not how much of an image they cover: people click what they see. The answers to questions
do say it, because it is known how likely each pixel was to be asked: an answered pixel stands for 1 / `inclusion`
pixels (Horvitz & Thompson, *A generalization of sampling without replacement from a finite universe*, JASA 1952).

In a label file a question is a point whose further columns say so (`COLUMNS`). A question that names no class is kept
apart from the points, in `PointTable.unnamed`: one that nobody has answered yet, or an answer of `ANSWERS`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pointillist.errors import ConfigError, nearest
from pointillist.points.table import Point

SOURCE, INCLUSION, ANSWER, ANSWERED_BY, SECONDS = COLUMNS = ("source", "inclusion", "answer", "answered_by", "seconds")
"""Further columns of a label file: `click`, `scribble` or `question`; how likely this pixel of its image was to be
asked, above 0, at most 1; why a question names no class; who answered; and how long it took."""

QUESTION = "question"
"""In the column `source`; anything else there is a click."""

SCRIBBLE = "scribble"
"""In the column `source`: a click that came with others in one stroke over one object."""

UNSURE, BORDER = ANSWERS = ("unsure", "border")
"""Answers that name no class: somebody could not tell, or the pixel lies on the border of two."""

Strategy = Literal["even", "mixed", "uncertain"]
"""Which pixels are asked; see `draw_pixels`."""

EVEN_SHARE: Mapping[Strategy, float] = {"even": 1.0, "mixed": 0.5, "uncertain": 0.1}
"""The share of the questions that goes to all pixels alike. It is never 0, so that no pixel is left out for certain."""

STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

NEAR_BORDER = 2
"""Pixels from one class to another within which an answer may be wrong."""

_BLOCK = 8
"""Cells of a measure are gone through block by block, so that questions that follow one another lie apart."""


def is_question(point: Point) -> bool:
    """Whether the program chose this pixel."""
    return point.extra.get(SOURCE) == QUESTION


def inclusion_of(point: Point) -> float:
    """How likely its pixel was to be asked, above 0, at most 1; 0 for a click."""
    return float(point.extra[INCLUSION]) if is_question(point) else 0.0


def question_problem(point: Point) -> tuple[str, str, str] | None:
    """What is wrong with the columns of a question: which, what, and what to do. None if nothing is, or for a click."""
    if not is_question(point):
        return None
    text, answer = point.extra.get(INCLUSION, ""), point.extra.get(ANSWER, "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        found = f"found {text[:60]!r}, which is no probability above 0 and at most 1."
        return INCLUSION, found, "Leave what 'pointillist ask' has written there."
    if answer and (answer not in ANSWERS or point.label):
        found = f"found {answer[:60]!r}" + (f" beside the class {point.label!r}." if point.label else ".")
        return ANSWER, found, f"Write {' or '.join(ANSWERS)} where the class is empty, else nothing."
    return None


def even_pixels(size: tuple[int, int], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """One pixel from each of `count` cells of nearly the same area, which together are the image.

    Args:
        size: (height, width) in pixels.
        count: How many; at most as many as there are pixels.
        rng: Source of the draw.

    Returns:
        N×3: x and y of the centres of the pixels (origin at the top-left corner), and their inclusion probabilities.

    >>> even_pixels((10, 20), 8, np.random.default_rng(0))[:, 2].round(3).tolist()
    [0.04, 0.04, 0.04, 0.04, 0.04, 0.04, 0.04, 0.04]
    """
    height, width = size
    count = min(count, height * width)
    if count < 1:
        return np.zeros((0, 3))
    rows = round(math.sqrt(count * height / width))
    rows = min(max(rows, -(-count // width), 1), height, count)
    in_row = [(row + 1) * count // rows - row * count // rows for row in range(rows)]
    edges = [round(height * sum(in_row[:row]) / count) for row in range(rows + 1)]
    # Rounding must not leave a row of cells without pixels.
    for row in range(rows):
        edges[row + 1] = max(edges[row + 1], edges[row] + 1)
    edges[-1] = height
    for row in range(rows - 1, 0, -1):
        edges[row] = min(edges[row], edges[row + 1] - 1)
    cells = [
        (top, bottom, left, right)
        for (top, bottom), here in zip(pairwise(edges), in_row, strict=True)
        for left, right in pairwise([round(width * cell / here) for cell in range(here + 1)])
    ]
    found = [_in_cell(cell, rng) for cell in cells]
    return np.array(found)


def even_pixels_with_data(valid: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """One pixel from each of `count` groups of nearly as many pixels with data, which lie together.

    Args:
        valid: H×W, which pixels have data.
        count: How many; at most as many as have data.
        rng: Source of the draw.

    Returns:
        N×3 as `even_pixels`; a pixel without data is never drawn.
    """
    height, width = valid.shape
    there = int(valid.sum())
    count = min(count, there)
    if count < 1:
        return np.zeros((0, 3))
    # Pixels in the order of small squares, which follow one another as neighbours; groups are runs of them.
    side = max(1, round(math.sqrt(there / count) / 4))
    tops, lefts = np.arange(0, height, side), np.arange(0, width, side)
    area = _pixels_in(valid, tops, lefts)
    order = _snake(area.shape)
    reached = np.cumsum(area.ravel()[order])
    edges = there * np.arange(count + 1) // count
    places = rng.integers(edges[:-1], edges[1:])
    squares = np.searchsorted(reached, places, side="right")
    found = np.empty((count, 3))
    for index, (place, square) in enumerate(zip(places.tolist(), squares.tolist(), strict=True)):
        row, column = divmod(int(order[square]), area.shape[1])
        top, left = row * side, column * side
        before = int(reached[square - 1]) if square else 0
        inside = np.flatnonzero(valid[top : top + side, left : left + side])[place - before]
        down, right = divmod(int(inside), min(side, width - left))
        found[index] = (left + right + 0.5, top + down + 0.5, 1 / (edges[index + 1] - edges[index]))
    return found


def draw_pixels(
    size: tuple[int, int],
    count: int,
    strategy: Strategy,
    rng: np.random.Generator,
    measure: NDArray[Any] | None = None,
    valid: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Choose the pixels of an image to be asked.

    `even` takes one from each cell of a grid. `uncertain` takes pixels in proportion to the measure, and one in ten
    from all alike; `mixed` half and half. Both draw systematically, with a random start, from the cells of the measure
    in an order in which neighbours follow one another, so that the inclusion probabilities are exact (Madow, *On the
    theory of systematic sampling, II*, Annals of Mathematical Statistics 1949) and the pixels well spread.

    Args:
        size: (height, width) in pixels.
        count: How many.
        strategy: See above.
        rng: Source of the draw.
        measure: h×w, how much an answer in each cell of a grid over the image is worth, not negative; not for `even`.
        valid: H×W, which pixels have data; all when not given. The others are never drawn, and no probability counts
            them: what is estimated is the share of the pixels with data.

    Returns:
        N×3 as `even_pixels`; N is `count`, or fewer where cells of the measure hold fewer pixels.

    Raises:
        ConfigError: There is no such strategy, or it needs a measure.
    """
    if strategy not in STRATEGIES:
        raise ConfigError(f"{strategy!r} is no strategy.", field="strategy", hint=nearest(strategy, STRATEGIES))
    if strategy == "even":
        return even_pixels(size, count, rng) if valid is None else even_pixels_with_data(valid, count, rng)
    if measure is None:
        hint = "Give a model with --model, or ask evenly."
        raise ConfigError(f"'{strategy}' asks where a model is unsure.", field="strategy", hint=hint)
    height, width = (min(own, pixels) for own, pixels in zip(measure.shape, size, strict=True))
    worth = np.nan_to_num(np.maximum(np.asarray(measure, dtype=np.float64)[:height, :width], 0))
    tops = np.arange(height + 1) * size[0] // height
    lefts = np.arange(width + 1) * size[1] // width
    area = np.diff(tops)[:, None] * np.diff(lefts)[None] if valid is None else _pixels_in(valid, tops[:-1], lefts[:-1])
    if not area.any():
        return np.zeros((0, 3))
    worth = worth * area
    share = EVEN_SHARE[strategy] if worth.sum() > 0 else 1.0
    chance = count * (share * area / area.sum() + (1 - share) * worth / max(worth.sum(), 1e-300))
    chance = _at_most_one(chance, min(count, int((area > 0).sum())))
    order = _snake((height, width))
    reached = np.cumsum(chance.ravel()[order])
    marks = np.arange(round(float(reached[-1]))) + rng.random()
    chosen = order[np.minimum(np.searchsorted(reached, marks, side="right"), len(order) - 1)]
    found = np.empty((len(chosen), 3))
    for index, cell in enumerate(chosen.tolist()):
        row, column = divmod(cell, width)
        edges = (int(tops[row]), int(tops[row + 1]), int(lefts[column]), int(lefts[column + 1]))
        x, y, alone = _in_cell(edges, rng, valid)
        found[index] = (x, y, alone * chance[row, column])
    return found


def answers(
    mask: NDArray[Any], count: int, border_error: float, *, ignore_index: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Evenly drawn questions about a mask, and what somebody would answer.

    Args:
        mask: H×W, integer; class indices, or `ignore_index`.
        count: How many questions.
        border_error: How often the answer for a pixel within `NEAR_BORDER` of another class is that class, 0 to 1.
        ignore_index: Value of pixels that nobody can name.
        rng: Source of the draw.

    Returns:
        N×4: x, y (continuous, pixels), inclusion probability, and class index; −1 where the answer is "unsure".

    Raises:
        ConfigError: A negative number, or an error outside 0 to 1.
    """
    if count < 0 or not 0 <= border_error <= 1:
        found = f"{count} questions with an error of {border_error} near borders cannot be."
        raise ConfigError(found, field="questions", hint="Use a whole number of at least 0, and an error from 0 to 1.")
    drawn = even_pixels(mask.shape, count, rng)
    result = np.empty((len(drawn), 4))
    for index, (x, y, chance) in enumerate(drawn):
        row, column = int(y), int(x)
        label = int(mask[row, column])
        top, left = max(row - NEAR_BORDER, 0), max(column - NEAR_BORDER, 0)
        around = mask[top : row + NEAR_BORDER + 1, left : column + NEAR_BORDER + 1]
        other = np.argwhere((around != label) & (around != ignore_index))
        if label == ignore_index:
            label = -1
        elif len(other) and rng.random() < border_error:
            nearest_one = other[np.argmin(((other - (row - top, column - left)) ** 2).sum(1))]
            label = int(around[tuple(nearest_one)])
        result[index] = (x, y, chance, label)
    return result


def _pixels_in(valid: NDArray[np.bool_], tops: NDArray[np.intp], lefts: NDArray[np.intp]) -> NDArray[np.int64]:
    """Number of pixels with data in the cells that begin at these rows and columns."""
    rows = np.add.reduceat(valid, lefts, axis=1, dtype=np.int64)
    return np.asarray(np.add.reduceat(rows, tops, axis=0))


def _in_cell(
    cell: tuple[int, int, int, int], rng: np.random.Generator, valid: NDArray[np.bool_] | None = None
) -> tuple[float, float, float]:
    """Centre of a pixel of a cell (top, bottom, left, right) with data, each as likely, and how likely that is."""
    top, bottom, left, right = cell
    if valid is not None:
        inside = np.flatnonzero(valid[top:bottom, left:right])
        down, aside = divmod(int(rng.choice(inside)), right - left)
        return left + aside + 0.5, top + down + 0.5, 1 / len(inside)
    x, y = int(rng.integers(left, right)) + 0.5, int(rng.integers(top, bottom)) + 0.5
    return x, y, 1 / ((bottom - top) * (right - left))


def _at_most_one(chance: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Expectations of a sum of `count`, none above 1: what is over goes to the others."""
    for _ in range(100):
        sure = chance >= 1
        left = count - int(sure.sum())
        rest = float(chance[~sure].sum())
        scaled = np.where(sure, 1.0, chance * (left / rest if rest > 0 else 0.0))
        if (scaled <= 1 + 1e-12).all():
            return np.minimum(scaled, 1.0)
        chance = scaled
    return np.minimum(chance, 1.0)


def _snake(size: tuple[int, int]) -> NDArray[np.intp]:
    """All cells of a grid, blocks from left to right and back again, each from top to bottom."""
    rows, columns = np.indices(size)
    down, right = rows // _BLOCK, columns // _BLOCK
    right = np.where(down % 2 == 1, right.max() - right, right)
    return np.lexsort((columns.ravel(), rows.ravel(), right.ravel(), down.ravel()))
