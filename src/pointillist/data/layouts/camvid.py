"""CamVid in its 11-class version: `train/`, `trainannot/`, `val/`, `valannot/`, perhaps `test/`, `testannot/`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pointillist.classes import ClassSet
from pointillist.data.dataset import Dataset, Item
from pointillist.data.layouts.base import Layout
from pointillist.data.listing import find_split_folders, splits_of
from pointillist.data.masks import MaskReader

CLASSES = {
    "sky": "#808080",
    "building": "#800000",
    "pole": "#c0c080",
    "road": "#804080",
    "pavement": "#3c28de",
    "tree": "#808000",
    "sign": "#c08080",
    "fence": "#404080",
    "car": "#400080",
    "pedestrian": "#404000",
    "bicyclist": "#0080c0",
}
"""Order and colours of the SegNet release (Badrinarayanan 2017) of Brostow et al. 2009; index 11 is void."""


class CamVid(Layout):
    """Every pixel belongs to a class, so there is no background."""

    name: ClassVar[str] = "camvid"
    title: ClassVar[str] = "CamVid, 11 classes: train/, trainannot/, val/, valannot/"
    folders: ClassVar[tuple[str, ...]] = ("train", "trainannot")

    def load(self, root: Path) -> Dataset:
        """List the splits; images are named `train/….jpg`; see `Layout.load`."""
        classes = ClassSet.create(tuple(CLASSES), tuple(CLASSES.values()), policy="none", ignore_index=11)
        found, masks = find_split_folders(root, ("train", "val", "test"), "{}", "{}annot")
        items = tuple(Item(name, path, masks.get(name)) for name, path in found.images.items())
        reader = MaskReader(classes, "index")
        return Dataset(root, self.name, classes, items, splits_of(found.images), reader, left_out=found.left_out)
