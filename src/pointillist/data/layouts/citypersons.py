"""CityPersons: Cityscapes images with person boxes in `gtBboxCityPersons/`, read as one click per person."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.dataset import Dataset, Item
from pointillist.data.layouts.base import Layout
from pointillist.data.layouts.cityscapes import FIRST_INSTANCE, IMAGES, find_labels, instance_map
from pointillist.data.listing import find_images, split_by_folder
from pointillist.data.masks import MaskReader
from pointillist.errors import PointsError
from pointillist.files import read_text
from pointillist.points.table import Point, PointTable

BOXES = "gtBboxCityPersons"

PERSONS = frozenset({"pedestrian", "rider", "sitting person", "person (other)"})
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
        images = find_images(root / IMAGES)
        kind, masks = find_labels(root, images)
        person = {24, 25} if kind == "labelIds" else {11, 12}
        values = {value: int(value in person) for value in range(34 if kind == "labelIds" else 19)}
        # Unlabelled, ego vehicle, border of the rectification, out of the region of interest; 255 in trainIds.
        values |= dict.fromkeys(range(4) if kind == "labelIds" else [IGNORE], IGNORE)
        points = [point for name in images for point in _points(root, name)]
        return Dataset(
            root,
            self.name,
            classes,
            tuple(Item(name, path, masks.get(name), instance_map(root, name)) for name, path in images.items()),
            split_by_folder(images),
            MaskReader(classes, "index", values=values),
            points=PointTable(points, ["kind"]),
            first_instance=FIRST_INSTANCE,
        )


def _points(root: Path, name: str) -> Iterator[Point]:
    path = root / BOXES / (name.removesuffix("leftImg8bit.png") + "gtBboxCityPersons.json")
    if not path.is_file():
        return
    try:
        content = json.loads(read_text(path, PointsError, max_bytes=2**24))
    except (json.JSONDecodeError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise PointsError("is not valid JSON.", where=path, line=line, hint="Fetch the file again.") from error
    objects = content.get("objects") if isinstance(content, dict) else None
    if not isinstance(objects, list):
        raise PointsError("has no list of objects.", where=path, field="objects", hint="Fetch the file again.")
    for index, entry in enumerate(objects):
        label = entry.get("label") if isinstance(entry, dict) else None
        if label not in PERSONS:
            continue
        box = _box(entry.get("bboxVis")) or _box(entry.get("bbox"))
        if box is None:
            raise PointsError(
                "has no box [x, y, width, height].", where=path, field=f"objects[{index}]", hint="Mend this object."
            )
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
