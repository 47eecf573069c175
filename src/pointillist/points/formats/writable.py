"""What every label file has to keep to, so that none is written that is refused when it is read."""

from __future__ import annotations

import math
from itertools import chain
from pathlib import Path

from pointillist.errors import PointsError
from pointillist.naming import class_name_problem, image_name_problem
from pointillist.points.questions import question_problem
from pointillist.points.table import Point, PointTable

MAX_POINTS = 5_000_000
"""More clicks than any person made; a file that claims more is damaged, and would fill the memory."""


def is_finite(point: Point) -> bool:
    """Whether a point has a position at all."""
    return math.isfinite(point.x) and math.isfinite(point.y)


def check_count(count: int, path: Path) -> None:
    """Refuse more points than are read.

    Raises:
        PointsError: There are more.
    """
    if count > MAX_POINTS:
        raise PointsError(f"{count:,} points; one file holds at most {MAX_POINTS:,}.", where=path, hint="Split them.")


def check_writable(table: PointTable, path: Path) -> None:
    """Refuse what would not be read again, whatever the format.

    Raises:
        PointsError: Too many points, one without a position, a name of an image or class that no file can hold, or a
            question whose columns contradict each other.
    """
    check_count(len(table) + len(table.unnamed), path)
    for point in chain(table, table.unnamed):
        if not is_finite(point):
            raise PointsError(
                f"({point.x}, {point.y}) in image '{point.image}' is no position.",
                where=path,
                hint="Check the points first with 'pointillist points check'.",
            )
        if problem := question_problem(point):
            column, found, hint = problem
            raise PointsError(f"image '{point.image}': {found}", where=path, field=column, hint=hint)
    for label in table.counts():
        if (wrong := class_name_problem(label)) is not None:
            raise PointsError(wrong, where=path, field="class", hint="Give this class another name.")
    for image in table.rows.images:
        if (wrong := image_name_problem(image)) is not None:
            raise PointsError(f"{image!r} has {wrong}.", where=path, field="image", hint="Rename this image.")
