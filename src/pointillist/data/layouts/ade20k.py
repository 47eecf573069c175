"""ADE20K, SceneParsing release: `images/{training,validation}/`, `annotations/…`, `objectInfo150.txt`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.dataset import Dataset, Item
from pointillist.data.layouts.base import Layout
from pointillist.data.listing import find_images, pair_masks, splits_of
from pointillist.data.masks import MaskReader
from pointillist.errors import DatasetError
from pointillist.files import read_text

NAMES = "objectInfo150.txt"
SPLITS = {"training": "train", "validation": "val"}


class Ade20k(Layout):
    """The 150 classes of the challenge (Zhou et al., CVPR 2017).

    Pixel value v is class v − 1, and 0 is none of them: read as plain indices, every class would be shifted by one.
    """

    name: ClassVar[str] = "ade20k"
    title: ClassVar[str] = "ADE20K SceneParsing: images/, annotations/, objectInfo150.txt"
    folders: ClassVar[tuple[str, ...]] = ("images/training", "annotations/training")

    def load(self, root: Path) -> Dataset:
        """List the splits; images are named `training/….jpg`; see `Layout.load`."""
        classes = ClassSet.create(read_names(root / NAMES), policy="none")
        found = find_images(root / "images")
        images = found.images
        masks = pair_masks(root / "annotations", images)
        splits = {SPLITS[folder]: names for folder, names in splits_of(images).items() if folder in SPLITS}
        return Dataset(
            root,
            self.name,
            classes,
            tuple(Item(name, path, masks.get(name)) for name, path in images.items()),
            splits,
            MaskReader(classes, "index", values={0: IGNORE} | {index + 1: index for index in range(len(classes))}),
            left_out=found.left_out,
        )


def read_names(path: Path) -> list[str]:
    """Class names from the table of the release: `Idx  Ratio  Train  Val  Name`, tab-separated, from 1 up.

    The first synonym is the name: "building, edifice" is "building".

    Raises:
        DatasetError: The table is missing or of another form.
    """
    names: list[str] = []
    for number, line in enumerate(read_text(path, DatasetError).splitlines(), start=1):
        cells = [cell.strip() for cell in line.split("\t") if cell.strip()]
        if not cells or not cells[0].isdigit():
            continue
        if len(cells) < 2 or int(cells[0]) != len(names) + 1:
            raise DatasetError(
                f"found index {cells[0]} where {len(names) + 1} and a name were expected.",
                where=path,
                line=number,
                hint="Take the table of the release: Idx, Ratio, Train, Val, Name, separated by tabs.",
            )
        first = cells[-1].split(",")[0].split(";")[0].strip()
        names.append(cells[-1] if first in names else first)
    if len(names) < 2:
        raise DatasetError("lists no classes.", where=path, hint="Take the table of the release.")
    return names
