"""A data set: its images, masks, points, classes and splits, before anything is decoded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from pointillist.classes import ClassSet
from pointillist.data.images import SUFFIXES, image_size
from pointillist.data.masks import MaskReader
from pointillist.errors import DatasetError, nearest
from pointillist.files import read_text
from pointillist.points.check import Checked, ImageNames, check_points
from pointillist.points.formats import read_points
from pointillist.points.table import PointTable

ALL = "all"
"""The split that holds every image; it always exists."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image and, where there is one, its mask.

    Args:
        name: Path below the image folder, with `/` and extension; what `points.csv` calls the image.
        image: Where the image is.
        mask: Where its mask is.
    """

    name: str
    image: Path
    mask: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """Everything known about a data set without opening an image.

    Args:
        root: Folder or `dataset.yaml` the user named.
        layout: Name of the layout it was read with.
        classes: Its classes.
        items: Images, sorted by name.
        splits: Image names by split name; `all` is implied.
        masks: Reader of its masks.
        points_file: Where its points come from; None when it has none.
        points: The points that fit; empty before any are clicked.
        rejected: What did not fit, for a report.
    """

    root: Path
    layout: str
    classes: ClassSet
    items: tuple[Item, ...]
    splits: dict[str, tuple[str, ...]]
    masks: MaskReader
    points_file: Path | None = None
    points: PointTable = field(default_factory=PointTable)
    rejected: Checked | None = None

    def __post_init__(self) -> None:
        if not self.items:
            raise DatasetError("holds no images.", where=self.root, cure=f"Put {_suffixes()} files there.")

    def split(self, name: str) -> tuple[Item, ...]:
        """Images of a split, in the order its file lists them.

        Raises:
            DatasetError: There is no split of this name.
        """
        if name == ALL:
            return self.items
        if name not in self.splits:
            raise DatasetError(
                f"there is no split '{name}'.",
                where=self.root,
                field="splits",
                cure=nearest(name, [*self.splits, ALL])
                + f" A split is a text file splits/{name}.txt with one image name per line.",
            )
        by_name = {item.name: item for item in self.items}
        return tuple(by_name[image] for image in self.splits[name])

    @property
    def training_split(self) -> str:
        """`train` where the data set has one, else all of it."""
        return "train" if "train" in self.splits else ALL

    @property
    def validation_split(self) -> str | None:
        """`val` where the data set has one."""
        return "val" if "val" in self.splits else None

    def with_points(self, path: Path, format_name: str | None = None) -> Dataset:
        """The same data set with the clicks of a label file.

        Points of the data set's own format that do not fit are an error; those of foreign files are counted in
        `rejected`, because such files often cover more images than are at hand.

        Raises:
            PointsError: The file cannot be read, or (own format) a point does not fit.
        """
        table, kind = read_points(path, format_name)
        by_name = {item.name: item for item in self.items}
        checked = check_points(
            table,
            names=ImageNames(by_name),
            classes=self.classes,
            images_by=kind.images_by,
            size_of=lambda name: image_size(by_name[name].image),
        )
        if kind.strict:
            checked.raise_first(path)
        return replace(self, points_file=path, points=checked.points, rejected=checked)

    def with_policy(self, policy: Literal["points", "border", "none"]) -> Dataset:
        """The same data set under another background policy."""
        return replace(self, classes=self.classes.with_policy(policy))


def find_images(folder: Path) -> dict[str, Path]:
    """Images below a folder by their name (path below it, with `/`), sorted; hidden files are left out.

    Raises:
        DatasetError: The folder is missing, or holds no image.
    """
    if not folder.is_dir():
        raise DatasetError("there is no such folder.", where=folder, cure="Check the path.")
    found: dict[str, Path] = {}
    # os.walk is several times faster than Path.rglob on 100,000 files.
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(parent).relative_to(folder).as_posix()
        prefix = "" if below == "." else f"{below}/"
        for name in files:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:  # noqa: PTH122
                found[prefix + name] = Path(parent, name)
    if not found:
        raise DatasetError("holds no images.", where=folder, cure=f"Put {_suffixes()} files there.")
    return dict(sorted(found.items()))


def pair_masks(folder: Path, images: Iterable[str]) -> dict[str, Path]:
    """Masks by image name: the mask of `a/b.jpg` is `a/b.png` (or .tif, …) below the mask folder.

    Args:
        folder: Mask folder; when there is none, no image has a mask.
        images: Image names, as `find_images` gives them.

    Raises:
        DatasetError: A mask fits several images, an image several masks, or their names differ in case.
    """
    if not folder.is_dir():
        return {}
    by_stem: dict[str, Path] = {}
    for name, path in find_images(folder).items():
        stem = _stem(name)
        if stem in by_stem:
            raise DatasetError(
                f"'{by_stem[stem].name}' and '{path.name}' are both the mask of '{stem}'.",
                where=folder,
                cure="Keep one of them.",
            )
        by_stem[stem] = path
    image_of: dict[str, str] = {}
    for name in images:
        other = image_of.setdefault(_stem(name), name)
        mask = by_stem.get(_stem(name))
        if other != name and mask is not None:
            raise DatasetError(
                f"images '{other}' and '{name}' differ in extension only, so '{mask.name}' fits both.",
                where=folder,
                cure="Rename one of the images and give it its own mask.",
            )
    folded = {stem.casefold(): name for stem, name in image_of.items()}
    for stem in by_stem:
        if stem not in image_of and stem.casefold() in folded:
            raise DatasetError(
                f"mask '{by_stem[stem].name}' and image '{folded[stem.casefold()]}' differ in case.",
                where=folder,
                cure="Give both the same name.",
            )
    return {name: by_stem[_stem(name)] for name in images if _stem(name) in by_stem}


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def read_split(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Read a split file: one image name per line, with or without extension; blank lines and `#` comments are skipped.

    Raises:
        DatasetError: A line names no image, several, or one that was listed before; or nothing is listed.
    """
    index = ImageNames(names)
    chosen: dict[str, None] = {}
    for number, line in enumerate(read_text(path, DatasetError).splitlines(), start=1):
        wanted = line.strip().replace("\\", "/")
        if not wanted or wanted.startswith("#"):
            continue
        image = index.find(wanted, "stem")
        if image is None:
            raise DatasetError(f"there is no image '{wanted}'.", where=path, line=number, cure=index.cure(wanted))
        if image in chosen:
            raise DatasetError(f"'{wanted}' is listed twice.", where=path, line=number, cure="Remove one of the lines.")
        chosen[image] = None
    if not chosen:
        raise DatasetError("lists no image.", where=path, cure="Write one image name per line.")
    return tuple(chosen)


def _suffixes() -> str:
    return ", ".join(sorted(SUFFIXES))
