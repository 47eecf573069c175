"""Windows of images that are too large to be opened whole, such as aerial photographs of 5000×5000 pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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


Source = Path | Region
"""Where pixels come from: a whole file, or a window of one."""


def file_of(source: Source) -> Path:
    """The file of a source."""
    return source.path if isinstance(source, Region) else source


def window_of(source: Source, top: int, left: int, height: int, width: int) -> Region:
    """A window of a source, which may be a window itself."""
    if isinstance(source, Region):
        return Region(source.path, source.top + top, source.left + left, height, width)
    return Region(source, top, left, height, width)


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
