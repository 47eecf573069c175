"""VIA 3 (VGG Image Annotator): its project file, JSON with `metadata` whose `xy` begins with the kind of shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointillist.points.formats.attributes import attributes, label_or_question, table_of
from pointillist.points.formats.base import PointFormat, ReadContext, translated
from pointillist.points.formats.files import head
from pointillist.points.formats.jsontext import Node, read_json, write_json
from pointillist.points.formats.options import FormatOptions
from pointillist.points.formats.via import class_attribute
from pointillist.points.questions import COLUMNS
from pointillist.points.table import Point, PointTable

_SHAPES = (
    *("no shape", "point", "rectangle", "circle", "ellipse", "line", "polyline", "polygon"),
    *("extreme rectangle", "extreme circle"),
)
_POINT, _TEXT, _RADIO, _IMAGE, _LOCAL, _ON_REGION = 1, 1, 3, 2, 1, "FILE1_Z0_XY1"


class Via3(PointFormat):
    """One JSON file; continuous corner-based (x, y), since VIA 3 keeps fractions of a pixel.

    Regions of videos, of views that show several images, and other shapes are counted as skipped. The columns of
    questions are attributes of a region that are text.

    Source: VIA's `_via_metadata.js` and `_via_data.js`, version 3.
    """

    class Options(FormatOptions):
        """What the user says about the file."""

        attribute: str | None = None
        """Attribute that names the class; class, label, name, type, category or the only one when not given."""

    name = "via3"
    title = "VGG Image Annotator 3 project JSON"
    suffixes = (".json",)
    origin = "corner"
    images_by = "tail"
    keeps = COLUMNS
    keeps_unnamed = True
    options: Options

    def recognise(self, path: Path) -> bool:
        """A JSON object with the lists of a project near its beginning."""
        start = head(path, self.suffixes)
        return start.lstrip().startswith("{") and '"vid_list"' in start

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        content = read_json(path)
        files = {key: file for key, file in content.get("file").members() if _number(file, "type", _IMAGE) == _IMAGE}
        views = {key: list(view.get("fid_list").each()) for key, view in content.get("view").members()}
        points: list[Point] = []
        skipped: Counter[str] = Counter()
        for _, region in content.get("metadata").members():
            shown = views.get(_key(region.get("vid")), [])
            file = files.get(_key(shown[0])) if len(shown) == 1 else None
            kind = _kind(region, file)
            is_point = kind == _SHAPES[_POINT]
            extra = _extra(region, content.get("attribute")) if is_point else {}
            label = label_or_question(self._label(region, content.get("attribute")), extra) if is_point else None
            if file is None or label is None:
                skipped["point without a class" if is_point else kind] += 1
                continue
            position = list(region.get("xy").each())
            if len(position) != 3:
                raise region.get("xy").fail("a point is [1, x, y].")
            x, y = position[1].number(), position[2].number()
            points.append(translated(Point(_image(file), x, y, label, extra, place=region.field), self.offset))
        return table_of(points, listed=map(_image, files.values()), skipped=skipped)

    def _label(self, region: Node, attributes: Node) -> str | None:
        ids = {node.get("aname").text(): (key, node) for key, node in attributes.members() if _is_of_regions(node)}
        if not ids:
            return None
        name = class_attribute(list(ids), self.options.attribute, attributes)
        if name not in ids:
            raise attributes.fail(f"there is no attribute '{name}'.", f"There are: {', '.join(ids)[:200]}.")
        key, attribute = ids[name]
        given = region.maybe("av")
        value = None if given is None else given.maybe(key)
        if value is None or value.value == "":
            return None
        options = attribute.maybe("options")
        chosen = None if options is None else options.maybe(value.text())
        if chosen is None and options is not None and options.items():
            raise value.fail(f"'{value.text()}' is no option of '{name}'.", "A point has exactly one class.")
        return (chosen or value).text()

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        labels = {label: str(index) for index, label in enumerate(table.counts())}
        images = {image: str(index) for index, image in enumerate(table.listed, start=1)}
        there = {name for point in table.rows for name in attributes(point.extra)}
        columns = {name: str(key) for key, name in enumerate(COLUMNS, start=2) if name in there}

        def values(point: Point) -> dict[str, str]:
            extra = {columns[name]: value for name, value in attributes(point.extra).items()}
            return {"1": labels[point.label], **extra} if point.label else extra

        write_json(
            path,
            {
                "project": {
                    **{"pid": "__VIA_PROJECT_ID__", "rev": "__VIA_PROJECT_REV_ID__", "pname": "points"},
                    **{"rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__", "data_format_version": "3.1.1"},
                    **{"creator": "pointillist", "created": 0, "vid_list": list(images.values())},
                },
                "config": {"file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}}, "ui": {}},
                "attribute": {
                    "1": {
                        **{"aname": self.options.attribute or "class", "anchor_id": _ON_REGION, "type": _RADIO},
                        **{"desc": "the class of a point", "options": {key: label for label, key in labels.items()}},
                        "default_option_id": "",
                    },
                    **{
                        key: {
                            **{"aname": name, "anchor_id": _ON_REGION, "type": _TEXT, "desc": "of a question"},
                            **{"options": {}, "default_option_id": ""},
                        }
                        for name, key in columns.items()
                    },
                },
                "file": {
                    key: {"fid": key, "fname": image, "type": _IMAGE, "loc": _LOCAL, "src": ""}
                    for image, key in images.items()
                },
                "metadata": {
                    f"{images[point.image]}_{index:08d}": {
                        **{"vid": images[point.image], "flg": 0, "z": [], "av": values(point)},
                        "xy": [_POINT, point.x - self.offset, point.y - self.offset],
                    }
                    for index, point in enumerate(table.rows)
                },
                "view": {key: {"fid_list": [key]} for key in images.values()},
            },
        )


def _extra(region: Node, described: Node) -> Mapping[str, str]:
    """The columns of questions that a region has."""
    given = region.maybe("av")
    if given is None or not given.items():
        return {}
    names = {key: node.get("aname").text() for key, node in described.members() if _is_of_regions(node)}
    return attributes({names.get(key, ""): value for key, value in given.items().items()})


def _kind(region: Node, file: Node | None) -> str:
    """What a region is."""
    times, shape = region.maybe("z"), region.maybe("xy")
    numbers = [] if shape is None else list(shape.each())
    if file is None or (times is not None and any(True for _ in times.each())):
        return "region of a video, or of no single image"
    index = numbers[0].integer() if numbers else 0
    return _SHAPES[index] if 0 <= index < len(_SHAPES) else f"shape {index}"


def _image(file: Node) -> str:
    """The path of an image: its address, where it has one, since that says more than its name."""
    source = file.items().get("src")
    is_address = isinstance(source, str) and source.strip() and _number(file, "loc", _LOCAL) in (2, 3)
    return file.get("src" if is_address else "fname").text().replace("\\", "/")


def _is_of_regions(attribute: Node) -> bool:
    anchor = attribute.maybe("anchor_id")
    return anchor is None or anchor.value == _ON_REGION


def _number(node: Node, key: str, otherwise: int) -> int:
    found: Mapping[str, Any] = node.items()
    return otherwise if found.get(key) is None else node.get(key).integer()


def _key(node: Node) -> str:
    """An id, which VIA writes as text or as a number."""
    return str(node.integer()) if isinstance(node.value, int | float) else node.text()
