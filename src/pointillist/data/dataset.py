"""A data set: its images, masks, points, classes and splits, before anything is decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import BackgroundPolicy, ClassSet
from pointillist.data.bands import Bands
from pointillist.data.find_bands import DeclaredBands, find_bands
from pointillist.data.folders import LeftOut
from pointillist.data.images import image_size
from pointillist.data.listing import SUFFIX_LIST
from pointillist.data.masks import MaskReader
from pointillist.data.places import place_of
from pointillist.data.regions import Source, file_of
from pointillist.errors import DatasetError, nearest
from pointillist.points.check import Checked
from pointillist.points.formats import choose_format
from pointillist.points.matching import read_matched
from pointillist.points.occupancy import class_presence
from pointillist.points.table import PointTable

if TYPE_CHECKING:
    from pointillist.data.in_memory import MapStyle

ALL = "all"
"""The split that holds every image; it always exists."""

IN_MEMORY = "in memory"
"""The layout, and the root, of a data set that a program made."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image and, where there is one, its mask.

    Args:
        name: Path below the image folder, with `/` and extension; what `points.csv` calls the image.
        image: Where the image is.
        mask: Where its mask is.
        instances: Where its instance map is, which tells touching objects of one class apart.
        count: Number of objects in it, where a data set says so.
        mask_learnt: Whether every method learns from its mask, also one that learns from points.
    """

    name: str
    image: Source
    mask: Source | None = None
    instances: Path | None = None
    count: int | None = None
    mask_learnt: bool = False

    @property
    def file(self) -> Path:
        """The image file, of which the image may be a window."""
        return file_of(self.image)


@dataclass(frozen=True)
class Dataset:
    """Everything known about a data set without opening an image.

    Args:
        root: Folder or `dataset.yaml` the user named; `IN_MEMORY` where there is none.
        layout: Name of the layout it was read with.
        classes: Its classes.
        items: Images, sorted by name; those in memory in the order in which they were given.
        splits: Image names by split name; `all` is implied.
        masks: Reader of its masks.
        points_file: Where its points come from; None when it has none.
        points: The points that fit; empty before any are clicked.
        rejected: What did not fit, for a report.
        left_out: What of its folders is no input, for a report.
        first_instance: Smallest value in instance maps that is an object.
        declared: What its owner says about the bands of its images.
        bands: The bands, once somebody has looked, see `with_bands`.
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
    left_out: LeftOut = field(default_factory=LeftOut)
    first_instance: int = 1
    declared: DeclaredBands = DeclaredBands()  # noqa: RUF009 - it is frozen
    bands: Bands | None = None

    def __post_init__(self) -> None:
        if not self.items:
            raise DatasetError("holds no images.", where=self.root, hint=f"Put {SUFFIX_LIST} files there.")

    @classmethod
    def from_arrays(
        cls,
        images: Sequence[Any],
        points: Sequence[Any],
        classes: Sequence[str] | ClassSet,
        masks: Sequence[Any] | None = None,
        *,
        names: Sequence[str] | None = None,
        splits: Mapping[str, Iterable[str | int]] | None = None,
        background: BackgroundPolicy | None = None,
    ) -> Dataset:
        """A data set of images in memory. They are not copied, so do not change them while they are in use.

        Args:
            images: NumPy arrays H×W×K or H×W, torch tensors K×H×W or H×W, PIL images or `Pixels`; or one array N×H×W×K,
                or one tensor N×K×H×W. uint8, uint16, int16, int32 or float32. H×W of uint8 is a grey photograph.
            points: Per image its clicks: an array or tensor N×3, or a list of rows (x, y, class), with the name of a
                class or its index. x and y are continuous pixels from the top-left corner, x to the right; the centre
                of the first pixel is (0.5, 0.5). An empty list for an image without clicks.
            classes: Their names, in the order of their indices; the first is the background.
            masks: Per image H×W class indices, 255 (or `ignore_index` of a `ClassSet`) = not known; None for an image
                without a mask. Only for scores, and for methods that learn from masks.
            names: Of the images; "image-0001", "image-0002", … when not given.
            splits: Names or indices (from 0) of images by split, for example {"val": [8, 9]}. Without "train" the rest
                is learnt from.
            background: Background policy: points, border or none; that of the `ClassSet`, or points, when not given.

        Raises:
            DatasetError, ImageError, PointsError, MaskError: Something does not fit. The first such thing is named,
                with the name of its image and its place (`points[2][5]`), and how many other images have problems.

        Examples:
            >>> images = [np.zeros((32, 48, 3), np.uint8)] * 3
            >>> clicks = [[(8.5, 8.5, "soil")], [(8.5, 8.5, "berry")], []]
            >>> data = Dataset.from_arrays(images, clicks, ["soil", "berry"], splits={"val": [2]})
            >>> len(data.split("train")), dict(data.points.counts())
            (2, {'soil': 1, 'berry': 1})
        """
        from pointillist.data.in_memory import dataset_of_arrays  # builds on this module

        return dataset_of_arrays(images, points, classes, masks, names=names, splits=splits, background=background)

    @classmethod
    def from_torch(
        cls,
        dataset: MapStyle,
        classes: Sequence[str] | ClassSet,
        *,
        names: Sequence[str] | None = None,
        splits: Mapping[str, Iterable[str | int]] | None = None,
        background: BackgroundPolicy | None = None,
    ) -> Dataset:
        """A data set of the images of a torch data set.

        Every example is read once at the start, for its points and to check it; images and masks are not kept, but read
        again when they are needed. So an example must be the same each time: no random transforms, as training moves,
        scales and flips images together with their points.

        Args:
            dataset: A map-style data set (`len(dataset)`, `dataset[i]`) of (image, points) or (image, points, mask),
                each as in `from_arrays`. A mask may be None.
            classes: See `from_arrays`, like all others.

        Raises:
            DatasetError, ImageError, PointsError, MaskError: As in `from_arrays`, with places like `dataset[2][1][5]`.
        """
        from pointillist.data.in_memory import dataset_of_torch  # builds on this module

        return dataset_of_torch(dataset, classes, names=names, splits=splits, background=background)

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
                hint=nearest(name, [*self.splits, ALL])
                + f" A split is a text file splits/{name}.txt with one image name per line.",
            )
        by_name = {item.name: item for item in self.items}
        return tuple(by_name[image] for image in self.splits[name])

    def masked(self, split: str, purpose: str, hint: str) -> list[tuple[Item, Source]]:
        """Images of a split that have a mask, each with its mask.

        Args:
            split: Which split.
            purpose: What the masks are for, in the message when there are none.
            hint: What to do then.

        Raises:
            DatasetError: There is no split of this name, or no mask in it.
        """
        found = [(item, item.mask) for item in self.split(split) if item.mask is not None]
        if not found:
            raise DatasetError(
                f"no image of the split '{split}' has a mask to {purpose}.", where=self.root, field="masks", hint=hint
            )
        return found

    @cached_property
    def presence(self) -> Mapping[str, NDArray[np.float32]]:
        """By name, how likely each class is in the images where questions were answered and no object was clicked."""
        return class_presence(self.points, self.classes.names)

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
        classes: Sequence[str] | None = None,
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
            rename: Class names of this data set by those of the file, or by their indices in it, where they differ.
            classes: Class names in the order of the file's indices; those of this data set when not given.
            strict: Whether a point that does not fit is an error; the format's own rule when not given.

        Raises:
            PointsError: The file cannot be read, or (strict) a point does not fit.
        """
        kind = choose_format(path, format_name, options)
        by_name = {item.name: item for item in self.items}
        checked = read_matched(
            path,
            kind,
            images=by_name,
            size_of=lambda name: image_size(by_name[name].image),
            place_of=lambda name: place_of(by_name[name].image),
            classes=self.classes.names,
            file_classes=classes,
            rename=rename,
        )
        if kind.strict if strict is None else strict:
            checked.raise_first(path)
        return replace(self, points_file=path, points=checked.points, rejected=checked)

    @property
    def checked(self) -> Checked:
        """What fits and what does not; all of its points fit where nothing was checked."""
        return self.rejected or Checked(self.points, ())

    def with_bands(self, bands: Bands | None = None) -> Dataset:
        """The same data set with its bands known: those given, or those that its training images have.

        Raises:
            DatasetError: The training images differ in their bands or type.
            ImageError: One of those looked at cannot be read.
        """
        if bands is None and self.bands is None:
            sources = [item.image for item in self.split(self.training_split)]
            bands = find_bands(sources, self.declared, self.root)
        return self if bands is None else replace(self, bands=bands)

    @property
    def known_bands(self) -> Bands:
        """The bands; only after `with_bands`."""
        if self.bands is None:
            raise ValueError("the bands of the data set are not known: ask its with_bands")
        return self.bands

    def with_policy(self, policy: BackgroundPolicy) -> Dataset:
        """The same data set under another background policy."""
        return replace(self, classes=self.classes.with_policy(policy))
