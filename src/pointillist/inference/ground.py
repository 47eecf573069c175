"""What pixels are on the ground: their area in square metres, their coordinates on the map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pointillist.data.places import Place

if TYPE_CHECKING:
    from pyproj import CRS


@dataclass(frozen=True)
class Ground:
    """The ground below an image.

    Args:
        crs: Name of the coordinate system, such as `EPSG:32632`; "" for none that PROJ knows.
        areas: Square metres of a pixel in each row. None where nobody knows: without a coordinate system of the earth,
            and where an image in degrees is rotated, so that the pixels of a row differ.
        transform: See `Place`; None without a place.
    """

    crs: str = ""
    areas: NDArray[np.float64] | None = None
    transform: tuple[float, float, float, float, float, float] | None = None

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """2×N coordinates on the map of corner-based pixels; NaN without a place."""
        if self.transform is None:
            return np.full((2, len(x)), np.nan)
        a, b, c, d, e, f = self.transform
        return np.stack((a * x + b * y + c, d * x + e * y + f))


def ground_of(place: Place | None, height: int) -> Ground:
    """The ground below an image with this many rows.

    Areas are those of the map in a projected coordinate system, and on the ellipsoid in degrees. Needs pyproj.
    """
    if place is None:
        return Ground()
    crs, name = _system(place.crs)
    return Ground(name, None if crs is None else _areas(crs, place.transform, height), place.transform)


@lru_cache(maxsize=64)
def _system(wkt: str) -> tuple[CRS | None, str]:
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


def _areas(
    crs: CRS, transform: tuple[float, float, float, float, float, float], height: int
) -> NDArray[np.float64] | None:
    a, b, _, d, e, f = transform
    if crs.is_projected:
        metres = crs.axis_info[0].unit_conversion_factor
        return np.full(height, abs(a * e - b * d) * metres**2)
    if not crs.is_geographic or crs.ellipsoid is None or b or d:
        return None
    # Exact between two parallels; source: Snyder, Map Projections: A Working Manual (1987), equation 3-12.
    radians = crs.axis_info[0].unit_conversion_factor
    sine = np.sin(np.clip((np.arange(height + 1) * e + f) * radians, -np.pi / 2, np.pi / 2))
    short = crs.ellipsoid.semi_minor_metre
    eccentricity = math.sqrt(1 - (short / crs.ellipsoid.semi_major_metre) ** 2)
    zones = sine / (1 - (eccentricity * sine) ** 2)
    zones += np.arctanh(eccentricity * sine) / eccentricity if eccentricity else sine
    areas: NDArray[np.float64] = np.abs(np.diff(zones) * a * radians / 2) * short**2
    return areas
