"""SBD, the Semantic Boundaries Dataset: `img/*.jpg`, `cls/*.mat`, `inst/*.mat`, `train.txt`, `val.txt`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pointillist.classes import VOC_CLASSES, ClassSet, voc_palette
from pointillist.data.dataset import Dataset, Item
from pointillist.data.layouts.base import Layout
from pointillist.data.listing import find_images, pair_masks, read_split
from pointillist.data.masks import MaskReader


class Sbd(Layout):
    """Hariharan et al., *Semantic Contours from Inverse Detectors* (ICCV 2011), as `benchmark_RELEASE/dataset/` has it.

    The classes are those of PASCAL VOC, in the same order; no pixel is void. As for VOC, the policy is `border`.
    """

    name: ClassVar[str] = "sbd"
    title: ClassVar[str] = "SBD: img/, cls/ and inst/ with .mat files, train.txt, val.txt"
    folders: ClassVar[tuple[str, ...]] = ("img", "cls", "inst")

    def recognise(self, root: Path) -> bool:
        """Its three folders, and a MATLAB file in `cls/`."""
        return super().recognise(root) and any((root / "cls").glob("*.mat"))

    def load(self, root: Path) -> Dataset:
        """List the images; see `Layout.load`."""
        classes = ClassSet.create(VOC_CLASSES, voc_palette(len(VOC_CLASSES)), policy="border")
        found = find_images(root / "img")
        masks, instances = (pair_masks(root / folder, found.images) for folder in ("cls", "inst"))
        items = tuple(Item(name, path, masks.get(name), instances.get(name)) for name, path in found.images.items())
        files = [file for file in (root / "train.txt", root / "val.txt") if file.is_file()]
        splits = {file.stem: read_split(file, list(found.images)) for file in files}
        return Dataset(root, self.name, classes, items, splits, MaskReader(classes, "index"), left_out=found.left_out)
