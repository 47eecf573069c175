"""VIA (VGG Image Annotator): JSON with regions of the shape `point`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from pointillist.points.formats.attributes import attributes, label_or_question, table_of
from pointillist.points.formats.base import PointFormat, ReadContext, translated
from pointillist.points.formats.files import head
from pointillist.points.formats.jsontext import Node, read_json, write_json
from pointillist.points.formats.options import FormatOptions
from pointillist.points.questions import COLUMNS
from pointillist.points.table import Point, PointTable

_USUAL = ("class", "label", "name", "type", "category")


class Via(PointFormat):
    """One JSON file, annotations or a whole project of VIA 1 or 2; (x, y) are pixel indices, hence + 0.5.

    VIA 3 has a format of its own. VIA 1 and 2 store whole numbers: the browser's position in the displayed picture,
    rescaled and rounded. Other shapes are counted as skipped. The columns of questions are attributes of a region.

    Source: VIA's `via_region_to…` export functions, version 2.
    """

    class Options(FormatOptions):
        """What the user says about the file."""

        attribute: str | None = Field(
            default=None,
            description="Region attribute that names the class; when not given: class, label, name, type, category, "
            "or the only one.",
        )

    name = "via"
    title = "VGG Image Annotator 1 and 2 JSON"
    suffixes = (".json",)
    origin = "pixel"
    tolerance = 1e-9
    images_by = "tail"
    keeps = COLUMNS
    keeps_unnamed = True
    options: Options

    def recognise(self, path: Path) -> bool:
        """A project of VIA, or objects with `filename` and `regions`."""
        start = head(path, self.suffixes)
        entries = '"filename"' in start and '"regions"' in start
        return start.lstrip().startswith("{") and (
            '"_via_img_metadata"' in start or '"_via_settings"' in start or entries
        )

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        content = read_json(path)
        entries = content.maybe("_via_img_metadata") or content
        points: list[Point] = []
        listed: list[str] = []
        skipped: Counter[str] = Counter()
        for _, entry in entries.members():
            image = entry.get("filename").text().replace("\\", "/")
            listed.append(image)
            for region in _regions(entry):
                point = self.point_of(region, image)
                if isinstance(point, str):
                    skipped[point] += 1
                else:
                    points.append(translated(point, self.offset))
        return table_of(points, listed=listed, skipped=skipped)

    def point_of(self, region: Node, image: str) -> Point | str:
        """The point of a region, or what the region is instead."""
        shape = region.maybe("shape_attributes")
        kind = None if shape is None else shape.maybe("name")
        if shape is None or kind is None:
            return "region without a shape"
        if kind.text() != "point":
            return kind.text()
        given = region.maybe("region_attributes")
        extra = attributes({} if given is None else given.items())
        x, y, label = shape.maybe("cx"), shape.maybe("cy"), label_or_question(self._label(region), extra)
        if x is None or y is None or label is None:
            return "point without a class" if label is None else "point without a position"
        return Point(image, x.number(), y.number(), label, extra, place=region.field)

    def _label(self, region: Node) -> str | None:
        attributes = region.maybe("region_attributes")
        if attributes is None or not attributes.items():
            return None
        value = attributes.maybe(class_attribute(list(attributes.items()), self.options.attribute, attributes))
        if value is None or value.value == "":
            return None
        if isinstance(value.value, dict):
            # Check boxes: {"berry": true}.
            ticked = [key for key, on in value.items().items() if on is True]
            if not ticked:
                return None
            if len(ticked) > 1:
                raise value.fail(f"{len(ticked)} boxes are ticked.", "A point has exactly one class.")
            return Node(ticked[0], value.file, value.field).text()
        return value.text()

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        attribute = self.options.attribute or "class"
        content: dict[str, Any] = {}
        for image in table.listed:
            source = None if context.path_of is None else context.path_of(image)
            size = source.stat().st_size if source is not None and source.is_file() else -1
            regions = [
                {
                    "shape_attributes": {"name": "point", "cx": point.x - self.offset, "cy": point.y - self.offset},
                    "region_attributes": {attribute: point.label, **attributes(point.extra)},
                }
                for point in table.rows.of(image)
            ]
            # VIA finds an image again by its name and the number of its bytes; -1 is what it writes for an unknown one.
            content[f"{image}{size}"] = {"filename": image, "size": size, "regions": regions, "file_attributes": {}}
        write_json(path, content)


def class_attribute(names: Sequence[str], wanted: str | None, place: Node) -> str:
    """Which attribute is the class: the wanted one, one of a usual name, or the only one.

    Raises:
        PointsError: At `place`, when nobody can say.
    """
    names = [name for name in names if name not in COLUMNS] or names
    name = wanted or next((usual for usual in _USUAL if usual in names), names[0] if len(names) == 1 else None)
    if name is None:
        there = ", ".join(names)[:200] or "none"
        raise place.fail(f"which attribute is the class? There are: {there}.", "Name it: --set attribute=NAME.")
    return name


def _regions(entry: Node) -> Iterator[Node]:
    """Regions are a list in VIA 2 and an object with numbered keys in VIA 1."""
    regions = entry.get("regions")
    if isinstance(regions.value, dict):
        return (region for _, region in regions.members())
    return regions.each()
