"""Matching points with the images and classes of a data set: each is accepted or rejected, none vanishes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Literal

from pointillist.classes import ClassSet
from pointillist.errors import PointsError, nearest
from pointillist.points.table import Point, PointTable


class Reason(StrEnum):
    """Why a point was rejected."""

    UNKNOWN_IMAGE = "unknown image"
    UNKNOWN_CLASS = "unknown class"
    OUTSIDE = "outside image"


@dataclass(frozen=True)
class Rejection:
    """A point that does not fit, why, and what would make it fit."""

    point: Point
    reason: Reason
    found: str
    cure: str


@dataclass(frozen=True)
class Checked:
    """The outcome for a whole table: `len(points) + len(rejections)` is the number of points that came in."""

    points: PointTable
    rejections: tuple[Rejection, ...]

    def reasons(self) -> Counter[Reason]:
        """How many points were rejected, by reason."""
        return Counter(rejection.reason for rejection in self.rejections)

    def raise_first(self, where: Path) -> None:
        """Make the first rejection an error.

        Raises:
            PointsError: There is one.
        """
        for rejection in self.rejections:
            more = len(self.rejections) - 1
            field = {Reason.UNKNOWN_IMAGE: "image", Reason.UNKNOWN_CLASS: "class", Reason.OUTSIDE: "x, y"}
            raise PointsError(
                rejection.found + (f" ({more} more point{'s' * (more > 1)} do not fit.)" if more else ""),
                where=where,
                line=rejection.point.line,
                field=field[rejection.reason],
                cure=rejection.cure,
            )


class ImageNames:
    """Finds the image a label file means, among the images of a data set.

    Args:
        names: Paths below the image folder, with `/` and extension.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._exact = set(names)
        self._by_stem: dict[str, list[str]] = {}
        self._by_fold: dict[str, str] = {}
        for name in self._exact:
            self._by_stem.setdefault(PurePosixPath(name).stem, []).append(name)
            self._by_fold[self._fold(name)] = name

    @staticmethod
    def _fold(name: str) -> str:
        return str(PurePosixPath(name).with_suffix("")).casefold()

    def find(self, name: str, by: Literal["path", "stem"]) -> str | None:
        """The image of this name, None when there is none or a stem fits several."""
        if name in self._exact:
            return name
        fits = self._by_stem.get(name, []) if by == "stem" else []
        return fits[0] if len(fits) == 1 else None

    def cure(self, name: str) -> str:
        """What to do about a name that was not found."""
        close = self._by_fold.get(self._fold(name or "."))
        if close is not None:
            return f"The image is called '{close}'; names must agree in case and extension."
        return "Add the image, or remove its points; names are paths below the image folder, with extension."


def check_points(
    table: PointTable,
    *,
    names: ImageNames,
    classes: ClassSet,
    images_by: Literal["path", "stem"] = "path",
    size_of: Callable[[str], tuple[int, int]],
) -> Checked:
    """Sort points into those that fit a data set and those that do not.

    Args:
        table: Points as a label file has them.
        names: The images of the data set.
        classes: Its classes.
        images_by: How the label file names images.
        size_of: (height, width) of an image of the data set, in pixels, EXIF-oriented; asked once per image.

    Returns:
        Accepted points carry the data set's image names.
    """
    accepted: list[Point] = []
    rejections: list[Rejection] = []
    for named in table.images:
        image = names.find(named, images_by)
        size = None if image is None else size_of(image)
        for point in table.of(named):
            problem = _problem(point, named, size, names, classes)
            if problem is not None:
                rejections.append(problem)
            elif image is not None:
                accepted.append(Point(image, point.x, point.y, point.label, point.extra, point.line))
    return Checked(PointTable(accepted, table.columns), tuple(rejections))


def _problem(
    point: Point, named: str, size: tuple[int, int] | None, names: ImageNames, classes: ClassSet
) -> Rejection | None:
    if size is None:
        return Rejection(point, Reason.UNKNOWN_IMAGE, f"there is no image '{named}'.", names.cure(named))
    if point.label not in classes:
        found = f"'{point.label}' is not a class of this data set."
        return Rejection(point, Reason.UNKNOWN_CLASS, found, nearest(point.label, classes.names))
    height, width = size
    if not (0 <= point.x < width and 0 <= point.y < height):
        found = f"({point.x:g}, {point.y:g}) lies outside '{named}', which is {width} wide and {height} high."
        return Rejection(
            point, Reason.OUTSIDE, found, "Coordinates are pixels from the top-left corner, x to the right, y down."
        )
    return None
