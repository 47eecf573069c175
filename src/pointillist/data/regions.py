"""Windows of images that are too large to be opened whole, such as aerial photographs of 5000×5000 pixels."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointillist.errors import ImageError, PointillistError


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


def read_region(region: Region, kind: type[PointillistError] = ImageError) -> NDArray[np.generic]:
    """Read the pixels of a window, and no more of the file than its blocks that touch the window.

    Returns:
        H×W×bands, in the file's own type.

    Raises:
        kind: The file is missing or unreadable, the window reaches beyond it, or rasterio is not installed.
    """
    try:
        import rasterio
    except ImportError as error:
        raise kind(
            "reading a window of a large image needs rasterio, which is not installed.",
            where=region.path,
            hint="Install it with: pip install 'pointillist[geo]'.",
        ) from error
    if not region.path.is_file():
        raise kind("there is no such file.", where=region.path, hint="Check the path.")
    window = ((region.top, region.top + region.height), (region.left, region.left + region.width))
    try:
        with warnings.catch_warnings():
            # A mask without coordinates is as good as one with them.
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(region.path) as file:
                if region.top + region.height > file.height or region.left + region.width > file.width:
                    raise kind(
                        f"is {file.width}×{file.height}, so it has no window {window}.",
                        where=region.path,
                        hint="An image and its mask have the same size.",
                    )
                bands: NDArray[np.generic] = file.read(window=window)
    except rasterio.errors.RasterioError as error:
        raise kind(
            f"is no readable image ({error}).", where=region.path, hint="It may be truncated; replace or remove it."
        ) from error
    return np.ascontiguousarray(bands.transpose(1, 2, 0))


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
