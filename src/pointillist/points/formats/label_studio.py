"""Label Studio: JSON export with `keypointlabels`, coordinates in percent of the image."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pointillist.points.formats.base import PointFormat, ReadContext, Size, translated
from pointillist.points.formats.files import head
from pointillist.points.formats.jsontext import Node, read_json, write_json
from pointillist.points.formats.options import FormatOptions
from pointillist.points.table import Point, PointTable


class LabelStudio(PointFormat):
    """One JSON file, a list of tasks; x and y in percent of width and height, continuous and corner-based.

    **Rotation.** When an annotator turns the image, `image_rotation` says by how many degrees clockwise. Since 2021
    this concerns the display alone: coordinates and `original_width` stay those of the unturned image. Earlier
    versions stored both as turned. The image's true size, where it is at hand, tells which: points are turned back
    only if `original_width` and `original_height` are swapped.

    Cancelled annotations, predictions and other shapes are counted as skipped.

    Source: Label Studio, *Export annotations*, units of image annotations; the front end's `KeyPointRegion`, `Image`.
    """

    class Options(FormatOptions):
        """What the user says about the file."""

        image: str = "image"
        """Which entry of a task's `data` names the image."""

    name = "label-studio"
    title = "Label Studio JSON (key points, in percent)"
    suffixes = (".json",)
    origin = "corner"
    tolerance = 1e-9
    images_by = "tail"
    options: Options

    def recognise(self, path: Path) -> bool:
        """A JSON list of tasks."""
        start = head(path, self.suffixes)
        known = ('"annotations"', '"completions"', '"predictions"', '"keypointlabels"')
        return start.lstrip().startswith("[") and '"data"' in start and any(name in start for name in known)

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        points: list[Point] = []
        listed: list[str] = []
        skipped: Counter[str] = Counter()
        for task in read_json(path).each():
            image = _image_name(task.get("data").get(self.options.image).text())
            listed.append(image)
            predictions = task.maybe("predictions")
            skipped["prediction"] += 0 if predictions is None else len(list(predictions.each()))
            annotations = task.maybe("annotations") or task.maybe("completions")
            for annotation in () if annotations is None else annotations.each():
                cancelled = annotation.maybe("was_cancelled")
                if cancelled is not None and cancelled.value is True:
                    skipped["cancelled annotation"] += 1
                    continue
                for result in annotation.get("result").each():
                    kind = result.get("type").text()
                    if kind != "keypointlabels":
                        skipped[kind] += 1
                    else:
                        points += self._points(result, image, context.size(image))
        return PointTable(points, listed=listed, skipped=+skipped)

    def _points(self, result: Node, image: str, true: Size | None) -> list[Point]:
        width, height = result.get("original_width").integer(), result.get("original_height").integer()
        if width <= 0 or height <= 0:
            raise result.fail(f"{width}×{height} is no size of an image.")
        value = result.get("value")
        x, y = value.get("x").number() * width / 100, value.get("y").number() * height / 100
        rotation = result.maybe("image_rotation")
        degrees = 0 if rotation is None else rotation.integer() % 360
        if rotation is not None and degrees % 90:
            raise rotation.fail(f"{degrees}° is no quarter turn.")
        if true is not None and width != height and true == (width, height):
            # Stored as turned, so the width of the turned view is the image's height.
            x, y = {90: (y, width - x), 270: (height - y, x)}.get(degrees, (x, y))
        labels = value.get("keypointlabels").each()
        return [translated(Point(image, x, y, label.text(), place=result.field), self.offset) for label in labels]

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        tasks = []
        for image in table.listed:
            here = table.of(image)
            size = context.need_size(image, path) if here else (1, 1)
            results = [self._result(index, point, size) for index, point in enumerate(here)]
            tasks.append({"data": {self.options.image: image}, "annotations": [{"result": results}]})
        write_json(path, tasks)

    def _result(self, index: int, point: Point, size: Size) -> dict[str, Any]:
        height, width = size
        return {
            "id": f"point{index}",
            "type": "keypointlabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                "x": (point.x - self.offset) * 100 / width,
                "y": (point.y - self.offset) * 100 / height,
                "width": 0.5,
                "keypointlabels": [point.label],
            },
        }


def _image_name(url: str) -> str:
    """The path of an image from the address Label Studio knows it by.

    >>> _image_name("/data/local-files/?d=field%201/a.jpg"), _image_name("/data/upload/3/0a1b2c3d-a.jpg")
    ('field 1/a.jpg', 'a.jpg')
    """
    if "://" not in url and not url.startswith("/data/"):
        return url.replace("\\", "/")
    try:
        parts = urlsplit(url)
        local = parse_qs(parts.query).get("d")
    except ValueError:
        return url
    if local:
        return local[0].replace("\\", "/")
    path = unquote(parts.path)
    if "/upload/" in path:
        # An upload gets eight hexadecimal digits in front of its name.
        return re.sub(r"^[0-9a-f]{8}-", "", path.rsplit("/", 1)[-1])
    return path.lstrip("/")
