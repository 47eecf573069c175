"""Where on the earth an image lies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Coordinate system and position of an image.

    Args:
        crs: The coordinate system as WKT; "" for one that the file does not name.
        transform: (a, b, c, d, e, f): pixel (x, y) lies at (a·x + b·y + c, d·x + e·y + f), corner-based: (0, 0) is the
            top left corner of the first pixel.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]


def place_of(_: object) -> Place | None:
    """Placeholder until the branch with georeferences is merged."""
    return None
