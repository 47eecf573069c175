"""COCO keypoints: `images`, `categories` and `annotations` with `keypoints: [x, y, v, …]`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pointillist.points.formats.attributes import attributes, table_of
from pointillist.points.formats.base import PointFormat, ReadContext, translated
from pointillist.points.formats.files import head
from pointillist.points.formats.jsontext import Node, read_json, write_json
from pointillist.points.formats.options import FormatOptions
from pointillist.points.names import ImageNames
from pointillist.points.questions import COLUMNS
from pointillist.points.table import Point, PointTable


class Coco(PointFormat):
    """One JSON file; (x, y) are zero-indexed pixels, hence + 0.5.

    COCO's own key points are whole pixels, and detectron2 adds 0.5 to them for the same reason; tools that export
    corner-based coordinates in this format (CVAT) need `origin=corner`. `v` = 0 means that the point is absent: it is
    counted as skipped. Writing onto an existing file keeps its unknown keys, its other annotations, all annotations of
    images that are not among the written ones, and key points of several points that are all still there; what is new
    becomes one annotation per point. The columns of questions are `attributes` of an annotation, as CVAT writes
    them; an annotation has a category, so questions without a class have no place.

    Source: cocodataset.org, *Data format*, key point detection; CVAT documentation, *COCO Keypoints*.
    """

    class Options(FormatOptions):
        """What the user says about the file."""

        label: Literal["category", "keypoint"] = "category"
        """What names the class of a point: the category of its annotation, or the key point's own name."""

    name = "coco"
    title = "COCO keypoints JSON"
    suffixes = (".json",)
    origin = "pixel"
    tolerance = 1e-9
    images_by = "tail"
    keeps = COLUMNS
    options: Options

    def recognise(self, path: Path) -> bool:
        """A JSON object with two of COCO's three lists near its beginning, or key points."""
        start = head(path, self.suffixes)
        names = ('"images"', '"annotations"', '"categories"', '"keypoints"', '"file_name"', '"image_id"')
        return start.lstrip().startswith("{") and sum(name in start for name in names) >= 2

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        content = read_json(path)
        images = _by_id(content, "images", "file_name")
        categories = _by_id(content, "categories", "name")
        skipped: Counter[str] = Counter()
        points: list[Point] = []
        for annotation in content.get("annotations").each():
            keypoints = annotation.maybe("keypoints")
            if keypoints is None or not any(True for _ in keypoints.each()):
                skipped["annotation without keypoints"] += 1
                continue
            lost = [
                name
                for name, there in (("image", images), ("category", categories))
                if not _has(annotation, name, there)
            ]
            if lost:
                skipped[f"annotation whose {lost[0]} is not listed"] += 1
                continue
            for point in self._points(annotation, images, categories):
                if point is None:
                    skipped["keypoint with v = 0"] += 1
                else:
                    points.append(translated(point, self.offset))
        return table_of(points, listed=[node.get("file_name").text() for node in images.values()], skipped=skipped)

    def _points(self, annotation: Node, images: dict[int, Node], categories: dict[int, Node]) -> Iterator[Point | None]:
        image = _find(annotation.get("image_id"), images).get("file_name").text().replace("\\", "/")
        category = _find(annotation.get("category_id"), categories)
        label = category.get("name").text()
        given = annotation.items().get("attributes")
        extra = attributes(given if isinstance(given, dict) else {})
        values = list(annotation.get("keypoints").each())
        if len(values) % 3:
            raise annotation.get("keypoints").fail(f"{len(values)} numbers are no triples x, y, v.")
        names = list(category.get("keypoints").each()) if self.options.label == "keypoint" else None
        for index in range(0, len(values), 3):
            x, y, visible = values[index].number(), values[index + 1].number(), values[index + 2].integer()
            if visible not in (0, 1, 2):
                raise values[index + 2].fail(f"v is {visible}.", "v is 0 (absent), 1 (hidden) or 2 (visible).")
            if names is not None:
                if index // 3 >= len(names):
                    raise annotation.fail("has more key points than its category names.")
                label = names[index // 3].text()
            place = f"{annotation.field}.keypoints[{index}]"
            yield Point(image, x, y, label, extra, place=place) if visible else None

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        old: dict[str, Any] = {"images": [], "categories": [], "annotations": []}
        root = Node({**old, **(read_json(path).items() if path.is_file() else {})}, path)
        images = _by_id(root, "images", "file_name")
        categories = _by_id(root, "categories", "name")
        # The file may call the images by longer paths than the data set does; it goes on doing so.
        names = ImageNames(table.listed)
        name_of = {i: names.find(node.get("file_name").text(), "tail") for i, node in images.items()}
        wanted = Counter(_key(p.image, translated(p, -self.offset)) for p in table)
        kept = []
        for annotation in root.get("annotations").each():
            if annotation.maybe("keypoints") is not None:
                points = [point for point in self._points(annotation, images, categories) if point is not None]
                image = name_of[annotation.get("image_id").integer()]
                # Of an image that is not written nothing is known, so nothing of it may go.
                if image is not None:
                    here = Counter(_key(image, p) for p in points)
                    if not here <= wanted:
                        continue
                    wanted.subtract(here)
            kept.append(annotation.value)
        named_images = {name: identity for identity, name in name_of.items() if name is not None}
        named_categories = {node.get("name").text(): identity for identity, node in categories.items()}
        image_ids = _ids(root.value["images"], images, "file_name", named_images, table.listed)
        category_ids = _ids(root.value["categories"], categories, "name", named_categories, table.counts())
        for entry in root.value["images"]:
            size = context.size(entry["file_name"])
            if size is not None and "width" not in entry:
                entry |= {"width": size[1], "height": size[0]}
        for entry in root.value["categories"]:
            # Annotators refuse key points of a category that names none.
            entry.setdefault("keypoints", ["point"])
            entry.setdefault("skeleton", [])
        ids = [node.get("id").integer() for node in root.get("annotations").each() if node.maybe("id") is not None]
        next_id = 1 + max(ids, default=0)
        for (image, label, x, y, extra), count in wanted.items():
            for _ in range(count):
                kept.append(
                    {
                        "id": next_id,
                        "image_id": image_ids[image],
                        "category_id": category_ids[label],
                        "keypoints": [x, y, 2],
                        "num_keypoints": 1,
                        "bbox": [x, y, 0, 0],
                        "area": 0,
                        "iscrowd": 0,
                        **({"attributes": dict(extra)} if extra else {}),
                    }
                )
                next_id += 1
        write_json(path, {**root.value, "annotations": kept})


def _key(image: str, point: Point) -> tuple[str, str, float, float, tuple[tuple[str, str], ...]]:
    """What makes two points the same."""
    return image, point.label, point.x, point.y, tuple(attributes(point.extra).items())


def _by_id(content: Node, key: str, name: str) -> dict[int, Node]:
    found: dict[int, Node] = {}
    for entry in content.get(key).each():
        entry.get(name).text()
        identity = entry.get("id").integer()
        if identity in found:
            raise entry.fail(f"the id {identity} is there twice.")
        found[identity] = entry
    return found


def _has(annotation: Node, name: str, among: dict[int, Node]) -> bool:
    identity = annotation.maybe(f"{name}_id")
    return identity is not None and identity.integer() in among


def _find(identity: Node, among: dict[int, Node]) -> Node:
    if identity.integer() not in among:
        raise identity.fail(f"nothing has the id {identity.integer()}.")
    return among[identity.integer()]


def _ids(
    entries: list[Any], known: dict[int, Node], name: str, named: Mapping[str, int], wanted: Iterable[str]
) -> dict[str, int]:
    """Ids by name; entries are added for names that have none."""
    ids = dict(named)
    following = max(known, default=0) + 1
    for text in wanted:
        if text not in ids:
            ids[text] = following
            entries.append({"id": following, name: text})
            following += 1
    return ids
