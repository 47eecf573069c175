"""What operations have in common: whether a class and a place are there."""

from __future__ import annotations

from collections.abc import Callable

from pointillist.annotator.folder import DataFolder
from pointillist.annotator.labels.tables import Tables
from pointillist.errors import DatasetError, PointsError


def known_class(tables: Tables, given: str) -> str:
    """The class that an id means today.

    Raises:
        DatasetError: There never was one.
    """
    found = tables.class_id(given)
    if found is None:
        raise DatasetError("there is no such class.", field="class", hint="Load the page again.")
    return found


def revived(tables: Tables, label: str) -> str:
    """The class that a point gets: a removed one comes back, or is the one that has its name by now."""
    label = tables.class_id(label) or label
    removed = tables.removed_name(label)
    if removed is None:
        return label
    same = next((row.id for row in tables.classes() if row.name == removed), None)
    if same is None:
        tables.change_class(label, removed=False)
        return label
    tables.merge_class(label, same)
    return same


def check_position(
    folder: DataFolder, size_of: Callable[[str], tuple[int, int]], image: str, x: float, y: float
) -> None:
    """Refuse a place outside its image.

    Raises:
        PointsError: With the size of the image.
    """
    if image not in folder.images:
        return  # a stray point of an image that is not there; its owner may still sort it
    height, width = size_of(image)
    if not (0 <= x < width and 0 <= y < height):
        raise PointsError(
            f"({x:g}, {y:g}) lies outside the image, which is {width} wide and {height} high.",
            field="x, y",
            hint="Click inside the image.",
        )
