"""A data set: its images, masks, points, classes and splits, before anything is decoded."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pointillist.classes import ClassSet
from pointillist.data.images import SUFFIXES, image_size
from pointillist.data.masks import MaskReader
from pointillist.data.regions import Region, Source
from pointillist.errors import DatasetError, nearest
from pointillist.files import read_text
from pointillist.points.check import Checked, ImageNames, check_points
from pointillist.points.formats import Surroundings, choose_format
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
        instances: Where its instance map is, which tells touching objects of one class apart.
        count: Number of objects in it, where a data set says so.
    """

    name: str
    image: Source
    mask: Source | None = None
    instances: Path | None = None
    count: int | None = None

    @property
    def file(self) -> Path:
        """The image file, of which the image may be a window."""
        return self.image.path if isinstance(self.image, Region) else self.image


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
        first_instance: Smallest value in instance maps that is an object.
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
    first_instance: int = 1

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

    def with_points(
        self,
        path: Path,
        format_name: str | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        rename: Mapping[str, str] | None = None,
        classes: Mapping[int, str] | None = None,
        strict: bool | None = None,
    ) -> Dataset:
        """The same data set with the clicks of a label file.

        Points of the data set's own format that do not fit are an error; those of foreign files are counted in
        `rejected`, because such files often cover more images than are at hand. Duplicate and conflicting points are
        counted in both.

        Args:
            path: The label file, or a folder of them.
            format_name: Its format; recognised when not given.
            options: What the user says about the file, see the format's `Options`.
            rename: Class names of this data set by those of the file, where they differ.
            classes: Class names by index, for formats that know classes by index only; this data set's when not given.
            strict: Whether a point that does not fit is an error; the format's own rule when not given.

        Raises:
            PointsError: The file cannot be read, or (strict) a point does not fit.
        """
        kind = choose_format(path, format_name, options)
        by_name = {item.name: item for item in self.items}
        names = ImageNames(by_name)
        sizes: dict[str, tuple[int, int]] = {}

        def size_of(name: str) -> tuple[int, int]:
            if name not in sizes:
                sizes[name] = image_size(by_name[name].image)
            return sizes[name]

        def size_of_named(name: str) -> tuple[int, int] | None:
            image = names.find(name, kind.images_by)
            return None if image is None else size_of(image)

        table_of_classes = dict(enumerate(self.classes.names)) if classes is None else classes
        checked = check_points(
            kind.read(path, Surroundings(table_of_classes, size_of_named), broken=True),
            names=names,
            classes=self.classes,
            images_by=kind.images_by,
            size_of=size_of,
            rename=rename,
            limit=kind.limit,
        )
        if kind.strict if strict is None else strict:
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
    seen: set[str] = set()
    # os.walk is several times faster than Path.rglob on 100,000 files.
    for parent, folders, files in os.walk(folder, followlinks=True):
        # People link folders instead of copying them; a link to a folder above would go round for ever.
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(parent).relative_to(folder).as_posix()
        prefix = "" if below == "." else f"{below}/"
        for name in files:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:  # noqa: PTH122
                found[prefix + name] = Path(parent, name)
    if not found:
        raise DatasetError("holds no images.", where=folder, cure=f"Put {_suffixes()} files there.")
    return dict(sorted(found.items()))


def find_images_like(home: Path, pattern: str) -> dict[str, Path]:
    """Images below one folder, or below several that fit a pattern such as `Tile {}/images`.

    With a pattern, what `{}` stands for becomes the first part of the names: `Tile 3/images/a.jpg` is `3/a.jpg`.

    Args:
        home: Folder that relative patterns start from.
        pattern: Path with at most one `{}`.

    Raises:
        DatasetError: The pattern has several `{}` or fits no folder, a folder is missing, or there is no image.
    """
    if "{}" not in pattern:
        return find_images(home / pattern)
    if pattern.count("{}") > 1:
        raise DatasetError(f"'{pattern}' has more than one {{}}.", field="paths", cure="Use {} once.")
    parts = PurePosixPath(pattern).parts
    level = next(index for index, part in enumerate(parts) if "{}" in part)
    parent = home.joinpath(*parts[:level])
    fits = re.compile(re.escape(parts[level]).replace(re.escape("{}"), "(.+)"))
    found: dict[str, Path] = {}
    for folder in sorted(parent.iterdir()) if parent.is_dir() else []:
        match = fits.fullmatch(folder.name)
        below = folder.joinpath(*parts[level + 1 :])
        if match and below.is_dir():
            found |= {f"{match[1]}/{name}": path for name, path in find_images(below).items()}
    if not found:
        raise DatasetError(f"'{pattern}' fits no folder.", where=home, field="paths", cure="Correct the path.")
    return dict(sorted(found.items()))


def pair_masks(folder: Path, images: Iterable[str]) -> dict[str, Path]:
    """Masks by image name: the mask of `a/b.jpg` is `a/b.png` (or .tif, …) below the mask folder.

    Args:
        folder: Mask folder; when there is none, or an empty one, no image has a mask.
        images: Image names, as `find_images` gives them.

    Raises:
        DatasetError: A mask fits several images, an image several masks, their names differ in case, or no mask fits.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return {}
    return pair_files(find_images(folder), images, folder)


def pair_files(masks: Mapping[str, Path], images: Iterable[str], where: Path) -> dict[str, Path]:
    """Pair masks and images whose names agree but for the extension; see `pair_masks`.

    Args:
        masks: Mask files by their name.
        images: Image names.
        where: For messages.
    """
    images = list(images)
    by_stem: dict[str, Path] = {}
    for name, path in masks.items():
        stem = _stem(name)
        if stem in by_stem:
            raise DatasetError(
                f"'{by_stem[stem].name}' and '{path.name}' are both the mask of '{stem}'.",
                where=where,
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
                where=where,
                cure="Rename one of the images and give it its own mask.",
            )
    folded = {stem.casefold(): name for stem, name in image_of.items()}
    for stem in by_stem:
        if stem not in image_of and stem.casefold() in folded:
            raise DatasetError(
                f"mask '{by_stem[stem].name}' and image '{folded[stem.casefold()]}' differ in case.",
                where=where,
                cure="Give both the same name.",
            )
    pairs = {name: by_stem[_stem(name)] for name in images if _stem(name) in by_stem}
    if by_stem and not pairs:
        raise DatasetError(
            f"none of its {len(by_stem):,} masks has the name of an image; '{next(iter(masks))}' is one of them.",
            where=where,
            field="masks",
            cure=f"The mask of '{images[0]}' is '{_stem(images[0])}.png'." if images else "Add the images.",
        )
    return pairs


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122 - PurePosixPath takes ten times as long, for 100,000 names


def read_split(path: Path, names: Sequence[str], *, name_of: Callable[[str], str] = str) -> tuple[str, ...]:
    """Read a split file: one image name per line, with or without extension; blank lines and `#` comments are skipped.

    A line that names no image but has `*`, `?` or `[` is a pattern for several: `Tile 1/*`.

    Args:
        path: The file.
        names: Names of all images.
        name_of: Takes the name out of a line, for layouts whose lines hold more.

    Raises:
        DatasetError: A line names no image, several, or one that was listed before; or nothing is listed.
    """
    exact = set(names)
    aliases: dict[str, list[str]] = {}
    for name in names:
        stem = _stem(name)
        for alias in {stem, stem.rpartition("/")[2]}:
            aliases.setdefault(alias, []).append(name)
    chosen: dict[str, None] = {}
    for number, line in enumerate(read_text(path, DatasetError).splitlines(), start=1):
        wanted = line.strip().replace("\\", "/")
        if not wanted or wanted.startswith("#"):
            continue
        wanted = name_of(wanted)
        fits = [wanted] if wanted in exact else aliases.get(wanted, [])
        if len(fits) > 1:
            some = ", ".join(f"'{name}'" for name in fits[:4])
            raise DatasetError(
                f"'{wanted}' fits {len(fits)} images.",
                where=path,
                line=number,
                cure=f"Write the path below the image folder, one of {some}.",
            )
        if not fits and any(sign in wanted for sign in "*?["):
            fits = fnmatch.filter(names, wanted)
            if not fits:
                raise DatasetError(
                    f"no image fits the pattern '{wanted}'.", where=path, line=number, cure="Correct it, or remove it."
                )
        if not fits:
            cure = ImageNames(names).cure(wanted)
            raise DatasetError(f"there is no image '{wanted}'.", where=path, line=number, cure=cure)
        for image in fits:
            if image in chosen:
                raise DatasetError(
                    f"'{image}' is listed twice.", where=path, line=number, cure="Remove one of the lines."
                )
            chosen[image] = None
    if not chosen:
        raise DatasetError("lists no image.", where=path, cure="Write one image name per line.")
    return tuple(chosen)


def _suffixes() -> str:
    return ", ".join(sorted(SUFFIXES))
