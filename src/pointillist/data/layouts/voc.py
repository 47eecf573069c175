"""PASCAL VOC: `JPEGImages/`, `SegmentationClass/`, `ImageSets/Segmentation/{train,val,…}.txt`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import ClassVar

from pointillist.classes import VOC_CLASSES, ClassSet, voc_palette
from pointillist.data.dataset import Dataset, Item
from pointillist.data.layouts.base import Layout
from pointillist.data.listing import find_images, pair_masks, read_split
from pointillist.data.masks import MaskReader

IMAGES = "JPEGImages"
MASKS = "SegmentationClass"
MORE_MASKS = "SegmentationClassAug"
INSTANCES = "SegmentationObject"
SPLITS = "ImageSets/Segmentation"


class Voc(Layout):
    """The layout of VOCdevkit/VOC2012 and VOC2007; images without a segmentation mask are left out.

    The further masks of SBD (Hariharan et al., *Semantic Contours from Inverse Detectors*, ICCV 2011), as they are
    commonly passed on, stand in `SegmentationClassAug/` with a list `trainaug.txt`; where an image has both, VOC's own
    mask is used, which is finer and marks the outlines as void.

    The human clicks at hand have no background class, so the policy is `border` unless the user says otherwise.
    """

    name: ClassVar[str] = "voc"
    title: ClassVar[str] = "PASCAL VOC: JPEGImages/, SegmentationClass/, ImageSets/Segmentation/"
    folders: ClassVar[tuple[str, ...]] = (IMAGES, MASKS, SPLITS)

    def load(self, root: Path) -> Dataset:
        """List the images that have a mask or stand in a split; see `Layout.load`."""
        classes = ClassSet.create(VOC_CLASSES, voc_palette(len(VOC_CLASSES)), policy="border")
        found = find_images(root / IMAGES)
        images = found.images
        more = pair_masks(root / MORE_MASKS, images)
        masks = more | pair_masks(root / MASKS, images)
        instances = pair_masks(root / INSTANCES, images)
        files = sorted((root / SPLITS).glob("*.txt"))
        splits = {file.stem: read_split(file, list(images), name_of=_image_id) for file in files}
        listed = {name for names in splits.values() for name in names}
        items = tuple(
            Item(name, path, masks.get(name), instances.get(name))
            for name, path in images.items()
            if name in masks or name in listed
        )
        known = {item.name for item in items}
        for name in images:
            if name not in known:
                found.left_out.add("image without mask or split", name)
        # SBD's masks are passed on without a palette.
        reader = MaskReader(classes, "index" if more else "palette")
        return Dataset(root, self.name, classes, items, splits, reader, left_out=found.left_out)


def _image_id(line: str) -> str:
    """The image of a line such as `2007_000032`, or `/JPEGImages/a.jpg /SegmentationClassAug/a.png`, or `a 1`."""
    return PurePosixPath(line.split()[0]).stem
