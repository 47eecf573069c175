"""Clicks for a whole data set, simulated from its masks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pointillist.data.dataset import Dataset
from pointillist.data.images import image_size
from pointillist.errors import DatasetError
from pointillist.points.simulate import MIN_AREA, Protocol, simulate_image
from pointillist.points.table import PointTable


def simulate_dataset(
    dataset: Dataset,
    *,
    split: str = "all",
    seed: int = 0,
    protocol: Protocol = "component",
    per_object: int = 1,
    min_area: int = MIN_AREA,
    jitter: float = 0.0,
    on_image: Callable[[str], None] | None = None,
) -> PointTable:
    """Draw clicks for every image of a split that has a mask; see `pointillist.points.simulate.simulate`.

    Raises:
        DatasetError: No image of the split has a mask.
        MaskError: A mask cannot be read.
        ConfigError: An impossible setting.
    """
    draw = partial(
        simulate_image,
        classes=dataset.classes,
        seed=seed,
        protocol=protocol,
        per_object=per_object,
        min_area=min_area,
        jitter=jitter,
    )
    points = []
    items = [item for item in dataset.split(split) if item.mask is not None]
    for item in items:
        if item.mask is not None:
            points += draw(item.name, dataset.masks.read(item.mask, image_size(item.image)))
        if on_image is not None:
            on_image(item.name)
    if not items:
        raise DatasetError(
            f"no image of the split '{split}' has a mask to draw clicks from.",
            where=dataset.root,
            field="masks",
            cure="Add masks, or click by hand.",
        )
    return PointTable(points)
