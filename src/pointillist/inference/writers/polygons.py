"""Regions of the classes as polygons, for geographic information systems."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pointillist.classes import ClassSet
from pointillist.data.places import Place
from pointillist.errors import ConfigError, ignoring, nearest
from pointillist.inference.shapes.ground import DISTORTION, equal_area, system
from pointillist.inference.shapes.polygons import find_regions
from pointillist.inference.writers.base import Result
from pointillist.inference.writers.gis import GisWriter, plain_path, replacing_by_gdal
from pointillist.inference.writers.qgis_style import write_style
from pointillist.schema import Strict
from pointillist.version import __version__

LAYER = "regions"
"""Name of the layer."""

STRAIGHT = 64
"""Pixels after which a line gets another point before it goes into another coordinate system, where it is bent."""


class PolygonOptions(Strict):
    """What becomes a polygon, and how."""

    simplify: float = Field(2.0, ge=0, le=4096)
    """Tolerance in pixels; 2 takes the stairs off slanting lines, 0 keeps the edges of the pixels."""
    smallest: int = Field(1, ge=1)
    """Pixels of the smallest region that is written; how many are left out is in the layer's description."""
    without: tuple[str, ...] = ()
    """Classes that are not written, such as the background."""


class _PolygonWriter(GisWriter):
    """Writes a layer of one polygon with holes for each connected region of a class.

    Properties: `class` (name), `class_index`, `pixels` (of the label map), `area_m2` or, where it is not known on the
    earth, `area_px` (of the polygon as it is drawn), `mean_confidence`.

    Attributes:
        driver: GDAL's name of the format.
    """

    libraries = ("rasterio", "shapely", "pyogrio", "pyproj")
    needs = frozenset({"confidence"})
    Options = PolygonOptions
    options: PolygonOptions
    driver: ClassVar[str]

    def check(self, classes: ClassSet) -> None:
        """See `Writer.check`: `without` names classes."""
        self._hidden(classes)

    def write(self, result: Result, path: Path) -> None:
        """See `Writer.write`; in the coordinate system of the image, without one in pixels."""
        self._write(result, path, result.place)

    def _write(
        self, result: Result, path: Path, place: Place | None, longest: float = math.inf, **options: Any
    ) -> None:
        from pyogrio import raw

        with (
            replacing_by_gdal(path) as temporary,
            plain_path(temporary.parent) as folder,
            ignoring(),
        ):
            # Written block by block, then sorted and indexed by GDAL: few formats can be added to.
            blocks, final = folder / "blocks.gpkg", folder / f"regions{self.suffix}"
            count, about = self._collect(result, place, longest, blocks)
            with raw.open_arrow(blocks, use_pyarrow=False) as (_, stream):
                raw.write_arrow(
                    stream,
                    final,
                    layer=LAYER,
                    driver=self.driver,
                    crs=(place.crs or None) if place else None,
                    geometry_type="Polygon",
                    geometry_name="geom",
                    layer_options={"DESCRIPTION": about, **options},
                )
            self._finish(final, result.classes)
            self._check(final, count)
            final.replace(temporary)

    def _finish(self, path: Path, classes: ClassSet) -> None:
        """What the format has beside the layer.

        Raises:
            OSError: It could not be written.
        """

    def _collect(self, result: Result, place: Place | None, longest: float, path: Path) -> tuple[int, str]:
        """Write all regions to a GeoPackage: how many, and what to say about them."""
        import shapely
        from pyogrio import raw

        options = self.options
        hidden = self._hidden(result.classes)
        names = np.array(result.classes.names, dtype=object)
        unit, area = _measure(result.place, result.prediction.size)
        count = few = pixels = 0
        for regions in find_regions(result.prediction, options.simplify):
            regions = regions[~np.isin(regions.classes, hidden)]
            small = regions.pixels < options.smallest
            few, pixels = few + int(small.sum()), pixels + int(regions.pixels[small].sum())
            regions = regions[~small]
            count += len(regions)
            mean = np.round(regions.confidence / regions.pixels, 4)
            raw.write(
                path,
                shapely.to_wkb(shapely.orient_polygons(_placed(shapely.segmentize(regions.polygons, longest), place))),
                [names[regions.classes], regions.classes, regions.pixels, area(regions.polygons), mean],
                ["class", "class_index", "pixels", unit, "mean_confidence"],
                layer=LAYER,
                driver="GPKG",
                crs=(place.crs or None) if place else None,
                geometry_type="Polygon",
                append=path.exists(),
                layer_options={"SPATIAL_INDEX": "NO"},
            )
        return count, _about(result.image, place, options, few, pixels)

    def _hidden(self, classes: ClassSet) -> list[int]:
        """Classes that are not written.

        Raises:
            ConfigError: One does not exist.
        """
        for name in self.options.without:
            if name not in classes:
                field = f"{self.name}.without"
                raise ConfigError(f"{name!r} is not a class.", field=field, hint=nearest(name, classes))
        return [classes.index(name) for name in self.options.without]

    def _check(self, path: Path, count: int) -> None:
        """See that the file is whole: a disk that is full when a file is closed is no error to GDAL.

        Raises:
            OSError: It is not.
        """
        from pyogrio import raw, read_info

        info = read_info(path, layer=LAYER, force_feature_count=True)
        whole = info["features"] == count
        try:
            if whole and count:
                last = raw.read(path, layer=LAYER, skip_features=count - 1)[2]
                whole = len(last) == 1 and info["capabilities"]["fast_spatial_filter"]
        except ValueError:
            whole = False
        if not whole:
            raise OSError("what was written is not whole")


class GeoJson(_PolygonWriter):
    """GeoJSON of RFC 7946: WGS 84, longitude first; without a coordinate system in pixels, which it says."""

    name = "geojson"
    title = "a polygon for each region of a class, in WGS 84"
    suffix = ".geojson"
    driver = "GeoJSON"

    def write(self, result: Result, path: Path) -> None:
        """See `Writer.write`."""
        place = result.place if result.place is not None and _on_earth(result.place) else None
        if place is None:
            said = json.dumps({"coordinates": "pixels"})
            options: dict[str, Any] = {"FOREIGN_MEMBERS_COLLECTION": said, "COORDINATE_PRECISION": 0}
            self._write(result, path, None, SIGNIFICANT_FIGURES=10, **options)
        else:
            # RFC 7946 has the driver change the coordinates to WGS 84, wind the rings and cut at the antimeridian.
            options = {"RFC7946": "YES", "COORDINATE_PRECISION": _digits(place)}
            self._write(result, path, place, STRAIGHT, SIGNIFICANT_FIGURES=10, **options)

    def _check(self, path: Path, count: int) -> None:
        with path.open("rb") as stream:
            stream.seek(-8, os.SEEK_END)
            if stream.read().split()[-2:] != [b"]", b"}"]:
                raise OSError("what was written is not whole")


class GeoPackage(_PolygonWriter):
    """OGC GeoPackage in the coordinate system of the image, with the colours of the classes for QGIS."""

    name = "geopackage"
    title = "a polygon for each region of a class, in the image's coordinate system"
    suffix = ".gpkg"
    driver = "GPKG"

    def _finish(self, path: Path, classes: ClassSet) -> None:
        write_style(path, LAYER, "class", classes)


class FlatGeobuf(_PolygonWriter):
    """FlatGeobuf in the coordinate system of the image."""

    name = "flatgeobuf"
    title = "the polygons of geopackage, for reading parts of them over a network"
    suffix = ".fgb"
    driver = "FlatGeobuf"


def _on_earth(place: Place) -> bool:
    """Whether there is a way from its coordinate system to WGS 84: there is none from a building site or the Moon."""
    from pyproj import CRS, Transformer
    from pyproj.exceptions import ProjError

    try:
        return bool(place.crs) and bool(Transformer.from_crs(CRS.from_wkt(place.crs), "OGC:CRS84"))
    except ProjError:
        return False


def _placed(polygons: NDArray[np.object_], place: Place | None) -> NDArray[np.object_]:
    """Polygons in pixels as polygons on the map."""
    import shapely

    if place is None:
        return polygons
    a, b, c, d, e, f = place.transform
    moved: NDArray[np.object_] = shapely.transform(polygons, lambda xy: xy @ [[a, d], [b, e]] + [c, f])
    return moved


def _measure(
    place: Place | None, size: tuple[int, int]
) -> tuple[str, Callable[[NDArray[np.object_]], NDArray[np.float64]]]:
    """Name of the property, and what gives the areas of polygons in pixels.

    Args:
        place: Where the image lies.
        size: Its (height, width).
    """
    import shapely

    crs = None if place is None else system(place.crs)[0]
    if place is None or crs is None or not crs.axis_info:
        return "area_px", shapely.area
    a, b, _, d, e, _ = place.transform
    pixel = abs(a * e - b * d) * crs.axis_info[0].unit_conversion_factor ** 2
    to_plane = equal_area(crs)

    def flat(polygons: NDArray[np.object_]) -> NDArray[np.float64]:
        area: NDArray[np.float64] = shapely.area(polygons) * pixel
        return area

    if to_plane is None:
        return "area_m2", flat

    def curved(polygons: NDArray[np.object_]) -> NDArray[np.float64]:
        short = _placed(shapely.segmentize(polygons, STRAIGHT), place)
        # One by one: each may lie across the antimeridian.
        moved = [shapely.transform(one, lambda xy: np.stack(to_plane(*xy.T), axis=1)) for one in short]
        area: NDArray[np.float64] = shapely.area(moved)
        return area

    whole = np.array([shapely.box(0, 0, size[1], size[0])])
    if not crs.is_geographic and abs(flat(whole) / curved(whole) - 1) <= DISTORTION:
        return "area_m2", flat
    return "area_m2", curved


def _digits(place: Place) -> int:
    """Decimals of a degree: 7 (a centimetre), more where pixels are smaller than ten centimetres."""
    import pyproj

    crs = pyproj.CRS.from_wkt(place.crs)
    a, b, _, d, e, _ = place.transform
    side = math.sqrt(abs(a * e - b * d)) * crs.axis_info[0].unit_conversion_factor
    metres = side * 6378137 if crs.is_geographic else side
    return max(7, 6 - math.floor(math.log10(metres)))


def _about(image: str, place: Place | None, options: PolygonOptions, few: int, pixels: int) -> str:
    """The description of the layer."""
    text = f"Regions of the classes of {image}, by pointillist {__version__}."
    if place is None:
        text += " Coordinates are pixels: (0, 0) is the top left corner of the image, y goes down."
    if few:
        text += f" Regions of less than {options.smallest} pixels are left out: {few}, {pixels} pixels in all."
    if options.without:
        text += f" Classes that are left out: {', '.join(options.without)}."
    return text
