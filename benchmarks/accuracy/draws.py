"""Clicks for the studies: a click protocol with options of its own, noisy ones, or uniform points."""

from __future__ import annotations

import dataclasses
from typing import Unpack

import numpy as np

from pointillist.classes import IGNORE
from pointillist.data.dataset import Dataset
from pointillist.data.images import image_size
from pointillist.data.simulated import simulate_dataset
from pointillist.points.protocols import ClickOptions, draw_options
from pointillist.points.seeds import rng_for
from pointillist.points.table import Point, PointTable


def draw_points(
    dataset: Dataset,
    seed: int,
    *,
    protocol: str = "components",
    wrong: float = 0.0,
    missed: float = 0.0,
    uniform: bool = False,
    answered: bool = False,
    **options: Unpack[ClickOptions],
) -> tuple[PointTable, str]:
    """Simulate clicks on the training images, and what to say about them.

    Args:
        dataset: A data set with masks.
        seed: Seed of the draw.
        protocol: Click protocol, see `pointillist.points.protocols`.
        wrong: Share of clicks that get another class, each as likely.
        missed: Share of clicks that are left out.
        uniform: No clicks on objects, but as many points on each image, uniform over its pixels with a label. Nobody
            clicks like that: it says what is lost because objects are clicked and not areas.
        answered: Whether the lists of a click audit are then answered: its wrong clicks get their class, and its missed
            objects their click.
        options: Of the draw, in place of the protocol's: `per_object`, `per_class`, `jitter`, ….
    """
    chosen, said = draw_options(protocol, options)
    source = f"simulated, protocol {said}, seed {seed}"
    table = simulate_dataset(dataset, split="train", seed=seed, **chosen)
    if uniform:
        return uniform_points(dataset, table, seed), f"simulated, uniform, as many as by protocol {said}, seed {seed}"
    names = dataset.classes.names
    points: list[Point] = []
    for item in dataset.split("train"):
        rng = rng_for(seed, f"study {item.name}")
        for point in [point for point in table.of(item.name) if rng.random() >= missed]:
            if rng.random() < wrong:
                others = [name for name in names if name != point.label]
                point = dataclasses.replace(point, label=others[int(rng.integers(len(others)))])
            points.append(point)
    errors = {"wrong class": wrong, "missed": missed}
    noise = "".join(f"; {value:g} {name}" for name, value in errors.items() if value)
    noisy = PointTable(points, table.columns, unnamed=table.unnamed)
    if not answered:
        return noisy, source + noise
    from click_audit import answer

    from pointillist.inference.click_audit import audit_clicks

    audit = audit_clicks(dataclasses.replace(dataset, points=noisy), seed=seed)
    return answer(audit, dataset, table, noisy), source + noise + "; click audit answered"


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
