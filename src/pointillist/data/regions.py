"""Where pixels come from: files, windows of files that are too large to be opened whole, and a program's memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pointillist.data.pixels import Pixels
from pointillist.errors import ImageError


@dataclass(frozen=True, slots=True)
class Region:
    """A window of an image file; it stands wherever the path of a whole image would.

    Args:
        path: The file.
        top: First row.
        left: First column.
        height: Rows.
        width: Columns.

    Raises:
        ImageError: The window is empty or begins outside the image.
    """

    path: Path
    top: int
    left: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.top, self.left) < 0 or min(self.height, self.width) < 1:
            raise ImageError(
                f"a window of {self.height}×{self.width} at row {self.top}, column {self.left} cannot be.",
                where=self.path,
                hint="Give a window inside the image.",
            )


@dataclass(frozen=True, slots=True)
class InMemory:
    """An image or a mask that a program holds or makes, or a window of one; it too stands wherever a path would.

    Args:
        name: For messages.
        read: Gives the whole, each time it is needed.
        bands: Number of its bands.
        dtype: NumPy's name of its type.
        height: Rows.
        width: Columns.
        top: First row.
        left: First column.
    """

    name: str
    read: Callable[[], Pixels]
    bands: int
    dtype: str
    height: int
    width: int
    top: int = 0
    left: int = 0


Part = Region | InMemory
"""What has a place and a size of its own."""

Source = Path | Part
"""Where pixels come from: a whole file, a window of one, or memory."""


def file_of(source: Source) -> Path:
    """The file of a source, for messages the name of one in memory."""
    if isinstance(source, InMemory):
        return Path(source.name)
    return source.path if isinstance(source, Region) else source


def window_of(source: Source, top: int, left: int, height: int, width: int) -> Part:
    """A window of a source, which may be a window itself."""
    if isinstance(source, Path):
        return Region(source, top, left, height, width)
    return replace(source, top=source.top + top, left=source.left + left, height=height, width=width)


def cut(path: Path, size: tuple[int, int], window: int) -> list[Region]:
    """Windows that cover an image without overlap; those at the right and bottom edge may be smaller.

    Args:
        path: The image.
        size: Its (height, width).
        window: Side of a window in pixels.

    >>> [(r.top, r.left, r.height, r.width) for r in cut(Path("a.tif"), (700, 500), 500)]
    [(0, 0, 500, 500), (500, 0, 200, 500)]
    """
    height, width = size
    return [
        Region(path, top, left, min(window, height - top), min(window, width - left))
        for top in range(0, height, window)
        for left in range(0, width, window)
    ]
