"""Clicks for the studies: one per object, fewer, more, noisy ones, or uniform points."""

from __future__ import annotations

import dataclasses

import numpy as np

from pointillist.classes import IGNORE
from pointillist.data.dataset import Dataset
from pointillist.data.images import image_size
from pointillist.data.simulated import simulate_dataset
from pointillist.points.simulate import rng_for
from pointillist.points.table import Point, PointTable


def draw_points(
    dataset: Dataset,
    seed: int,
    *,
    per_object: int = 1,
    per_class: int = 0,
    jitter: float = 0.0,
    wrong: float = 0.0,
    missed: float = 0.0,
    uniform: bool = False,
) -> tuple[PointTable, str]:
    """Simulate clicks on the training images, and what to say about them.

    Args:
        dataset: A data set with masks.
        seed: Seed of the draw.
        per_object: Clicks on each connected component of at least 50 px.
        per_class: Of those, keep at most this many of each class in each image; 0 keeps all.
        jitter: Standard deviation of the position, in pixels of the image.
        wrong: Share of clicks that get another class, each as likely.
        missed: Share of objects that are overlooked.
        uniform: No clicks on objects, but as many points on each image, uniform over its pixels with a label. Nobody
            clicks like that: it says what is lost because objects are clicked and not areas.
    """
    table = simulate_dataset(dataset, split="train", seed=seed, per_object=per_object, jitter=jitter)
    if uniform:
        return uniform_points(dataset, table, seed), f"simulated, uniform over all labelled pixels, seed {seed}"
    names = dataset.classes.names
    points: list[Point] = []
    for item in dataset.split("train"):
        rng = rng_for(seed, f"study {item.name}")
        drawn = list(table.of(item.name))
        kept = [point for point in drawn if rng.random() >= missed]
        if per_class:
            shuffled = [kept[index] for index in rng.permutation(len(kept))]
            kept = [point for name in names for point in [p for p in shuffled if p.label == name][:per_class]]
        for point in kept:
            if rng.random() < wrong:
                others = [name for name in names if name != point.label]
                point = dataclasses.replace(point, label=others[int(rng.integers(len(others)))])
            points.append(point)
    source = f"simulated, {per_object} per component of at least 50 px, seed {seed}"
    if per_class:
        source = f"simulated, at most {per_class} per class and image, seed {seed}"
    errors = {"px of jitter": jitter, "wrong class": wrong, "missed": missed}
    said = "; ".join(f"{value:g} {name}" for name, value in errors.items() if value)
    return PointTable(points), f"{source}; {said}" if said else source


def uniform_points(dataset: Dataset, table: PointTable, seed: int) -> PointTable:
    """As many points on each image as in a table, uniform over its labelled pixels."""
    points = []
    for item in dataset.split("train"):
        if item.mask is None:
            continue
        mask = dataset.masks.read(item.mask, image_size(item.image))
        rows, columns = np.nonzero(mask != IGNORE)
        rng = rng_for(seed, f"uniform {item.name}")
        for index in rng.choice(len(rows), size=len(list(table.of(item.name))), replace=False):
            row, column = int(rows[index]), int(columns[index])
            label = dataset.classes.names[int(mask[row, column])]
            points.append(Point(item.name, column + 0.5, row + 0.5, label))
    return PointTable(points)
