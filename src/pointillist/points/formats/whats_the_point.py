"""The human clicks of Bearman et al., *What's the Point* (ECCV 2016), on PASCAL VOC 2012 train + val."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, ClassVar, Literal

from pointillist.classes import VOC_CLASSES
from pointillist.errors import PointsError
from pointillist.files import read_text
from pointillist.points.formats.base import PointFormat
from pointillist.points.table import Point, PointTable


class WhatsThePoint(PointFormat):
    """`{image id: [{"x", "y", "cls": 1–20, "rank"}, …]}`; zero-indexed pixels, hence + 0.5; no background class.

    `rank` (1 = the first click of a class in an image) is kept as a further column.
    """

    name: ClassVar[str] = "whats-the-point"
    title: ClassVar[str] = "What's the Point JSON: human clicks on PASCAL VOC 2012"
    suffixes: ClassVar[tuple[str, ...]] = (".json",)
    images_by: ClassVar[Literal["path", "stem"]] = "stem"

    def recognise(self, path: Path) -> bool:
        """A JSON object whose first value is a list of clicks."""
        if path.suffix.lower() not in self.suffixes:
            return False
        with path.open("rb") as stream:
            head = stream.read(4096)
        return head.lstrip().startswith(b"{") and b'"cls"' in head and b'"rank"' in head

    def read(self, path: Path) -> PointTable:
        """Read all clicks; see `PointFormat.read`."""
        try:
            content = json.loads(read_text(path, PointsError))
        except json.JSONDecodeError as error:
            raise PointsError(
                f"is not valid JSON: {error.msg}.", where=path, line=error.lineno, cure="Fetch the file again."
            ) from error
        except RecursionError as error:
            raise PointsError("is nested too deeply.", where=path, cure="Fetch the file again.") from error
        if not isinstance(content, dict):
            raise PointsError("holds no object of image ids.", where=path, cure="Fetch the file again.")
        points = []
        for image, clicks in content.items():
            if not isinstance(clicks, list):
                raise PointsError("is no list of clicks.", where=path, field=image, cure="Fetch the file again.")
            points += [self._point(image, click, path, f"{image}[{i}]") for i, click in enumerate(clicks)]
        return PointTable(points, ["rank"])

    @staticmethod
    def _point(image: str, click: Any, path: Path, field: str) -> Point:
        values: list[Any] = [click.get(key) if isinstance(click, dict) else None for key in ("x", "y", "cls")]
        if not all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values):
            raise PointsError(
                f"{click!r} has no finite numbers x, y and cls.", where=path, field=field, cure="Mend this click."
            )
        x, y, index = values
        if index not in range(1, len(VOC_CLASSES)):
            raise PointsError(
                f"cls {index} is no VOC class.", where=path, field=field, cure="Classes are numbered 1 to 20."
            )
        extra = {"rank": str(click.get("rank", ""))}
        return Point(image, float(x) + 0.5, float(y) + 0.5, VOC_CLASSES[int(index)], extra)
