"""Label files of points: one small file per format, found by name.

A new format is one new module here with a subclass of `PointFormat`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pointillist.errors import PointsError, nearest
from pointillist.points.formats.base import PointFormat
from pointillist.points.table import PointTable
from pointillist.registry import discover

__all__ = ["PointFormat", "formats", "get_format", "read_points", "recognise_format"]


@cache
def formats() -> dict[str, type[PointFormat]]:
    """All formats by name."""
    return discover(__name__, PointFormat)  # type: ignore[type-abstract]


def get_format(name: str) -> PointFormat:
    """A format by name.

    Raises:
        PointsError: There is none of this name.
    """
    if name not in formats():
        raise PointsError(f"{name!r} is no label format.", field="format", cure=nearest(name, formats()))
    return formats()[name]()


def recognise_format(path: Path) -> PointFormat:
    """The format of a file, from its suffix and its first bytes.

    Raises:
        PointsError: The file is missing, or of no known format.
    """
    if not path.is_file():
        raise PointsError("there is no such file.", where=path, cure="Check the path of the label file.")
    for kind in formats().values():
        candidate = kind()
        if candidate.recognise(path):
            return candidate
    raise PointsError(
        "is of no known label format.", where=path, cure=f"Known formats: {', '.join(formats())}. Name one."
    )


def read_points(path: Path, format_name: str | None = None) -> tuple[PointTable, PointFormat]:
    """Read a label file, recognising its format unless it is named."""
    chosen = recognise_format(path) if format_name is None else get_format(format_name)
    return chosen.read(path), chosen
