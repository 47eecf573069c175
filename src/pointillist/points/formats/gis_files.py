"""Points and their classes in files of geographic information systems, which may be strangers'.

GDAL takes a file for whatever its content looks like, and some kinds name further files and addresses. So it gets
FlatGeobuf alone, known by its first bytes and without its path; `geopackage` reads the SQLite database that one is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.errors import PointsError
from pointillist.naming import has_controls
from pointillist.points.formats.attributes import attributes, label_or_question
from pointillist.points.formats.files import MAX_BYTES
from pointillist.points.formats.jsontext import Node, read_json
from pointillist.points.names import listed
from pointillist.points.questions import COLUMNS

FLATGEOBUF = "fgb\3fgb"
"""First bytes, as text."""

CLASS_FIELDS = ("class", "label", "name", "category")
"""Fields that may name the class, the first that is there."""

_CRS_NAME = re.compile(
    r"(?:urn:ogc:def:crs:|https?://www\.opengis\.net/def/crs/)?([A-Za-z]\w*)[:/](?:[\w.]*[:/])?(\w+)"
)


@dataclass(frozen=True)
class Found:
    """Points of a file.

    Args:
        crs: Their coordinate system: authority and code, or WKT.
        positions: N×2, easting or longitude first.
        labels: Their N classes; "" for a question without one.
        extras: What columns of questions each has.
        places: Where each stands, for messages.
        skipped: What else there is, by kind.
    """

    crs: str
    positions: NDArray[np.float64]
    labels: list[str]
    extras: list[Mapping[str, str]]
    places: list[str]
    skipped: Counter[str]


def read_geojson(path: Path, class_field: str | None) -> Found:
    """Read the points of a GeoJSON file; without `class_field` one of `CLASS_FIELDS`, whatever its case.

    Raises:
        PointsError: It cannot be read, no field names the class, its coordinate system is not named by authority and
            code, or no point has a longitude and a latitude.
    """
    content = read_json(path)
    whole = content.get("type").text() == "FeatureCollection"
    features = list(content.get("features").each()) if whole else [content]
    crs = _named(content)
    skipped: Counter[str] = Counter()
    found: list[tuple[Node, Node]] = []
    for feature in features:
        geometry = feature.maybe("geometry")
        if geometry is None:
            skipped["feature without a geometry"] += 1
            continue
        kind, positions = geometry.get("type").text(), geometry.maybe("coordinates")
        if kind in ("Point", "MultiPoint") and positions is not None and positions.value != []:
            found += [(feature, one) for one in ((positions,) if kind == "Point" else positions.each())]
        else:
            skipped[kind if positions is None or kind not in ("Point", "MultiPoint") else f"empty {kind}"] += 1
    fields = [feature.maybe("properties") for feature, _ in found]
    keys = dict.fromkeys(key for field in fields if field is not None for key in field.items())
    name = find_class_field(list(keys), class_field, path) if found else ""
    own: list[list[float]] = []
    labels: list[str] = []
    extras: list[Mapping[str, str]] = []
    places: list[str] = []
    for (_, position), field in zip(found, fields, strict=True):
        value = None if field is None else field.maybe(name)
        extra = attributes({} if field is None else field.items())
        label = label_or_question(None if value is None else _label(value.value, value.fail), extra)
        numbers = [part.number() for part in position.each()]
        if len(numbers) < 2:
            raise position.fail("a position has two numbers, longitude and latitude.")
        if label is None:
            skipped["point without a class"] += 1
        else:
            own.append(numbers[:2])
            labels.append(label)
            extras.append(extra)
            places.append(position.place)
    array = np.array(own, np.float64).reshape(-1, 2)
    if crs is None and len(array) and not (np.abs(array) <= (180, 90)).all(1).any():
        raise PointsError(
            "has no coordinate system, and its numbers are no longitudes and latitudes.",
            where=path,
            hint="Export it with its coordinate system, or in EPSG:4326. For pixels name the format qupath.",
        )
    return Found(crs or "OGC:CRS84", array, labels, extras, places, skipped)


def read_flatgeobuf(path: Path, class_field: str | None) -> Found:
    """Read the points of a FlatGeobuf file; see `read_geojson`.

    Raises:
        PointsError: See `read_geojson`.
    """
    from pyogrio import raw

    content = checked_start(path, FLATGEOBUF, "FlatGeobuf")
    try:
        # In memory, so that GDAL looks at nothing else.
        about, _, shapes, values = raw.read(content.read_bytes())
    except Exception as error:  # what it raises of damaged files has no common base
        raise damaged(path, "FlatGeobuf", error) from error
    if not about["crs"]:
        raise without_crs(path)
    if len(shapes) == 0:
        return Found(about["crs"], np.empty((0, 2)), [], [], [], Counter())
    names = about["fields"].tolist()
    wanted = [find_class_field(names, class_field, path), *(name for name in COLUMNS if name in names)]
    rows = zip(*(values[names.index(name)].tolist() for name in wanted), strict=True)
    return found_points(about["crs"], shapes.tolist(), wanted, rows, path)


def found_points(
    crs: str, shapes: Sequence[bytes | None], fields: Sequence[str], values: Iterable[Sequence[Any]], path: Path
) -> Found:
    """The points among geometries (WKB), each with a row of values; the first field is that of the class."""
    import shapely

    skipped: Counter[str] = Counter()
    labels: list[str] = []
    extras: list[Mapping[str, str]] = []
    places: list[str] = []
    positions: list[NDArray[np.float64]] = []
    geometries = shapely.from_wkb(np.array(shapes, dtype=object), on_invalid="ignore")
    for number, (geometry, row) in enumerate(zip(geometries, values, strict=True), 1):
        kind = None if geometry is None else geometry.geom_type
        if kind is None:
            skipped["feature without a geometry"] += 1
        elif kind not in ("Point", "MultiPoint") or geometry.is_empty:
            skipped[f"empty {kind}" if geometry.is_empty else kind] += 1
        else:
            place = f"{path.name}, feature {number:,}"
            # shapely would say that NaN is empty, so what is left has numbers.
            own = shapely.get_coordinates(geometry)
            extra = attributes(dict(zip(fields[1:], row[1:], strict=True)))
            label = _label(row[0], partial(PointsError, where=path, field=f"feature {number}", hint=_CLASS))
            label = label_or_question(label, extra)
            if label is None:
                skipped["point without a class"] += len(own)
                continue
            positions.append(own)
            labels += [label] * len(own)
            extras += [extra] * len(own)
            places += [place] * len(own)
    array = np.concatenate([np.empty((0, 2)), *positions])
    return Found(crs, array, labels, extras, places, skipped)


_CLASS = "Name the field with the classes: --set class_field=NAME."


def find_class_field(fields: Sequence[str], wanted: str | None, path: Path) -> str:
    """The field that names the class: `wanted`, or without one the first of `CLASS_FIELDS`, whatever its case.

    Raises:
        PointsError: There is none.
    """
    if wanted in fields:
        return str(wanted)
    folded = {field.casefold(): field for field in reversed(fields)}
    known = next((folded[name] for name in CLASS_FIELDS if name in folded), None)
    if wanted is None and known is not None:
        return known
    there = f"there are {listed(fields)}." if fields else "there are none."
    missing = "no field names the class" if wanted is None else f"there is no field '{wanted}'"
    raise PointsError(f"{missing}; {there}", where=path, field="class_field", hint=_CLASS)


def _label(value: Any, refuse: Callable[[str], PointsError]) -> str | None:
    """A class by the value of its field; None where it is empty."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise refuse(f"found {str(value)[:60]!r}, which is no name of a class.")
    name = str(value).strip()
    if has_controls(name):
        raise refuse(f"{name[:60]!r} is no usable name.")
    return name


def _named(content: Node) -> str | None:
    """The coordinate system that a GeoJSON file names; None where it does not."""
    member = content.maybe("crs")
    if member is None:
        return None
    properties = member.get("properties") if member.get("type").value == "name" else None
    match = None if properties is None else _CRS_NAME.fullmatch(properties.get("name").text())
    if match is None:
        raise member.fail("is no name of a coordinate system.", "Export the file again, in EPSG:4326.")
    return "OGC:CRS84" if match[2].upper() == "CRS84" else f"{match[1].upper()}:{match[2]}"


def checked_start(path: Path, magic: str, what: str) -> Path:
    """The same path.

    Raises:
        PointsError: There is no such file, it is too large, or does not begin as it must.
    """
    if not path.is_file():
        raise PointsError("there is no such file.", where=path, hint="Check the path of the label file.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise PointsError(
            f"has {size:,} bytes; at most {MAX_BYTES:,} are read.", where=path, hint="Is it the right file?"
        )
    with path.open("rb") as stream:
        if not stream.read(16).startswith(magic.encode()):
            raise PointsError(f"is no {what}, whatever its name says.", where=path, hint="Export the points again.")
    return path


def damaged(path: Path, what: str, error: Exception) -> PointsError:
    """The error of a file that cannot be read."""
    return PointsError(f"is no readable {what} ({error}).", where=path, hint="Export the points again.")


def without_crs(path: Path) -> PointsError:
    """The error of a file that does not name a coordinate system."""
    return PointsError(
        "does not say in which coordinate system its points are.",
        where=path,
        hint="Set that of the layer in your GIS, and export it again.",
    )
