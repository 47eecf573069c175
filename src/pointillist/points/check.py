"""Sorting points into those that fit and those that do not: each is accepted or rejected, none vanishes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pointillist.errors import PointsError, nearest
from pointillist.files import write_text
from pointillist.points.formats.base import Size
from pointillist.points.formats.writable import is_finite
from pointillist.points.names import ImageNames, NamedBy, class_finder, listed, rivals
from pointillist.points.questions import is_question
from pointillist.points.table import OFF_IMAGES, Point, PointTable


class Reason(StrEnum):
    """Why a point was rejected; the first that applies, in this order."""

    UNKNOWN_IMAGE = "unknown image"
    AMBIGUOUS_IMAGE = "ambiguous image"
    UNKNOWN_CLASS = "unknown class"
    NOT_FINITE = "not finite"
    OUTSIDE = "outside image"
    CONFLICTING = "conflicting"
    DUPLICATE = "duplicate"


_FIELDS = {
    Reason.UNKNOWN_IMAGE: "image",
    Reason.AMBIGUOUS_IMAGE: "image",
    Reason.UNKNOWN_CLASS: "class",
    Reason.NOT_FINITE: "x, y",
    Reason.OUTSIDE: "x, y",
}
"""Reasons that are errors in a strict file, with the field they are about. Duplicate and conflicting points are not: a
hand that trembles, or simulated jitter, makes some, and the others are as good as they were."""


@dataclass(frozen=True)
class Rejection:
    """A point that does not fit, why, and what would make it fit."""

    point: Point
    reason: Reason
    found: str
    hint: str


@dataclass(frozen=True)
class Checked:
    """The outcome for a whole table: what came in are the points, the unnamed questions and the rejections.

    Args:
        points: Those that fit, with the data set's image names.
        rejections: Those that do not.
        skipped: What the label file holds besides points, by kind.
    """

    points: PointTable
    rejections: tuple[Rejection, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of points that came in."""
        return len(self.points.rows) + len(self.rejections)

    def reasons(self) -> Counter[Reason]:
        """How many points were rejected, by reason."""
        return Counter(rejection.reason for rejection in self.rejections)

    def unknown_classes(self) -> Counter[str]:
        """Class names that the data set does not have, with their number of points."""
        return Counter(r.point.label for r in self.rejections if r.reason is Reason.UNKNOWN_CLASS)

    def raise_first(self, where: Path) -> None:
        """Make the first rejection an error, unless it is a mere duplicate or conflict.

        Raises:
            PointsError: There is one.
        """
        wrong = [rejection for rejection in self.rejections if rejection.reason in _FIELDS]
        for rejection in wrong:
            more = len(wrong) - 1
            others = "1 more point does" if more == 1 else f"{more:,} more points do"
            raise PointsError(
                rejection.found + (f" ({others} not fit.)" if more else ""),
                where=where,
                line=rejection.point.line,
                field=_FIELDS[rejection.reason],
                hint=rejection.hint,
            )

    def write_report(self, path: Path, **more: object) -> None:
        """Write `report`, and `more` beside it, as a JSON file.

        Raises:
            SaveError: It cannot be written.
        """
        write_text(path, json.dumps({**self.report(), **more}, ensure_ascii=False, indent=2) + "\n")

    def raise_if_none_fits(self, where: Path) -> None:
        """Make it an error when not one point fits, or there is none.

        Raises:
            PointsError: None fits.
        """
        if len(self.points.rows):
            return
        if self.rejections:
            found = f"none of the {self.total:,} points fits, so nothing was written: {self.rejections[0].found}"
            raise PointsError(found, where=where, hint=self.rejections[0].hint)
        besides = ", ".join(f"{count:,} × {kind}" for kind, count in self.skipped.items())
        raise PointsError(
            "holds no points, so nothing was written." + f" It has {besides}." * bool(besides),
            where=where,
            hint="Check that this is the file with the clicks, and what can be said about it: 'points formats NAME'.",
        )

    def report(self) -> dict[str, Any]:
        """Everything, as JSON would have it: totals, counts by reason, and each rejected point with its place."""
        return {
            "total": self.total,
            "imported": len(self.points),
            "unnamed": len(self.points.unnamed),
            "rejected": len(self.rejections),
            "reasons": {reason.value: self.reasons()[reason] for reason in Reason},
            "unknown_classes": dict(self.unknown_classes().most_common()),
            "skipped": dict(self.skipped),
            "classes": dict(self.points.counts()),
            "images": len(self.points.images),
            "rejections": [
                {
                    "image": r.point.image,
                    "x": r.point.x if is_finite(r.point) else str(r.point.x),
                    "y": r.point.y if is_finite(r.point) else str(r.point.y),
                    "class": r.point.label,
                    "reason": r.reason.value,
                    "found": r.found,
                    "hint": r.hint,
                    "line": r.point.line,
                    "place": r.point.place,
                }
                for r in self.rejections
            ],
        }


def check_points(
    table: PointTable,
    *,
    names: ImageNames,
    classes: Sequence[str],
    images_by: NamedBy = "path",
    size_of: Callable[[str], Size],
    rename: Mapping[str, str] | None = None,
    max_size: Size | None = None,
    merge: bool = False,
) -> Checked:
    """Sort points into those that fit a data set and those that do not.

    A pixel holds one class. Several points of one class in one pixel count once: all but the first are *duplicate*.
    Where points of different classes share a pixel, nobody can say which is right, so all of them are *conflicting*.

    Args:
        table: Points as a label file has them.
        names: The images of the data set.
        classes: Names of its classes.
        images_by: How the label file names images.
        size_of: (height, width) of an image of the data set, in pixels, EXIF-oriented; asked once per image.
        rename: The data set's class name by the label file's, where they differ.
        max_size: (height, width) that no image exceeds, also none that is not at hand.
        merge: Whether several entries of the label file that lead to one image are all about it; else nobody can say
            so, and their points are rejected.

    Returns:
        Accepted points carry the data set's image and class names; rejected ones its image names as far as they are
        known, and their own class names.
    """
    fitting: list[Point] = []
    rejections: list[Rejection] = []
    sizes: dict[str, Size] = {}
    class_of = class_finder(classes, rename or {})
    images = {named: names.find(named, images_by) for named in table.listed}
    unclear = {} if merge else _unclear(table, images)
    for named in table.rows.images:
        image = images[named]
        if image is not None and image not in sizes:
            sizes[image] = size_of(image)
        for given in table.rows.of(named):
            point = given if image is None or image == named else replace(given, image=image)
            label = class_of(point.label)
            if image is None:
                off = named == OFF_IMAGES
                problem = _position_problem(point, max_size, "at most ") if off or max_size is not None else None
                if problem is None:
                    found, hint = f"there is no image '{named}'.", names.hint(named, images_by)
                    problem = Rejection(point, Reason.UNKNOWN_IMAGE, found, hint)
            elif named in unclear:
                problem = Rejection(given, Reason.AMBIGUOUS_IMAGE, unclear[named], _ONE_IMAGE)
            elif label and label not in classes:
                found, hint = f"'{label}' is not a class of this data set.", nearest(label, classes)
                problem = Rejection(point, Reason.UNKNOWN_CLASS, found, hint)
            else:
                problem = _position_problem(point, sizes[image])
            if problem is None:
                fitting.append(point if label == point.label else replace(point, label=label))
            else:
                rejections.append(problem)
    return _without_doubles(fitting, rejections, table)


def check_without_dataset(
    table: PointTable,
    size_of: Callable[[str], Size | None],
    *,
    images: Mapping[str, str] | None = None,
    max_size: Size | None = None,
    merge: bool = False,
) -> Checked:
    """Sort points by what can be said without a data set: ambiguous, not finite, outside, conflicting, duplicate.

    Args:
        table: Points as a label file has them.
        size_of: (height, width) of an image by its name in the label file; None where it is not known.
        images: What the images are called by their names in the label file, where that differs.
        max_size: (height, width) that no image exceeds.
        merge: As in `check_points`.
    """
    fitting: list[Point] = []
    rejections: list[Rejection] = []
    unclear = {} if merge else _unclear(table, images or {})
    for image in table.rows.images:
        size = size_of(image)
        for point in table.rows.of(image):
            if image in unclear:
                problem: Rejection | None = Rejection(point, Reason.AMBIGUOUS_IMAGE, unclear[image], _ONE_IMAGE)
            else:
                problem = _position_problem(point, size or max_size, "" if size else "at most ")
            if problem is None:
                fitting.append(point)
            else:
                rejections.append(problem)
    return _without_doubles(fitting, rejections, table)


_ONE_IMAGE = "Give each image a name of its own, or say --set repeated=merge if all of them are the same image."


def _unclear(table: PointTable, images: Mapping[str, str | None]) -> dict[str, str]:
    """Names that stand for more than one entry of a label file, or share an image with others, and what is wrong."""
    shared = {name: f"{listed(names)} could all be '{images[name]}'." for name, names in rivals(images).items()}
    return shared | {name: f"the file has several entries for an image '{name}'." for name in table.repeated}


def _position_problem(point: Point, size: Size | None, most: str = "") -> Rejection | None:
    hint = "Coordinates are pixels from the top-left corner, x to the right, y down."
    if not is_finite(point):
        return Rejection(point, Reason.NOT_FINITE, f"({point.x}, {point.y}) is no position.", hint)
    if point.image == OFF_IMAGES:
        found = f"({point.x:.10g}, {point.y:.10g}) lies in none of the images."
        return Rejection(point, Reason.OUTSIDE, found, "Add the image in which it lies, or leave it out.")
    if size is not None and not (0 <= point.x < size[1] and 0 <= point.y < size[0]):
        extent = f"{most}{size[1]} wide and {size[0]} high"
        found = f"({point.x:g}, {point.y:g}) lies outside '{point.image}', which is {extent}."
        return Rejection(point, Reason.OUTSIDE, found, hint)
    return None


def _without_doubles(fitting: list[Point], rejections: list[Rejection], table: PointTable) -> Checked:
    named = [point for point in fitting if point.label]
    labels: dict[tuple[str, tuple[int, int]], set[str]] = {}
    for point in named:
        labels.setdefault((point.image, point.pixel), set()).add(point.label)
    accepted: list[Point] = []
    seen: set[tuple[str, tuple[int, int], bool]] = set()
    for point in named:
        pixel = point.image, point.pixel
        once = *pixel, is_question(point)  # a question stays one where somebody has clicked, too
        here = sorted(labels[pixel])
        place = f"column {point.pixel[1]}, row {point.pixel[0]} of '{point.image}'"
        if len(here) > 1:
            found = f"{' and '.join(here)} were both clicked at {place}."
            rejections.append(Rejection(point, Reason.CONFLICTING, found, "Keep the one that is right."))
        elif once in seen:
            found = f"{point.label} was clicked before at {place}."
            hint = "Drop one of them, or leave it: it does no harm."
            rejections.append(Rejection(point, Reason.DUPLICATE, found, hint))
        else:
            seen.add(once)
            accepted.append(point)
    unnamed = (point for point in fitting if not point.label)
    return Checked(PointTable(accepted, table.columns, unnamed=unnamed), tuple(rejections), table.skipped)
