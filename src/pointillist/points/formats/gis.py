"""Points of a geographic information system, wherever on the earth: GeoPackage, GeoJSON, FlatGeobuf."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.errors import PointsError, PointsWarning
from pointillist.files import replacing
from pointillist.points.formats.attributes import attributes, table_of
from pointillist.points.formats.base import PointFormat, ReadContext, Size, translated
from pointillist.points.formats.files import head
from pointillist.points.formats.geopackage import SQLITE, read_geopackage
from pointillist.points.formats.gis_files import FLATGEOBUF, Found, read_flatgeobuf, read_geojson
from pointillist.points.formats.jsontext import write_json
from pointillist.points.formats.options import FormatOptions
from pointillist.points.formats.qupath import is_geojson, is_in_pixels
from pointillist.points.places import Place
from pointillist.points.questions import COLUMNS
from pointillist.points.table import OFF_IMAGES, Point, PointTable

LIBRARIES = ("rasterio", "pyproj", "shapely", "pyogrio")
"""What the extra `geo` brings."""

DRIVERS = {".gpkg": "GPKG", ".fgb": "FlatGeobuf"}
"""GDAL's names of what it writes."""


class Gis(PointFormat):
    """One file of points or multipoints for all images; each point belongs to every image in which it lies.

    Points are brought into the coordinate system of each image, then into its pixels; which image was clicked is not
    asked. GeoJSON is that of RFC 7946, WGS 84 with longitude first, unless its `crs` member names another system, as
    files of QGIS do. Other geometries are counted as skipped; what lies in no image is rejected. Written are GeoPackage
    and FlatGeobuf in the coordinate system of the images, if all have the same, else, like GeoJSON, in WGS 84. The
    columns of questions are fields.

    Source: RFC 7946, The GeoJSON Format Specification (2008), OGC GeoPackage 1.3.
    """

    class Options(FormatOptions):
        """What the user says about the file."""

        class_field: str | None = None
        """Field that names the class; class, label, name or category when not given."""
        layer: str | None = None
        """Layer of a GeoPackage with several."""

    name = "gis"
    title = "points of a GIS in any coordinate system: GeoPackage, GeoJSON, FlatGeobuf"
    suffixes = (".gpkg", ".geojson", ".json", ".fgb")
    origin = "corner"
    tolerance = 1e-6
    keeps = COLUMNS
    keeps_unnamed = True
    options: Options

    def recognise(self, path: Path) -> bool:
        """The first bytes of a GeoPackage or FlatGeobuf; GeoJSON that has no sign of being in pixels."""
        start = head(path, self.suffixes)
        if path.suffix.lower() in DRIVERS:
            return start.startswith((SQLITE, FLATGEOBUF))
        return start.lstrip().startswith("{") and is_geojson(start) and not is_in_pixels(start)

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        _need_libraries(path)
        kind = path.suffix.lower()
        if kind == ".gpkg":
            found = read_geopackage(path, self.options.class_field, self.options.layer)
        elif kind == ".fgb":
            found = read_flatgeobuf(path, self.options.class_field)
        else:
            found = read_geojson(path, self.options.class_field)
        images = _images(path, context)
        hits = _hits(found, images, path)
        points = [
            translated(Point(name, x, y, label, extra, place=place), self.offset if name else 0.0)
            for label, extra, place, lies in zip(found.labels, found.extras, found.places, hits, strict=True)
            for name, x, y in lies
        ]
        if shared := sum(len(lies) > 1 for lies in hits):
            text = f"{path}: images overlap, and {shared:,} of its points count in each image in which they lie."
            warnings.warn(text, PointsWarning, stacklevel=2)
        return table_of(points, skipped=found.skipped)

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        _need_libraries(path)
        kind = path.suffix.lower()
        if kind not in self.suffixes:
            found, hint = f"'{kind}' is no ending of a file of points.", f"Choose one of {', '.join(self.suffixes)}."
            raise PointsError(found, where=path, hint=hint)
        places: dict[str, Place] = {}
        table = table.rows
        for image in table.images:
            place = None if context.place_of is None else context.place_of(image)
            if place is None or not place.crs:
                raise _no_place(f"image '{image}' does not say", path)
            places[image] = place
        systems = {place.crs for place in places.values()}
        target = systems.pop() if len(systems) == 1 and kind in DRIVERS else WGS84
        positions = np.empty((len(table), 2))
        rows: dict[str, list[int]] = {}
        for row, point in enumerate(table):
            rows.setdefault(point.image, []).append(row)
            positions[row] = point.x - self.offset, point.y - self.offset
        for image, place in places.items():
            own = rows[image]
            positions[own] = _moved(place.on_map(positions[own]), place.crs, target, path)
        field = self.options.class_field or "class"
        if kind in DRIVERS:
            _write_by_gdal(path, DRIVERS[kind], target, positions, field, table)
            return
        features = [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": position},
                "properties": {field: point.label or None, "image": point.image, **attributes(point.extra)},
            }
            for point, position in zip(table, positions.tolist(), strict=True)
        ]
        write_json(path, {"type": "FeatureCollection", "features": features})


WGS84 = "OGC:CRS84"
"""What GeoJSON has."""

_AUTHORITY = re.compile(r"[A-Za-z]\w*:\w+")


def _need_libraries(path: Path) -> None:
    for name in LIBRARIES:
        if find_spec(name) is None:
            raise PointsError(
                f"has positions on the earth, and using them needs {name}, which is not installed.",
                where=path,
                hint="Install it with: pip install 'pointillist[geo]'.",
            )


def _no_place(who: str, path: Path) -> PointsError:
    return PointsError(
        f"positions in it are on the earth, but {who} where on the earth it lies.",
        where=path,
        hint="Use GeoTIFFs that have a coordinate system in themselves, or clicks in pixels of the image.",
    )


def _images(path: Path, context: ReadContext) -> list[tuple[str, Place, Size]]:
    """Images that say where they lie, with their sizes.

    Raises:
        PointsError: No image is at hand, or none of them says it.
    """
    if not context.images or context.place_of is None:
        raise PointsError(
            "has positions on the earth, which become pixels only where the images are known.",
            where=path,
            hint="Name the data set or the folder of its images.",
        )
    found = []
    for name in context.images:
        place = context.place_of(name)
        if place is not None and place.crs:
            found.append((name, place, context.need_size(name, path)))
    if not found:
        many = len(context.images)
        raise _no_place(f"'{context.images[0]}' does not say" if many == 1 else f"none of {many:,} images says", path)
    return found


def _hits(found: Found, images: Sequence[tuple[str, Place, Size]], path: Path) -> list[list[tuple[str, float, float]]]:
    """The images in which each point lies, with (x, y) in their pixels; for a point in none, that of the file."""
    hits: list[list[tuple[str, float, float]]] = [[] for _ in found.labels]
    moved: dict[str, NDArray[np.float64]] = {}
    for name, place, (height, width) in images:
        if place.crs not in moved:
            moved[place.crs] = _moved(found.positions, found.crs, place.crs, path)
        with np.errstate(invalid="ignore"):
            x, y = place.in_pixels(moved[place.crs]).T
        for row in np.flatnonzero((x >= 0) & (x < width) & (y >= 0) & (y < height)).tolist():
            hits[row].append((name, float(x[row]), float(y[row])))
    for lies, (x, y) in zip(hits, found.positions.tolist(), strict=True):
        if not lies:
            lies.append((OFF_IMAGES, x, y))
    return hits


def _moved(positions: NDArray[np.float64], source: str, target: str, path: Path) -> NDArray[np.float64]:
    """N×2 of one coordinate system in another, easting or longitude first; infinite where there is no such place.

    Raises:
        PointsError: One of them is not known, or nothing leads from one to the other.
    """
    if source == target:
        return positions
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    try:
        transformer = Transformer.from_crs(_system(source, path), _system(target, path), always_xy=True)
    except ProjError as error:
        found = f"nothing leads from its coordinate system to that of the image ({str(error)[:200]})."
        raise PointsError(found, where=path, hint="Save the points in the coordinate system of the image.") from error
    return np.stack(transformer.transform(*positions.T), axis=1)


def _system(text: str, path: Path) -> Any:
    """A coordinate system of pyproj by its authority and code or as WKT, without heights.

    Raises:
        PointsError: It is not known, or names a file.
    """
    from pyproj import CRS
    from pyproj.exceptions import ProjError

    hint = "Save the points in a usual coordinate system, such as EPSG:4326."
    if "PARAMETERFILE" in text.upper():
        raise PointsError("its coordinate system names a file.", where=path, hint=hint)
    try:
        crs = CRS.from_user_input(text) if _AUTHORITY.fullmatch(text) else CRS.from_wkt(text)
        # A bound one says in a file's own words how to get to WGS 84, also by files of corrections; PROJ knows better.
        return (crs.source_crs if crs.is_bound and crs.source_crs else crs).to_2d()
    except ProjError as error:
        raise PointsError(f"its coordinate system is not known ({text[:80]!r}).", where=path, hint=hint) from error


def _write_by_gdal(
    path: Path, driver: str, crs: str, positions: NDArray[np.float64], field: str, table: PointTable
) -> None:
    import shapely
    from pyogrio import raw

    rows = [{field: point.label, "image": point.image, **attributes(point.extra)} for point in table]
    there = set().union(*rows)
    fields = [field, "image", *(name for name in COLUMNS if name in there)]
    columns = [np.array([row.get(name) or None for row in rows], dtype=object) for name in fields]
    # Into memory: GDAL does not notice a full disk, and takes some names for addresses.
    content = io.BytesIO()
    raw.write(
        content,
        shapely.to_wkb(shapely.points(positions)),
        columns,
        fields,
        layer="clicks",
        driver=driver,
        crs=crs,
        geometry_type="Point",
    )
    with replacing(path) as temporary:
        temporary.write_bytes(content.getvalue())
