"""Writing a data set of any layout in another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pointillist.data.dataset import IN_MEMORY, Dataset
from pointillist.data.layouts import LAYOUTS, Layout
from pointillist.errors import DatasetError, SaveError, nearest
from pointillist.files import new_folder

NATIVE = "folder"
"""The layout that holds all that a data set has."""


@dataclass(frozen=True)
class Converted:
    """What was written.

    Args:
        root: The new folder.
        images: Number of images.
        masks: Number of masks.
        points: Number of clicks.
        rejected: Clicks of the label file that fit no image or class, and are not in the new folder.
        left_out: Images that the layout has no place for.
    """

    root: Path
    images: int
    masks: int
    points: int
    rejected: int
    left_out: tuple[str, ...] = ()


def convert(
    dataset: Dataset, out: Path, *, to: str = NATIVE, on_image: Callable[[str], None] | None = None
) -> Converted:
    """Write a data set in a layout.

    Masks are read through the data set's reader, so that a value that names no class ends the conversion. The folder is
    written beside `out` and then renamed: it is whole or not there.

    Args:
        dataset: The data set, with its points.
        out: Folder to be made; must not exist.
        to: Name of the layout, see `writable`.
        on_image: Called with the name of each image that is done.

    Raises:
        SaveError: `out` exists, or something cannot be written.
        MaskError: A mask cannot be read.
        ImageError: An image cannot be read.
        DatasetError: The layout is not written, cannot hold the data set, or the data set is in memory.
    """
    if to not in writable():
        raise DatasetError(f"{to!r} is no layout that can be written.", field="--to", hint=nearest(to, writable()))
    if dataset.layout == IN_MEMORY:
        raise DatasetError(
            "has no files to copy.", where=dataset.root, hint="Save its images, and make a data set of them."
        )
    if out.exists():
        raise SaveError("is there already.", where=out, hint="Choose another --out, or remove it.")
    with new_folder(out) as content:
        written = LAYOUTS.get(to)().write(dataset, content, on_image)
    return Converted(
        root=out,
        images=written.images,
        masks=written.masks,
        points=written.points,
        rejected=0 if dataset.rejected is None else len(dataset.rejected.rejections),
        left_out=written.left_out,
    )


def writable() -> list[str]:
    """Names of the layouts that can be written."""
    return [name for name, kind in LAYOUTS.all().items() if kind.write is not Layout.write]
