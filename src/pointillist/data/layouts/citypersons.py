"""CityPersons: Cityscapes images with person boxes in `gtBboxCityPersons/`, read as one click per person."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.dataset import Dataset, Item
from pointillist.data.layouts.base import Layout
from pointillist.data.layouts.cityscapes import FIRST_INSTANCE, IMAGES, INSTANCES, MASKS, files_of, find_labels
from pointillist.data.listing import find_images, splits_of
from pointillist.data.masks import MaskReader
from pointillist.points.formats.jsontext import read_json
from pointillist.points.table import Point, PointTable

BOXES = "gtBboxCityPersons"

PERSONS = ("pedestrian", "rider", "sitting person", "person (other)")
"""Labels that are single people; `ignore` (posters, reflections) and `person group` are not clicked."""


class CityPersons(Layout):
    """Zhang et al., *CityPersons* (CVPR 2017), as background and person.

    A person's click is the middle of the visible box, or of the whole box where no visible one is given. It can miss
    the person, for example between two legs, as a click drawn from a box does. Nobody clicked the background, so the
    policy is `border`. For evaluation, the masks of Cityscapes give person and rider as person.
    """

    name: ClassVar[str] = "citypersons"
    title: ClassVar[str] = "CityPersons: leftImg8bit/, gtBboxCityPersons/, perhaps gtFine/"
    folders: ClassVar[tuple[str, ...]] = (IMAGES, BOXES)

    def load(self, root: Path) -> Dataset:
        """List the images and read all boxes; see `Layout.load`.

        Raises:
            PointsError: A box file cannot be read.
        """
        classes = ClassSet.create(["background", "person"], ["#000000", "#dc143c"], policy="border")
        found = find_images(root / IMAGES)
        images = found.images
        kind, masks = find_labels(root, images)
        person = {24, 25} if kind == "labelIds" else {11, 12}
        values = {value: int(value in person) for value in range(34 if kind == "labelIds" else 19)}
        # Unlabelled, ego vehicle, border of the rectification, out of the region of interest; 255 in trainIds.
        values |= dict.fromkeys(range(4) if kind == "labelIds" else [IGNORE], IGNORE)
        boxes = files_of(root / BOXES, images, "gtBboxCityPersons.json")
        instances = files_of(root / MASKS, images, INSTANCES)
        points = [point for name, path in boxes.items() for point in _points(path, name)]
        return Dataset(
            root,
            self.name,
            classes,
            tuple(Item(name, path, masks.get(name), instances.get(name)) for name, path in images.items()),
            splits_of(images),
            MaskReader(classes, "index", values=values),
            points=PointTable(points, ["kind"]),
            left_out=found.left_out,
            first_instance=FIRST_INSTANCE,
        )


def _points(path: Path, name: str) -> Iterator[Point]:
    for entry in read_json(path).get("objects").each():
        label = entry.items().get("label")
        if label not in PERSONS:
            continue
        box = _box(entry.value.get("bboxVis")) or _box(entry.value.get("bbox"))
        if box is None:
            raise entry.fail("has no box [x, y, width, height].", "Mend this object.")
        x, y, width, height = box
        yield Point(name, x + width / 2, y + height / 2, "person", {"kind": label})


def _box(value: Any) -> tuple[float, float, float, float] | None:
    """A box with an area, in pixels from the corner; None otherwise."""
    if not isinstance(value, list) or len(value) != 4:
        return None
    if not all(isinstance(side, int | float) and math.isfinite(side) for side in value):
        return None
    x, y, width, height = (float(side) for side in value)
    return (x, y, width, height) if width > 0 and height > 0 and x >= 0 and y >= 0 else None
