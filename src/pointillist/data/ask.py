"""Questions for the images of a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.data.dataset import Dataset, Item
from pointillist.data.gaps import pixels_with_data
from pointillist.data.images import image_size
from pointillist.errors import ConfigError
from pointillist.points.questions import ANSWER, COLUMNS, INCLUSION, QUESTION, SOURCE, UNSURE, Strategy, draw_pixels
from pointillist.points.seeds import rng_for
from pointillist.points.table import Point, PointTable


def ask(
    dataset: Dataset,
    *,
    per_image: int = 20,
    budget: int | None = None,
    strategy: Strategy = "even",
    split: str | None = None,
    seed: int = 0,
    measure: Callable[[Item], NDArray[Any]] | None = None,
    on_image: Callable[[str], None] | None = None,
) -> PointTable:
    """Choose pixels that somebody shall name; those without data are none.

    The same seed and settings give the same questions; without a budget, whatever other images the data set has.

    Args:
        dataset: The data set.
        per_image: Questions in an image.
        budget: Questions in all. Where they do not reach for every image, images are drawn, each as likely, and that is
            part of the inclusion probabilities.
        strategy: See `pointillist.points.questions.draw_pixels`.
        split: Which images; those that are learnt from when not given.
        seed: Seed of the draw, ≥ 0.
        measure: Gives for an image how much an answer in each cell of an h×w grid over it is worth, not negative; for
            every strategy but `even`.
        on_image: Called with the name of each image that is done.

    Returns:
        No points, but their questions, as `unnamed`.

    Raises:
        ConfigError: A number that cannot be, or a strategy that needs a measure.
        ImageError: The size of an image cannot be read.
    """
    items = {item.name: item for item in dataset.split(dataset.training_split if split is None else split)}
    questions = draw_questions(
        list(items),
        lambda name: image_size(items[name].image),
        per_image=per_image,
        budget=budget,
        strategy=strategy,
        seed=seed,
        measure=None if measure is None else lambda name: measure(items[name]),
        valid_of=lambda name: pixels_with_data(items[name].image, plane=dataset.declared.plane),
        on_image=on_image,
    )
    return PointTable((), COLUMNS, unnamed=questions)


def draw_questions(
    names: Sequence[str],
    size_of: Callable[[str], tuple[int, int]],
    *,
    per_image: int,
    budget: int | None = None,
    strategy: Strategy = "even",
    seed: int = 0,
    measure: Callable[[str], NDArray[Any]] | None = None,
    valid_of: Callable[[str], NDArray[np.bool_] | None] = lambda _: None,
    on_image: Callable[[str], None] | None = None,
) -> list[Point]:
    """The same for images by their names; `size_of` gives (height, width) in pixels, `valid_of` where data are."""
    for name, value in (("per_image", per_image), ("budget", 1 if budget is None else budget)):
        if value < 1:
            raise ConfigError(f"{name} is {value}.", field=name, hint="Use a whole number of at least 1.")
    share = 1.0
    if budget is not None and budget < per_image * len(names):
        per_image = min(per_image, budget)
        number = budget // per_image
        share = number / len(names)
        chosen = rng_for(seed, "images to ask").choice(len(names), number, replace=False)
        names = [names[index] for index in sorted(chosen.tolist())]
    questions = []
    for name in names:
        grid = None if measure is None or strategy == "even" else measure(name)
        rng = rng_for(seed, f"ask {name}")
        valid = valid_of(name)
        for x, y, chance in draw_pixels(size_of(name), per_image, strategy, rng, grid, valid).tolist():
            questions.append(Point(name, x, y, "", {SOURCE: QUESTION, INCLUSION: repr(chance * share)}))
        if on_image is not None:
            on_image(name)
    return questions


def answered(questions: PointTable, dataset: Dataset) -> PointTable:
    """The same questions, with the answers that the masks of a data set give; without one, they stay open.

    Raises:
        MaskError: A mask cannot be read.
    """
    named, unnamed = [], []
    masks = {item.name: item for item in dataset.items if item.mask is not None}
    for image in questions.rows.images:
        item = masks.get(image)
        labels = None if item is None or item.mask is None else dataset.masks.read(item.mask, image_size(item.image))
        for point in questions.rows.of(image):
            value = None if labels is None else int(labels[point.pixel])
            if value is None:
                unnamed.append(point)
            elif value < len(dataset.classes):
                named.append(replace(point, label=dataset.classes.names[value]))
            else:
                unnamed.append(replace(point, extra={**point.extra, ANSWER: UNSURE}))
    return PointTable(named, questions.columns, unnamed=unnamed)


def cell_means(values: NDArray[Any], cells: int = 64) -> NDArray[np.float64]:
    """Means of an H×W map over a grid of at most so many cells along its longer side."""
    height, width = values.shape
    step = max(1, -(-max(height, width) // cells))
    sums = np.add.reduceat(
        np.add.reduceat(values.astype(np.float64), range(0, height, step), 0), range(0, width, step), 1
    )
    counts = np.outer(
        np.diff(np.append(np.arange(0, height, step), height)), np.diff(np.append(np.arange(0, width, step), width))
    )
    return np.asarray(sums / counts)
