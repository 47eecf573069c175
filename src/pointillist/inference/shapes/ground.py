"""What pixels are on the ground: their area in square metres, their coordinates on the map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pointillist.data.places import Place

if TYPE_CHECKING:
    from pyproj import CRS

DISTORTION = 0.01
"""Share by which areas may be wrong."""

PARTS = 8
"""Parts of a row that are measured."""

Transform = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Ground:
    """The ground below an image.

    Args:
        crs: Name of the coordinate system, such as `EPSG:32632`; "" for none that PROJ knows.
        areas: Square metres of a pixel in each row. None without a coordinate system, and where pixels of a row differ
            by more than `DISTORTION`.
        transform: See `Place`; None without a place.
    """

    crs: str = ""
    areas: NDArray[np.float64] | None = None
    transform: Transform | None = None

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """2×N coordinates on the map of corner-based pixels; NaN without a place."""
        if self.transform is None:
            return np.full((2, len(x)), np.nan)
        a, b, c, d, e, f = self.transform
        return np.stack((a * x + b * y + c, d * x + e * y + f))


def ground_of(place: Place | None, size: tuple[int, int]) -> Ground:
    """The ground below an image of a (height, width). Needs pyproj.

    Areas are those in the plane of a projected coordinate system; on the ellipsoid where that has none, or its plane is
    wrong by more than `DISTORTION`, as that of Web Mercator is.
    """
    if place is None:
        return Ground()
    crs, name = system(place.crs)
    return Ground(name, None if crs is None else _areas(crs, place.transform, size), place.transform)


@lru_cache(maxsize=64)
def system(wkt: str) -> tuple[CRS | None, str]:
    """The coordinate system and its name; looking for its code takes a while."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        crs = CRS.from_wkt(wkt)
    except CRSError:
        return None, ""
    if crs.is_bound and crs.source_crs is not None:
        crs = crs.source_crs
    code = crs.to_authority()
    return crs, crs.name if code is None else ":".join(code)


def equal_area(crs: CRS) -> Callable[[Any, Any], tuple[Any, Any]] | None:
    """What takes coordinates (x, y) on the map to (east, north) in metres, in a plane in which areas are right.

    Meridians and parallels are straight in it. None for the plane of a building site.
    """
    from pyproj import Proj, Transformer

    geodetic = crs.geodetic_crs
    if geodetic is None or geodetic.ellipsoid is None:
        return None
    plane = Proj(proj="cea", a=geodetic.ellipsoid.semi_major_metre, b=geodetic.ellipsoid.semi_minor_metre, over=True)
    angles, unit = Transformer.from_crs(crs, geodetic, always_xy=True), geodetic.axis_info[0].unit_conversion_factor

    def moved(x: Any, y: Any) -> tuple[Any, Any]:
        longitude, latitude = np.degrees(np.multiply(angles.transform(x, y), unit))
        # An image may lie across the antimeridian, but not around the earth.
        first = longitude.flat[0]
        return plane(first + (longitude - first + 180) % 360 - 180, latitude)

    return moved


def _areas(crs: CRS, transform: Transform, size: tuple[int, int]) -> NDArray[np.float64] | None:
    height, width = size
    a, b, c, d, e, f = transform
    if not crs.axis_info:
        return None
    flat = np.full(height, abs(a * e - b * d) * crs.axis_info[0].unit_conversion_factor ** 2)
    to_plane = equal_area(crs)
    if to_plane is None:
        return flat
    x, y = np.linspace(0, width, PARTS + 1), np.arange(height + 1)[:, None]
    east, north = to_plane(a * x + b * y + c, d * x + e * y + f)
    # Twice the area of a quadrilateral is the cross product of its diagonals.
    down = [part[1:, 1:] - part[:-1, :-1] for part in (east, north)]
    up = [part[:-1, 1:] - part[1:, :-1] for part in (east, north)]
    pixels = np.abs(down[0] * up[1] - down[1] * up[0]) / 2 / (width / PARTS)
    rows: NDArray[np.float64] = pixels.mean(axis=1)
    if not crs.is_geographic and abs(flat.sum() / rows.sum() - 1) <= DISTORTION:
        return flat
    return rows if (np.ptp(pixels, axis=1) <= DISTORTION * rows).all() else None
