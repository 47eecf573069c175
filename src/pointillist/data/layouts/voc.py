"""PASCAL VOC: `JPEGImages/`, `SegmentationClass/`, `ImageSets/Segmentation/{train,val,…}.txt`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import ClassVar

from pointillist.classes import IGNORE, VOC_CLASSES, BackgroundPolicy, ClassSet, Color, voc_palette
from pointillist.data.dataset import Dataset, Item
from pointillist.data.layouts.base import Layout
from pointillist.data.listing import find_images, pair_masks, read_split
from pointillist.data.masks import MaskReader
from pointillist.errors import DatasetError
from pointillist.files import read_text

IMAGES = "JPEGImages"
MASKS = "SegmentationClass"
MORE_MASKS = "SegmentationClassAug"
INSTANCES = "SegmentationObject"
SPLITS = "ImageSets/Segmentation"
LABEL_MAP = "labelmap.txt"
"""What CVAT and datumaro write beside these folders: the names of other classes, and the colours of masks."""


VOID = voc_palette(IGNORE + 1)[IGNORE]
BLACK: Color = (0, 0, 0)
BACKGROUND = "background"


class Voc(Layout):
    """The layout of VOCdevkit/VOC2012 and VOC2007; images without a segmentation mask are left out.

    The further masks of SBD (Hariharan et al., *Semantic Contours from Inverse Detectors*, ICCV 2011), as they are
    commonly passed on, stand in `SegmentationClassAug/` with a list `trainaug.txt`; where an image has both, VOC's own
    mask is used, which is finer and marks the outlines as void.

    With a `labelmap.txt` (CVAT's *Segmentation mask 1.1*, datumaro's `voc_segmentation`), classes are those of that
    file, and masks may be coloured: each colour is a class. `background`, or black, is the background; VOC's colour of
    void is ignored.

    The human clicks at hand have no background class, so the policy is `border` unless the user says otherwise.
    """

    name: ClassVar[str] = "voc"
    title: ClassVar[str] = "PASCAL VOC: JPEGImages/, SegmentationClass/, ImageSets/Segmentation/"
    folders: ClassVar[tuple[str, ...]] = (IMAGES, MASKS, SPLITS)

    def load(self, root: Path) -> Dataset:
        """List the images that have a mask or stand in a split; see `Layout.load`."""
        label_map = root / LABEL_MAP
        own = _reader(label_map) if label_map.is_file() else None
        voc = ClassSet.create(VOC_CLASSES, voc_palette(len(VOC_CLASSES)), policy="border")
        classes = voc if own is None else own.classes
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
        reader = own or MaskReader(classes, "index" if more else "palette")
        return Dataset(root, self.name, classes, items, splits, reader, left_out=found.left_out)


def _image_id(line: str) -> str:
    """The image of a line such as `2007_000032`, or `/JPEGImages/a.jpg /SegmentationClassAug/a.png`, or `a 1`."""
    return PurePosixPath(line.split()[0]).stem


def _reader(file: Path) -> MaskReader:
    """A reader of masks, of the classes of lines `name:red,green,blue:parts:actions`.

    Colours that are not said are those of VOC.

    Source: CVAT manual, *Segmentation mask*; datumaro manual, *Pascal VOC*.

    Raises:
        DatasetError: At the first line that is not like this, or two classes have one name or colour.
    """
    named: list[tuple[str, Color]] = []
    palette = voc_palette(IGNORE + 1)
    for number, line in enumerate(read_text(file, DatasetError).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, given, _, _ = line.strip().rsplit(":", 3)
            red, green, blue = map(int, given.split(",")) if given else palette[min(len(named), IGNORE)]
            if not all(0 <= part <= 255 for part in (red, green, blue)):
                raise ValueError("no colour")
        except ValueError:
            hint = "A line is name:red,green,blue:parts:actions."
            raise DatasetError(f"line {number} is {line[:60]!r}.", where=file, field="classes", hint=hint) from None
        named.append((name, (red, green, blue)))
    kept = [(name, color) for name, color in named if color != VOID]
    background = next((name for name, color in kept if name == BACKGROUND or color == BLACK), None)
    policy: BackgroundPolicy = "none" if background is None else "border"
    try:
        classes = ClassSet.create([name for name, _ in kept], [color for _, color in kept], policy, background)
        return MaskReader(classes, "color", ignore_colors=(VOID,))
    except DatasetError as error:
        raise DatasetError(error.found, where=file, field="classes", hint=error.hint) from None
