"""The human clicks of Bearman et al., *What's the Point* (ECCV 2016), on PASCAL VOC 2012 train + val."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import Field

from pointillist.classes import VOC_CLASSES
from pointillist.errors import PointsError
from pointillist.points.formats.base import PointFormat, ReadContext, translated
from pointillist.points.formats.files import head
from pointillist.points.formats.jsontext import Node, read_json, write_json
from pointillist.points.formats.options import FormatOptions
from pointillist.points.table import Point, PointTable

_INDEX = {name: index for index, name in enumerate(VOC_CLASSES) if index}


class WhatsThePoint(PointFormat):
    """`{image id: [{"x", "y", "cls": 1–20, "rank"}, …]}`; zero-indexed pixels, hence + 0.5; no background class.

    The positions are whole pixels of the picture as it was displayed, rescaled to the image (225·500/444 = 253.378…),
    so the centre of the clicked pixel lies about half a pixel further. The masks of VOC cannot tell 0 from + 0.5: of
    the clicks that fall on a labelled pixel, 99.24 % and 99.16 % agree.

    18 points lie beyond 500 px, which no image of VOC has. `rank` (1 = the first click of a class in an image) is kept
    as a further column.
    """

    class Options(FormatOptions):
        """What the user says about the file."""

        rank: int | None = Field(default=None, ge=1)
        """Take only the clicks of this rank; 1 is the first click of a class in an image (one point per class)."""

    name = "whats-the-point"
    title = "What's the Point JSON: human clicks on PASCAL VOC 2012"
    suffixes = (".json",)
    origin = "pixel"
    tolerance = 1e-9
    images_by = "stem"
    keeps = ("rank",)
    max_size = (500, 500)
    only_classes = VOC_CLASSES[1:]
    options: Options

    def recognise(self, path: Path) -> bool:
        """A JSON object with clicks that have `cls` and `rank`."""
        start = head(path, self.suffixes)
        return start.lstrip().startswith("{") and '"cls"' in start and '"rank"' in start

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        points: list[Point] = []
        listed: list[str] = []
        skipped: Counter[str] = Counter()
        wanted = self.options.rank
        for key, clicks in read_json(path).members():
            image = Node(key, path, key).text()
            listed.append(image)
            for click in clicks.each():
                point = self._point(image, click)
                if wanted is not None and point.extra["rank"] != str(wanted):
                    skipped[f"click of another rank than {wanted}"] += 1
                else:
                    points.append(point)
        return PointTable(points, ["rank"], listed=listed, skipped=skipped)

    def _point(self, image: str, click: Node) -> Point:
        x, y, index = click.get("x").number(), click.get("y").number(), click.get("cls").integer()
        label = VOC_CLASSES[index] if 1 <= index < len(VOC_CLASSES) else str(index)
        rank = click.maybe("rank")
        extra = {"rank": "" if rank is None else str(rank.integer())}
        return translated(Point(image, x, y, label, extra, place=click.field), self.offset)

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        content: dict[str, list[dict[str, Any]]] = {image: [] for image in map(_stem, table.listed)}
        if len(content) < len(table.listed):
            raise PointsError(
                "two images have the same name without extension.",
                where=path,
                hint="This format cannot tell them apart.",
            )
        for point in table:
            if point.label not in _INDEX:
                raise PointsError(
                    f"'{point.label}' is no class of PASCAL VOC.",
                    where=path,
                    hint="This format knows its 20 objects only.",
                )
            clicks = content[_stem(point.image)]
            index = _INDEX[point.label]
            rank = point.extra.get("rank", "")
            # Clicks from elsewhere have no rank; the order they come in stands for it.
            known = int(rank) if rank.isdecimal() else 1 + sum(click["cls"] == index for click in clicks)
            clicks.append({"y": point.y - self.offset, "x": point.x - self.offset, "rank": known, "cls": index})
        write_json(path, content)


def _stem(image: str) -> str:
    # Ids of VOC have no dots; only what is an image's ending goes, and folders go with it.
    return Path(image).stem if Path(image).suffix.lower() in {".jpg", ".jpeg", ".png"} else Path(image).name
