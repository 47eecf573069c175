"""Cityscapes: `leftImg8bit/{train,val,test}/CITY/…` and `gtFine/{train,val,test}/CITY/…`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.dataset import Dataset, Item
from pointillist.data.layouts.base import Layout
from pointillist.data.listing import find_images, split_by_folder
from pointillist.data.masks import MaskReader
from pointillist.errors import DatasetError

IMAGES = "leftImg8bit"
MASKS = "gtFine"

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
        images = find_images(root / IMAGES)
        kind, masks = find_labels(root, images)
        values = None
        if kind == "labelIds":
            values = dict.fromkeys(range(LABEL_IDS), IGNORE)
            values |= {label_id: index for index, (label_id, _) in enumerate(CLASSES.values())}
        return Dataset(
            root,
            self.name,
            classes,
            tuple(Item(name, path, masks.get(name), instance_map(root, name)) for name, path in images.items()),
            split_by_folder(images),
            MaskReader(classes, "index", values=values),
            first_instance=FIRST_INSTANCE,
        )


def find_labels(root: Path, images: dict[str, Path]) -> tuple[str, dict[str, Path]]:
    """The kind of label file that all labelled images have, and the files by image name.

    Raises:
        DatasetError: Some images have only one kind and some only the other.
    """
    found: dict[str, dict[str, Path]] = {}
    for kind in ("labelIds", "labelTrainIds"):
        candidates = {name: root / MASKS / _with_suffix(name, f"gtFine_{kind}.png") for name in images}
        found[kind] = {name: path for name, path in candidates.items() if path.is_file()}
    labelled = found["labelIds"].keys() | found["labelTrainIds"].keys()
    for kind, files in found.items():
        if files.keys() == labelled:
            return kind, files
    first = min(found["labelIds"].keys() - found["labelTrainIds"].keys())
    other = min(found["labelTrainIds"].keys() - found["labelIds"].keys())
    raise DatasetError(
        f"'{first}' has labelIds only and '{other}' has labelTrainIds only.",
        where=root / MASKS,
        hint="Give all images the same kind; createTrainIdLabelImgs of cityscapesScripts makes the missing ones.",
    )


def instance_map(root: Path, name: str) -> Path | None:
    """The instance map of an image, where there is one."""
    path = root / MASKS / _with_suffix(name, "gtFine_instanceIds.png")
    return path if path.is_file() else None


def _with_suffix(name: str, suffix: str) -> str:
    return name.removesuffix("leftImg8bit.png") + suffix
