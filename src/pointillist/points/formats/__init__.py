"""Label files of points: one small file per format, found by name.

A new format is one new module here with a subclass of `PointFormat`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointillist.errors import PointsError
from pointillist.points.formats.base import PointFormat, ReadContext
from pointillist.points.formats.options import FormatOptions
from pointillist.points.formats.unknown import unknown
from pointillist.points.formats.zipped import is_zip, unzipped
from pointillist.registry import Registry
from pointillist.schema import parse

__all__ = [
    "FormatOptions",
    "PointFormat",
    "ReadContext",
    "choose_format",
    "formats",
    "get_format",
    "recognise_format",
]


FORMATS: Registry[PointFormat] = Registry(
    "label format",
    __name__,
    PointFormat,  # type: ignore[type-abstract]
    "format",
    PointsError,
)
formats = FORMATS.all


def get_format(name: str, options: Mapping[str, Any] | None = None) -> PointFormat:
    """A format by name, with what the user says about the file: see its `Options`.

    Raises:
        PointsError: There is none of this name, or it has no such option.
    """
    kind = FORMATS.get(name)
    return kind(parse(kind.Options, options or {}, PointsError, f"the format '{name}'"))


def recognise_format(path: Path) -> PointFormat:
    """The format of a file or folder, from its suffix and its first bytes.

    Raises:
        PointsError: It is missing, or of no known format.
    """
    if not path.exists():
        raise PointsError("there is no such file.", where=path, hint="Check the path of the label file.")
    found = _in_zip(path) if is_zip(path) else _recognised(path)
    if found is not None:
        return found
    raise unknown(path, formats())


def _recognised(path: Path) -> PointFormat | None:
    for kind in sorted(formats().values(), key=lambda kind: (-kind.priority, kind.name)):
        candidate = kind()
        if candidate.recognise(path):
            return candidate
    return None


def _in_zip(path: Path) -> PointFormat | None:
    """The format of the first label file in a zip that is known by more than its suffix, or of the first at all."""
    text = {suffix for kind in formats().values() for suffix in kind.suffixes} - {".png"}
    with unzipped(path, text) as folder:
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        unsure = None
        for file in files:
            kind = _recognised(file)
            if kind is not None and kind.priority >= 0:
                return kind
            unsure = unsure or kind
        return unsure


def choose_format(path: Path, name: str | None = None, options: Mapping[str, Any] | None = None) -> PointFormat:
    """The format that is named, or that of the file, with options.

    Raises:
        PointsError: There is none, or it has no such option.
    """
    return get_format(recognise_format(path).name if name is None else name, options)
