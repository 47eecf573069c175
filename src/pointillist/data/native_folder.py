"""Writing a data set as the native folder."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointillist.classes import IGNORE
from pointillist.data.dataset import Dataset, Item
from pointillist.data.dataset_file import FILE, write_dataset_file
from pointillist.data.images import image_size
from pointillist.data.masks import read_instances
from pointillist.data.regions import Region
from pointillist.errors import DatasetError
from pointillist.files import write_text
from pointillist.points.formats.native import write_csv
from pointillist.points.table import Point, PointTable


def native_names(dataset: Dataset) -> dict[str, str]:
    """Names in the native folder, by name: the same, with `.png` for a window that is cut out."""
    cut_out = {item.name for item in dataset.items if isinstance(item.image, Region)}
    return {
        item.name: PurePosixPath(item.name).with_suffix(".png").as_posix() if item.name in cut_out else item.name
        for item in dataset.items
    }


def write_native_folder(dataset: Dataset, folder: Path, on_image: Callable[[str], None] | None = None) -> None:
    """Write a data set as `images/`, `masks/` (class indices, 255 = ignore), `points.csv`, `splits/`, `dataset.yaml`.

    Images are copied byte by byte, windows of large images are cut out as PNG.

    Args:
        dataset: The data set, with its points.
        folder: An empty folder.
        on_image: Called with the name of each image that is done.

    Raises:
        SaveError: Something cannot be written.
        MaskError, ImageError: A mask or an image cannot be read.
        DatasetError: An image has more objects than an instance map holds.
    """
    names = native_names(dataset)
    for item in dataset.items:
        image = folder / "images" / names[item.name]
        image.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(item.image, Path):
            shutil.copyfile(item.image, image)
        else:
            Image.fromarray(dataset.with_bands().known_bands.picture_of(item.image)).save(image)
        if item.mask is not None:
            size = image_size(item.image)
            _save(dataset.masks.read(item.mask, size), folder / "masks" / names[item.name])
            if item.instances is not None:
                ids = _consecutive(read_instances(item.instances, size, dataset.first_instance), item)
                _save(ids, folder / "instances" / names[item.name])
        if on_image is not None:
            on_image(item.name)
    (folder / "splits").mkdir()
    for split, images in dataset.splits.items():
        write_text(folder / "splits" / f"{split}.txt", "".join(f"{names[name]}\n" for name in images))
    if len(dataset.points):
        write_csv(_renamed(dataset.points, names), folder / "points.csv")
    write_dataset_file(folder / FILE, dataclasses.replace(dataset.classes, ignore_index=IGNORE))


def compare_native(dataset: Dataset, written: Dataset) -> None:
    """What was written must open as what was meant; strange names are what could come between.

    Raises:
        DatasetError: It does not.
    """
    names = native_names(dataset)
    pairs = {names[item.name]: item.mask is not None for item in dataset.items}
    splits = {split: tuple(names[name] for name in images) for split, images in dataset.splits.items()}
    same = (
        {item.name: item.mask is not None for item in written.items} == pairs
        and written.splits == splits
        and written.classes == dataclasses.replace(dataset.classes, ignore_index=IGNORE)
        and written.points == _renamed(dataset.points, names)
    )
    if not same:
        raise DatasetError(
            "would not open as the same data set; some names mean something else in a native folder.",
            where=dataset.root,
            hint="Rename images that begin with '#' or '.', or whose names have line breaks or blanks at their ends.",
        )


def _renamed(points: PointTable, names: dict[str, str]) -> PointTable:
    """The same points under other image names."""

    def moved(rows: Iterable[Point]) -> list[Point]:
        return [dataclasses.replace(point, image=names[point.image]) for point in rows]

    return PointTable(moved(points), points.columns, unnamed=moved(points.unnamed))


def _save(values: NDArray[np.generic], image: Path) -> None:
    image.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(image.with_suffix(".png"))


def _consecutive(ids: NDArray[np.int64], item: Item) -> NDArray[np.uint16]:
    """Ids as 1, 2, 3, … in the order of their values, 0 for none."""
    values, places = np.unique(ids, return_inverse=True)
    first = 0 if values[0] == 0 else 1
    if len(values) + first > 2**16:
        raise DatasetError(
            f"'{item.name}' has {len(values):,} instances.",
            where=item.instances,
            hint="An instance map holds at most 65,535; is this one of them?",
        )
    return (places.reshape(ids.shape) + first).astype(np.uint16)
