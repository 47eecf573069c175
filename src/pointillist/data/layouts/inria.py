"""Inria aerial images: `train/images/CITY1.tif`, `train/gt/CITY1.tif`, `test/images/…`, read window by window."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from pointillist.classes import ClassSet
from pointillist.data.dataset import Dataset, Item
from pointillist.data.images import image_size
from pointillist.data.layouts.base import Layout
from pointillist.data.listing import find_split_folders
from pointillist.data.masks import MaskReader
from pointillist.data.regions import cut
from pointillist.errors import DatasetError

WINDOW = 500
"""Side of a window in pixels: 100 windows to an image of 5000×5000."""

VALIDATION_TILES = 5
"""The first tiles of each city are for validation (Maggiori et al., IGARSS 2017)."""

_TILE = re.compile(r"(?P<city>.+?)(?P<number>\d+)")


class Inria(Layout):
    """Buildings from the air; in the masks 255 is *building*, not "ignore".

    An image is cut into windows named `austin1/y0500_x1000.tif`, which become the images of the data set; none is ever
    loaded whole. The tiles 1 to 5 of each city are the split `val`, the others `train`.
    """

    name: ClassVar[str] = "inria"
    title: ClassVar[str] = "Inria aerial images: train/images/, train/gt/, test/images/ (GeoTIFF)"
    folders: ClassVar[tuple[str, ...]] = ("train/images", "train/gt")

    def load(self, root: Path) -> Dataset:
        """Cut the images into windows, from their headers alone; see `Layout.load`.

        Raises:
            ImageError: The header of an image cannot be read.
        """
        classes = ClassSet.create(["background", "building"], ["#000000", "#e69f00"])
        items: list[Item] = []
        splits: dict[str, list[str]] = {}
        found, masks = find_split_folders(root, ("train", "test"), "{}/images", "{}/gt")
        for name, path in found.images.items():
            split = "test" if name.startswith("test/") else _split(path.stem, path.parent)
            for window in cut(path, image_size(path), WINDOW):
                item_name = f"{path.stem}/y{window.top:04d}_x{window.left:04d}{path.suffix}"
                mask = replace(window, path=masks[name]) if name in masks else None
                items.append(Item(item_name, window, mask))
                splits.setdefault(split, []).append(item_name)
        return Dataset(
            root,
            self.name,
            classes,
            tuple(sorted(items, key=lambda item: item.name)),
            {split: tuple(names) for split, names in splits.items()},
            MaskReader(classes, "index", values={0: 0, 255: 1}),
            left_out=found.left_out,
        )


def _split(tile: str, folder: Path) -> str:
    match = _TILE.fullmatch(tile)
    if match is None:
        raise DatasetError(
            f"'{tile}' is no city with a number, so nothing tells whether it is for training or validation.",
            where=folder,
            hint="Name tiles as the release does: austin1.tif, kitsap36.tif, tyrol-w12.tif.",
        )
    return "val" if int(match["number"]) <= VALIDATION_TILES else "train"
