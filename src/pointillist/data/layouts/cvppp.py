"""CVPPP leaf segmentation and its like: `…_rgb.png` beside `…_label.png`, an instance map with one id per leaf."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pointillist.classes import ClassSet
from pointillist.data.dataset import Dataset, Item
from pointillist.data.layouts.base import Layout
from pointillist.data.listing import find_images
from pointillist.data.masks import MaskReader
from pointillist.errors import DatasetError

IMAGE, LABEL = "_rgb", "_label"


class Cvppp(Layout):
    """Minervini et al., *Finely-grained annotated datasets for image-based plant phenotyping* (2016).

    The class mask is made from the instance map: any id above 0 is a leaf. The instances tell touching leaves apart
    when clicks are simulated. The release has no split, and leaves that to you: `splits/train.txt` beside the images.
    """

    name: ClassVar[str] = "cvppp"
    title: ClassVar[str] = "CVPPP leaves: …_rgb.png with instance maps …_label.png"

    def recognise(self, root: Path) -> bool:
        """A label file in the folder or one below it."""
        return any(any(root.glob(f"{below}*{LABEL}.png")) for below in ("", "*/"))

    def load(self, root: Path) -> Dataset:
        """Pair the files; see `Layout.load`."""
        classes = ClassSet.create(["background", "leaf"], ["#000000", "#009e73"])
        found = find_images(root)
        items = []
        for name, path in found.images.items():
            if path.stem.endswith(IMAGE):
                label = path.with_name(path.stem.removesuffix(IMAGE) + LABEL + ".png")
                known = label if label.is_file() else None
                items.append(Item(name, path, known, known))
        if not items:
            raise DatasetError(f"holds no …{IMAGE}.png.", where=root, hint="Point at the folder of the release.")
        values = {value: int(value > 0) for value in range(256)}
        reader = MaskReader(classes, "index", values=values)
        return Dataset(root, self.name, classes, tuple(items), {}, reader, left_out=found.left_out)
