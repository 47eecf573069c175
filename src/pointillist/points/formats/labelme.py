"""labelme: one JSON per image with `shapes`; points are shapes of the type `point`."""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from pointillist.points.formats.attributes import attributes, table_of
from pointillist.points.formats.base import PointFormat, ReadContext, translated
from pointillist.points.formats.files import Outputs, head, label_files
from pointillist.points.formats.jsontext import Node, read_json, write_json
from pointillist.points.questions import COLUMNS
from pointillist.points.table import Point, PointTable


class Labelme(PointFormat):
    """A folder of labelme files, or one; continuous corner-based (x, y) of the EXIF-oriented image.

    Points may lie outside the image; a check finds them. The image is `imagePath`, which labelme writes relative to the
    JSON file. Shapes of other types are counted as skipped. Writing onto existing files keeps whatever else is in them:
    unknown keys, other shapes, the flags and group ids of points that did not move.

    The columns of questions are keys of a shape beside labelme's own: it keeps such keys when it saves (`other_data`);
    its flags can only be true or false. A shape has a label, so questions without a class have no place.

    Source: labelme's `LabelFile`, format of version 3 and later.
    """

    name = "labelme"
    title = "labelme JSON, a folder of files or one"
    suffixes = (".json",)
    origin = "corner"
    images_by = "tail"
    one_per_image = True
    keeps = COLUMNS

    def recognise(self, path: Path) -> bool:
        """A JSON object with `shapes`."""
        start = head(path, self.suffixes, in_folder=True)
        return start.lstrip().startswith("{") and '"shapes"' in start and '"cls"' not in start

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        points: list[Point] = []
        listed: list[str] = []
        skipped: Counter[str] = Counter()
        for file, name in label_files(path, self.suffixes):
            content = read_json(file)
            image = self._image(content, name)
            listed.append(image)
            for shape in content.get("shapes").each():
                # Versions before 3 know polygons only and do not name the type.
                kind = shape.maybe("shape_type")
                if kind is None or kind.text() != "point":
                    skipped["polygon" if kind is None else kind.text()] += 1
                elif (point := _point(shape, image)) is None:
                    skipped["point without a position or a label"] += 1
                else:
                    points.append(translated(point, self.offset))
        return table_of(points, listed=listed, skipped=skipped)

    @staticmethod
    def _image(content: Node, name: str) -> str:
        given = content.maybe("imagePath")
        if given is None:
            return name
        # Windows users have backslashes; the path is relative to the JSON, which may lie in a subfolder.
        path = given.text().replace("\\", "/")
        joined = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
        return joined.removeprefix("/") if path.startswith("/") else "/".join(p for p in joined.split("/") if p != "..")

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        outputs = Outputs(path, ".json")
        for image in table.listed:
            file = outputs.file(image)
            # Read before anything is written: an existing file that cannot be understood is not overwritten.
            content = dict(read_json(file).items()) if file.is_file() else _new(image, file, context)
            wanted = Counter(_key(translated(p, -self.offset)) for p in table.of(image))
            kept: list[Any] = []
            for shape in Node(content, file).get("shapes").each():
                kind = shape.maybe("shape_type")
                point = None if kind is None or kind.text() != "point" else _point(shape, image)
                if point is not None:
                    if not wanted[key := _key(point)]:
                        continue
                    wanted[key] -= 1
                kept.append(shape.value)
            for (label, x, y, extra), count in wanted.items():
                shape_of_point: dict[str, Any] = {
                    **dict(extra),
                    "label": label,
                    "points": [[x, y]],
                    "group_id": None,
                    "description": "",
                    "shape_type": "point",
                    "flags": {},
                    "mask": None,
                }
                kept += [shape_of_point] * count
            write_json(file, {**content, "shapes": kept})


def _key(point: Point) -> tuple[str, float, float, tuple[tuple[str, str], ...]]:
    """What makes two points the same."""
    return point.label, point.x, point.y, tuple(attributes(point.extra).items())


def _point(shape: Node, image: str) -> Point | None:
    """The point of a shape; None where it has no position or no label."""
    positions, label = shape.maybe("points"), shape.maybe("label")
    corners = [] if positions is None else list(positions.each())
    if not corners or label is None:
        return None
    if len(corners) != 1 or len(list(corners[0].each())) != 2:
        raise shape.get("points").fail("a point has exactly one pair [x, y].")
    x, y = (part.number() for part in corners[0].each())
    return Point(image, x, y, label.text(), attributes(shape.items()), place=shape.place)


def _new(image: str, file: Path, context: ReadContext) -> dict[str, Any]:
    size = context.size(image)
    source = None if context.path_of is None else context.path_of(image)
    shown = PurePosixPath(image).name
    if source is not None:
        try:
            shown = Path(os.path.relpath(source, file.parent)).as_posix()
        except ValueError:
            shown = source.resolve().as_posix()  # another drive on Windows
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": [],
        "imagePath": shown,
        "imageData": None,
        "imageHeight": None if size is None else size[0],
        "imageWidth": None if size is None else size[1],
    }
