"""CRAID, cranberries seen by a drone: `{train,val,test}/{images,masks}`, in its older form with `back_masks/`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from pointillist.classes import ClassSet
from pointillist.data.dataset import Dataset, Item
from pointillist.data.layouts.base import Layout
from pointillist.data.listing import find_split_folders, splits_of
from pointillist.data.masks import MaskReader

_COUNT = re.compile(r"count_(\d+)_.*", re.IGNORECASE)


class Craid(Layout):
    """Akiva et al., *Finding Berries* (CVPR workshops 2020), and the crops of 2021.

    Below `train/`, the files in `masks/` are clicks, not masks: blocks of 4×4 pixels, 1 for a berry and, in the newer
    form, 2 for background, which stands in `back_masks/` in the older one; the label format `craid` reads both. Below
    `val/` and `test/` they are masks with 1 for berry. The file name tells how many berries an image shows:
    `count_26_….png`.
    """

    name: ClassVar[str] = "craid"
    title: ClassVar[str] = "CRAID cranberries: train/images/, train/masks/, test/…"
    folders: ClassVar[tuple[str, ...]] = ("train/images", "train/masks")

    def recognise(self, root: Path) -> bool:
        """Training folders, with counts in the names of the images."""
        if not super().recognise(root):
            return False
        first = next((path for path in (root / "train" / "images").iterdir() if not path.name.startswith(".")), None)
        return first is not None and berry_count(first.name) is not None

    def load(self, root: Path) -> Dataset:
        """List the splits; images are named `train/….png`; see `Layout.load`."""
        classes = ClassSet.create(["background", "berry"], ["#404040", "#c81e3c"])
        found, _ = find_split_folders(root, ("train",), "{}/images")
        held, masks = find_split_folders(root, ("val", "test"), "{}/images", "{}/masks")
        found.left_out.include(held.left_out)
        images = found.images | held.images
        return Dataset(
            root,
            self.name,
            classes,
            tuple(Item(name, path, masks.get(name), count=berry_count(name)) for name, path in images.items()),
            splits_of(images),
            MaskReader(classes, "index", values={0: 0, 1: 1, 2: 0}),
            left_out=found.left_out,
            points_file=root / "train" if (root / "train" / "back_masks").is_dir() else root / "train" / "masks",
        )


def berry_count(name: str) -> int | None:
    """The number in a file name such as `count_26_0713.png`; None where there is none.

    >>> berry_count("count_26_0713.png"), berry_count("DJI0713.png")
    (26, None)
    """
    match = _COUNT.fullmatch(Path(name).stem)
    return int(match[1]) if match else None
