"""The family of text files `id class,y,x class,y,x …` that papers on point supervision pass around."""

from __future__ import annotations

import io
import re
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

from pointillist.errors import PointsError
from pointillist.points.formats.base import PointFormat, ReadContext, class_index, class_name, translated
from pointillist.points.formats.files import head, read_label_text, write_label_text
from pointillist.points.formats.options import FormatOptions
from pointillist.points.table import Point, PointTable

_MAX_BYTES = 2**26
"""64 MB, a hundred times the file of Cityscapes; a line of that length still fits into memory when it is split."""

_LINE = re.compile(r"^\S+( -?\d+(,-?\d+){2,3})* *$")


class IdText(PointFormat):
    """One line per image: its name without extension, then `class,y,x` or `class,instance,y,x` per point.

    Coordinates are pixel indices, hence + 0.5; classes are indices. Whether y or x comes first must be declared:
    `Cityscape_1point_0ignore_uniform.txt` is `trainId,y,x`, its siblings are x first, and so is
    `instance_points_1.txt`, which is `class,instance,x,y`. A file that the declared order puts outside its images while
    the other order puts it inside is refused. Writing gives whole pixels.

    The instance is kept as a further column.
    """

    class Options(FormatOptions):
        """What the user says about the file."""

        order: Literal["yx", "xy"] | None = None
        """Whether y or x comes first; files of the same name pattern come in both orders."""

    name = "id-text"
    title = "text lines 'id class,y,x …' or 'id class,instance,x,y …'"
    suffixes = (".txt",)
    origin = "pixel"
    tolerance = 0.5
    images_by = "stem"
    keeps = ("instance",)
    options: Options
    required = ("order",)

    def recognise(self, path: Path) -> bool:
        """A text file whose first line is a name and groups of whole numbers."""
        first = head(path, self.suffixes).split("\n", 1)[0].rstrip("\r")
        return "," in first and _LINE.fullmatch(first) is not None

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        order = self.demand("order", path)
        if context.size_of is None:
            raise PointsError(
                "there are no images to check the order of coordinates against.",
                where=path,
                hint="Name the data set, or give the size of its images, for example --set size=1024x2048.",
            )
        points: list[Point] = []
        listed: dict[str, int] = {}
        instances = False
        for number, line in enumerate(io.StringIO(read_label_text(path, max_bytes=_MAX_BYTES)), start=1):
            image, *groups = line.split() or [""]
            if not image:
                continue
            if image in listed:
                raise PointsError(
                    f"'{image}' is there already, in line {listed[image]}.",
                    where=path,
                    line=number,
                    hint="Join the two lines.",
                )
            listed[image] = number
            for group in groups:
                point, instance = _point(group, image, order == "yx", context, path, number)
                instances |= instance
                points.append(translated(point, self.offset))
        _refuse_swapped(points, order, context, path)
        return PointTable(points, ["instance"] if instances else [], listed=listed)

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        order = self.demand("order", path)
        lines: dict[str, str] = {}
        for image in table.listed:
            name = PurePosixPath(image).stem
            if name in lines or not name or re.search(r"\s", name):
                raise PointsError(
                    f"the image '{image}' has no name of its own without folder, extension and blanks.",
                    where=path,
                    hint="This format cannot hold it; choose another.",
                )
            groups = []
            for point in table.of(image):
                column, row = (int((value - self.offset + 0.5) // 1) for value in (point.x, point.y))
                instance = point.extra.get("instance", "")
                middle = [instance] if instance else ["0"] if "instance" in table.columns else []
                position = (row, column) if order == "yx" else (column, row)
                groups.append(",".join(map(str, (class_index(point, context, path), *middle, *position))))
            lines[name] = " ".join([name, *groups])
        write_label_text(path, "".join(f"{line}\n" for line in lines.values()), max_bytes=_MAX_BYTES)


def _point(group: str, image: str, y_first: bool, context: ReadContext, path: Path, line: int) -> tuple[Point, bool]:
    parts = group.split(",")
    fail = partial(PointsError, where=path, line=line, hint="Correct this point.")
    if len(parts) not in (3, 4):
        raise fail(f"found {group[:60]!r} in place of 'class,y,x' or 'class,instance,x,y'.")
    try:
        index = int(parts[0])
        first, second = (float(part) for part in parts[-2:])
    except ValueError:
        raise fail(f"{group[:60]!r} has a part that is no number.") from None
    x, y = (second, first) if y_first else (first, second)
    extra = {"instance": parts[1]} if len(parts) == 4 else {}
    return Point(image, x, y, class_name(index, context), extra, line), bool(extra)


def _refuse_swapped(points: list[Point], order: str, context: ReadContext, path: Path) -> None:
    """Refuse points that lie outside as declared and inside with x and y swapped."""
    outside = swapped_outside = 0
    first = None
    for point in points:
        if size := context.size(point.image):
            height, width = size
            if not (0 <= point.x < width and 0 <= point.y < height):
                outside += 1
                first = first or point
            swapped_outside += not (0 <= point.y < width and 0 <= point.x < height)
    if first is not None and swapped_outside < outside:
        other = "xy" if order == "yx" else "yx"
        raise PointsError(
            f"with the order {order}, {outside:,} points lie outside their images; "
            f"with {other} it would be {swapped_outside:,}.",
            where=path,
            line=first.line,
            field="order",
            hint=f"Say --set order={other}, or correct the size.",
        )
