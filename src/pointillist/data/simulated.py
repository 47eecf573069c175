"""Clicks for a whole data set, simulated from its masks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Unpack

from pointillist.classes import IGNORE
from pointillist.data.ambiguous import check_ambiguous
from pointillist.data.dataset import Dataset
from pointillist.data.images import image_size
from pointillist.data.masks import read_instances
from pointillist.data.next_command import to_click
from pointillist.points.protocols import ClickOptions
from pointillist.points.questions import COLUMNS, is_question
from pointillist.points.simulate import simulate_image
from pointillist.points.table import PointTable


def simulate_dataset(
    dataset: Dataset,
    *,
    split: str = "all",
    seed: int = 0,
    on_image: Callable[[str], None] | None = None,
    **options: Unpack[ClickOptions],
) -> PointTable:
    """Draw clicks for every image of a split that has a mask.

    Where the data set has instance maps, an object is an instance, and touching ones each get their own clicks.

    Args:
        dataset: A data set with masks.
        split: Which images; `all` for every one.
        seed: Seed of the draw, ≥ 0.
        on_image: Called with the name of each image that is done.
        options: As in `pointillist.points.simulate.simulate_image`; those of a click protocol by
            `**draw_options("seen")[0]` (`pointillist.points.protocols`). Without any, the protocol is `components`.

    Raises:
        DatasetError: No image of the split has a mask, or the ignored value may be a class.
        MaskError: A mask cannot be read.
        ConfigError: An impossible setting.
    """
    draw = partial(
        simulate_image,
        # The mask reader gives 255 for "ignore", whatever the files have.
        classes=dataclasses.replace(dataset.classes, ignore_index=IGNORE),
        seed=seed,
        **options,
    )
    points = []
    masked = dataset.masked(split, "draw clicks from", f"There must be masks. {to_click(dataset)}")
    check_ambiguous(dataset, [item for item, _ in masked])
    for item, mask in masked:
        size = image_size(item.image)
        instances = None
        if item.instances is not None:
            instances = read_instances(item.instances, size, dataset.first_instance)
        points += draw(item.name, dataset.masks.read(mask, size), instances=instances)
        if on_image is not None:
            on_image(item.name)
    asked = any(is_question(point) for point in points)
    named, unnamed = ([point for point in points if bool(point.label) is wanted] for wanted in (True, False))
    return PointTable(named, COLUMNS if asked else (), unnamed=unnamed)
