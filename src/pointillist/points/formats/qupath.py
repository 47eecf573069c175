"""QuPath: GeoJSON with Point and MultiPoint annotations, one file per image."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pointillist.points.formats.attributes import attributes, label_or_question, table_of
from pointillist.points.formats.base import PointFormat, ReadContext, translated
from pointillist.points.formats.files import Outputs, head, label_files
from pointillist.points.formats.jsontext import Node, read_json, write_json
from pointillist.points.questions import COLUMNS
from pointillist.points.table import Point, PointTable

UNCLASSIFIED = "Unclassified"
"""What QuPath shows for an annotation without a class."""


class QuPath(PointFormat):
    """A folder of GeoJSON files, or one; continuous corner-based (x, y) in pixels of the full resolution.

    There is no coordinate reference system: y runs downwards. The file does not name its image, so it must be called
    like it (`slide.geojson` for `slide.tif`). Other geometries are counted as skipped. The columns of questions are an
    annotation's `metadata`, which QuPath keeps since version 0.5; a question without a class is an annotation without.

    Source: QuPath documentation, *Exporting annotations*; its `QuPathTypeAdapters`; RFC 7946 for the geometry alone.
    """

    name = "qupath"
    title = "QuPath GeoJSON, a folder of files or one"
    suffixes = (".geojson", ".json")
    origin = "corner"
    images_by = "stem"
    one_per_image = True
    keeps = COLUMNS
    keeps_unnamed = True

    def recognise(self, path: Path) -> bool:
        """GeoJSON features near the beginning, in a single file only such as are in pixels."""
        start = head(path, self.suffixes, in_folder=True)
        return is_geojson(start) and (path.is_dir() or is_in_pixels(start))

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        points: list[Point] = []
        listed: list[str] = []
        skipped: Counter[str] = Counter()
        for file, image in label_files(path, self.suffixes):
            listed.append(image)
            for feature in _features(read_json(file)):
                geometry = feature.maybe("geometry")
                if geometry is None:
                    skipped["feature without a geometry"] += 1
                    continue
                kind = geometry.get("type").text()
                positions = geometry.maybe("coordinates")
                if kind not in ("Point", "MultiPoint") or positions is None:
                    skipped[kind if positions is not None else f"{kind} without coordinates"] += 1
                    continue
                extra = _extra(feature)
                label = label_or_question(_label(feature), extra)
                if label is None:
                    label = UNCLASSIFIED
                for position in (positions,) if kind == "Point" else positions.each():
                    numbers = [part.number() for part in position.each()]
                    if not numbers:
                        skipped[f"{kind} without coordinates"] += 1
                        continue
                    if len(numbers) < 2:
                        raise position.fail("a position has two numbers, x and y.")
                    point = Point(image, numbers[0], numbers[1], label, extra, place=position.place)
                    points.append(translated(point, self.offset))
        return table_of(points, listed=listed, skipped=skipped)

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        outputs = Outputs(path, ".geojson")
        for image in table.listed:
            features = [_feature(translated(point, -self.offset)) for point in table.rows.of(image)]
            write_json(outputs.file(image), {"type": "FeatureCollection", "features": features})


def is_geojson(start: str) -> bool:
    """Whether a text begins like GeoJSON with features."""
    return start.lstrip()[:1] in ("{", "[") and ('"FeatureCollection"' in start or '"Feature"' in start)


def is_in_pixels(start: str) -> bool:
    """Whether GeoJSON that begins so has pixels, and not positions on the earth: no kind of file says so itself.

    It names no coordinate system, and it has what QuPath writes with features, or numbers that are no longitude and
    latitude, or no features, or is a bare list.
    """
    if re.search(r'"crs"\s*:\s*\{', start):
        return False
    first = re.search(r'"coordinates"\s*:[\s\[]*([-+.\deE]+)\s*,\s*([-+.\deE]+)', start)
    with suppress(ValueError):
        if first is not None and (abs(float(first[1])) > 180 or abs(float(first[2])) > 90):
            return True
    return start.lstrip().startswith("[") or _IN_PIXELS.search(start) is not None


_IN_PIXELS = re.compile(
    r'"objectType"|"isLocked"|"PathAnnotationObject"|"classification"\s*:\s*\{|"features"\s*:\s*\[\s*\]'
    r'|"coordinates"\s*:\s*"pixels"'
)
"""What QuPath writes, a list of no features, and what this program's own output in pixels says."""


def _features(content: Node) -> Iterator[Node]:
    """The features of a collection, of a bare list (QuPath before 0.3), or the one feature."""
    if isinstance(content.value, list):
        return content.each()
    kind = content.get("type").text()
    return content.get("features").each() if kind == "FeatureCollection" else iter([content])


def _label(feature: Node) -> str | None:
    properties = feature.maybe("properties")
    found = None if properties is None else properties.maybe("classification")
    if found is None:
        return None
    names = found.maybe("names")
    if names is not None:
        # Derived classes: QuPath shows their names joined by a colon.
        return ": ".join(name.text() for name in names.each()) or None
    return found.get("name").text()


def _extra(feature: Node) -> Mapping[str, str]:
    properties = feature.maybe("properties")
    found = None if properties is None else properties.items().get("metadata")
    return attributes(found if isinstance(found, dict) else {})


def _feature(point: Point) -> dict[str, Any]:
    extra = attributes(point.extra)
    properties: dict[str, Any] = {"objectType": "annotation"}
    # A question without a classification is one without a class; a click is `UNCLASSIFIED`.
    if point.label and (point.label != UNCLASSIFIED or extra):
        properties["classification"] = {"name": point.label}
    if extra:
        properties["metadata"] = extra
    geometry = {"type": "Point", "coordinates": [point.x, point.y]}
    return {"type": "Feature", "geometry": geometry, "properties": properties}
