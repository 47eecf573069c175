"""Cityscapes: `leftImg8bit/{train,val,test}/CITY/…` and `gtFine/{train,val,test}/CITY/…`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.dataset import Dataset, Item
from pointillist.data.layouts.base import Layout
from pointillist.data.listing import find_images, splits_of
from pointillist.data.masks import MaskReader
from pointillist.errors import DatasetError

IMAGES = "leftImg8bit"
MASKS = "gtFine"
INSTANCES = "gtFine_instanceIds.png"

CLASSES = {
    "road": (7, "#804080"),
    "sidewalk": (8, "#f423e8"),
    "building": (11, "#464646"),
    "wall": (12, "#66669c"),
    "fence": (13, "#be9999"),
    "pole": (17, "#999999"),
    "traffic light": (19, "#faaa1e"),
    "traffic sign": (20, "#dcdc00"),
    "vegetation": (21, "#6b8e23"),
    "terrain": (22, "#98fb98"),
    "sky": (23, "#4682b4"),
    "person": (24, "#dc143c"),
    "rider": (25, "#ff0000"),
    "car": (26, "#00008e"),
    "truck": (27, "#000046"),
    "bus": (28, "#003c64"),
    "train": (31, "#005064"),
    "motorcycle": (32, "#0000e6"),
    "bicycle": (33, "#770b20"),
}
"""Label id and colour of the 19 classes that are scored, in the order of their train ids; `labels.py` of
cityscapesScripts (Cordts et al., CVPR 2016)."""

LABEL_IDS = 34
FIRST_INSTANCE = 1000
"""An instance map has class id · 1000 + number for single objects, and the plain class id elsewhere."""


class Cityscapes(Layout):
    """The 19 classes of the benchmark, from `labelIds` (0–33) or `labelTrainIds` (0–18, 255), never a mixture.

    Where every labelled image has both, `labelIds` are read. Every pixel that counts belongs to a class, so there is
    no background.
    """

    name: ClassVar[str] = "cityscapes"
    title: ClassVar[str] = "Cityscapes: leftImg8bit/, gtFine/ with labelIds or labelTrainIds"
    folders: ClassVar[tuple[str, ...]] = (IMAGES, MASKS)

    def recognise(self, root: Path) -> bool:
        """Its two folders, and no CityPersons boxes, which are a data set of their own."""
        return super().recognise(root) and not (root / "gtBboxCityPersons").is_dir()

    def load(self, root: Path) -> Dataset:
        """List the splits; images are named `train/aachen/….png`; see `Layout.load`."""
        classes = ClassSet.create(
            tuple(CLASSES), tuple(color for _, color in CLASSES.values()), policy="none", ignore_index=IGNORE
        )
        found = find_images(root / IMAGES)
        images = found.images
        kind, masks = find_labels(root, images)
        instances = files_of(root / MASKS, images, INSTANCES)
        values = None
        if kind == "labelIds":
            values = dict.fromkeys(range(LABEL_IDS), IGNORE)
            values |= {label_id: index for index, (label_id, _) in enumerate(CLASSES.values())}
        return Dataset(
            root,
            self.name,
            classes,
            tuple(Item(name, path, masks.get(name), instances.get(name)) for name, path in images.items()),
            splits_of(images),
            MaskReader(classes, "index", values=values),
            left_out=found.left_out,
            first_instance=FIRST_INSTANCE,
        )


def find_labels(root: Path, images: dict[str, Path]) -> tuple[str, dict[str, Path]]:
    """The kind of label file that all labelled images have, and the files by image name.

    Raises:
        DatasetError: Some images have only one kind and some only the other.
    """
    ids, train_ids = (files_of(root / MASKS, images, f"gtFine_{kind}.png") for kind in ("labelIds", "labelTrainIds"))
    if ids.keys() >= train_ids.keys():
        return "labelIds", ids
    if train_ids.keys() >= ids.keys():
        return "labelTrainIds", train_ids
    first, other = min(ids.keys() - train_ids), min(train_ids.keys() - ids)
    raise DatasetError(
        f"'{first}' has labelIds only and '{other}' has labelTrainIds only.",
        where=root / MASKS,
        hint="Give all images the same kind; createTrainIdLabelImgs of cityscapesScripts makes the missing ones.",
    )


def files_of(folder: Path, images: Iterable[str], ending: str) -> dict[str, Path]:
    """Files by image name, for the images that have one: the image's `…leftImg8bit.png` with another ending."""
    paths = {name: folder / (name.removesuffix("leftImg8bit.png") + ending) for name in images}
    return {name: path for name, path in paths.items() if path.is_file()}
