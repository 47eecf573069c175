"""What `labelme2voc.py` of labelme's examples makes: `JPEGImages/`, `SegmentationClass/`, `class_names.txt`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pointillist.classes import IGNORE, BackgroundPolicy, ClassSet, voc_palette
from pointillist.data.dataset import Dataset, Item
from pointillist.data.layouts.base import Layout
from pointillist.data.layouts.voc import IMAGES, INSTANCES, MASKS, SPLITS
from pointillist.data.listing import find_images, pair_masks
from pointillist.data.masks import MaskReader
from pointillist.errors import DatasetError
from pointillist.files import read_text

NAMES = "class_names.txt"
BACKGROUND = "_background_"


class Labelme(Layout):
    """VOC's folders with classes of one's own, one name a line, in the order of the masks' values.

    `_background_` is the background; without it every pixel belongs to a class. 255 is what labelme calls
    `__ignore__`. There are no splits.

    Source: labelme, `examples/semantic_segmentation`.
    """

    name: ClassVar[str] = "labelme"
    title: ClassVar[str] = "labelme's labelme2voc.py: JPEGImages/, SegmentationClass/, class_names.txt"
    folders: ClassVar[tuple[str, ...]] = (IMAGES, MASKS)

    def recognise(self, root: Path) -> bool:
        """Its folders and names, without the lists of VOC."""
        return super().recognise(root) and (root / NAMES).is_file() and not (root / SPLITS).is_dir()

    def load(self, root: Path) -> Dataset:
        """List the images; see `Layout.load`."""
        names = [line.strip() for line in read_text(root / NAMES, DatasetError).splitlines() if line.strip()]
        background = BACKGROUND if BACKGROUND in names else None
        policy: BackgroundPolicy = "none" if background is None else "points"
        try:
            classes = ClassSet.create(names, voc_palette(len(names)), policy, background)
        except DatasetError as error:
            raise DatasetError(error.found, where=root / NAMES, field="classes", hint=error.hint) from None
        found = find_images(root / IMAGES)
        # Earlier versions had PNG in folders of their own, beside arrays of NumPy.
        masks, instances = (
            pair_masks(root / f"{folder}PNG", found.images) or pair_masks(root / folder, found.images)
            for folder in (MASKS, INSTANCES)
        )
        items = tuple(Item(name, path, masks.get(name), instances.get(name)) for name, path in found.images.items())
        values = {index: index for index in range(len(classes))} | {IGNORE: IGNORE}
        reader = MaskReader(classes, "index", values=values)
        return Dataset(root, self.name, classes, items, {}, reader, left_out=found.left_out)
