"""What every label format declares and does."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from pointillist.errors import PointsError, PointsWarning
from pointillist.points.formats.attributes import Keeps, check_attributes, what_is_lost
from pointillist.points.formats.files import label_files
from pointillist.points.formats.options import FormatOptions, OptionInfo, Origin, describe_options
from pointillist.points.formats.writable import check_count, check_writable, is_finite
from pointillist.points.formats.zipped import is_zip, unzipped, zipping
from pointillist.points.names import NamedBy, listed
from pointillist.points.places import Place
from pointillist.points.questions import COLUMNS, question_problem
from pointillist.points.table import Point, PointTable

Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True)
class ReadContext:
    """What a label file leaves to its data set.

    Args:
        classes: Class names by index, for formats that know classes by index only.
        size_of: (height, width) of an image by its name in the label file, None for an image that is not at hand.
        path_of: Where the file of an image is, None for one that is not at hand.
        images: Names of all images at hand.
        place_of: Where on the earth an image at hand lies, None for one that does not say.
    """

    classes: Mapping[int, str] = field(default_factory=dict)
    size_of: Callable[[str], Size | None] | None = None
    path_of: Callable[[str], Path | None] | None = None
    images: Sequence[str] = ()
    place_of: Callable[[str], Place | None] | None = None

    def size(self, image: str) -> Size | None:
        """(height, width) of an image, where it is known."""
        return None if self.size_of is None else self.size_of(image)

    def need_size(self, image: str, where: Path) -> Size:
        """(height, width) of an image.

        Raises:
            PointsError: It is not known.
        """
        size = self.size(image)
        if size is None:
            raise PointsError(
                f"the size of image '{image}' is not known, but this format needs it.",
                where=where,
                hint="Name the data set or the folder of its images, or say --set size=HxW.",
            )
        return size


EMPTY_CONTEXT = ReadContext()
"""No data set at hand."""


class PointFormat(ABC):
    """One kind of label file.

    Attributes:
        name: What the user types.
        title: One line for listings.
        suffixes: File name endings it may have, lower case.
        origin: Declared convention of its coordinates.
        tolerance: Largest error in pixels of a coordinate that was written and read back; 0 is exact to the last bit.
        images_by: Whether the file names images by their `path` below the image folder, by the end of a path (`tail`,
            for tools that keep paths of their own), or without extension (`stem`).
        one_per_image: Whether it is a folder with one file per image; a single file will then do for one image.
        strict: Whether a point that does not fit the data set is an error. True for the data set's own file, which its
            owner can mend; False for files made elsewhere, whose misfits are counted and reported.
        max_size: (height, width) that no image of this format exceeds, so that some misplaced points are found even
            where the images are not at hand.
        only_classes: The only classes it can hold, unless its options rename them; empty for a format that holds any.
        keeps: The further columns of a point that it keeps; `write` says which others are lost.
        keeps_unnamed: Whether it can hold a question without a class.
        priority: Formats of a higher one are asked first whether a file is theirs; below 0 for those that look at the
            suffix alone.
        Options: What the user may say about a file.
        required: Names of the options that the user must give.

    Args:
        options: An instance of `Options`; the defaults when None.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    origin: ClassVar[Origin]
    tolerance: ClassVar[float] = 0.0
    images_by: ClassVar[NamedBy] = "path"
    one_per_image: ClassVar[bool] = False
    strict: ClassVar[bool] = False
    max_size: ClassVar[Size | None] = None
    only_classes: ClassVar[tuple[str, ...]] = ()
    keeps: ClassVar[Keeps] = ()
    keeps_unnamed: ClassVar[bool] = False
    priority: ClassVar[int] = 0
    Options: ClassVar[type[FormatOptions]] = FormatOptions
    required: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: FormatOptions | None = None) -> None:
        self.options = self.Options() if options is None else options

    @classmethod
    def option_infos(cls) -> list[OptionInfo]:
        """The options of this format, for listings."""
        return describe_options(cls.Options, cls.required)

    @classmethod
    def own_options(cls) -> list[str]:
        """Names of the options that this format has and others need not have."""
        return [name for name in cls.Options.model_fields if name not in FormatOptions.model_fields]

    def demand(self, name: str, path: Path) -> Any:
        """The value of a required option.

        Raises:
            PointsError: The user did not give it.
        """
        value = getattr(self.options, name)
        if value is None:
            info = next(info for info in self.option_infos() if info.name == name)
            raise PointsError(
                f"'{name}' must be given; such a file does not say it.",
                where=path,
                field=name,
                hint=f"{info.description} Write --set {name}={info.values}.",
            )
        return value

    def with_declared_size(self, context: ReadContext) -> ReadContext:
        """The context, in which images of unknown size have the one that the user declared."""
        size = self.options.size
        return context if size is None else replace(context, size_of=lambda image: context.size(image) or size)

    @property
    def offset(self) -> float:
        """What is added to the file's coordinates to make them continuous and corner-based."""
        return 0.5 if (self.options.origin or self.origin) == "pixel" else 0.0

    @abstractmethod
    def recognise(self, path: Path) -> bool:
        """Whether an existing path is of this format, judged by its suffix and first bytes."""

    def read(self, path: Path, context: ReadContext = EMPTY_CONTEXT, *, allow_non_finite: bool = False) -> PointTable:
        """Read all points, as continuous corner-based coordinates.

        Args:
            path: The label file, or the folder of a format that has one file per image; or a zip of either.
            context: What is known of its images and classes.
            allow_non_finite: Let points pass whose coordinates are NaN or infinite, for a check to count and report.

        Raises:
            PointsError: With the line or key path of the first thing that cannot be read.
        """
        context = self.with_declared_size(context)
        if is_zip(path):
            with unzipped(path, self.suffixes) as folder:
                table = self._read(self._in_folder(folder), context)
        else:
            table = self._read(path, context)
        check_count(len(table) + len(table.unnamed), path)
        for point in chain(table, table.unnamed):
            if not (allow_non_finite or is_finite(point)):
                raise PointsError(
                    f"({point.x}, {point.y}) is no position.",
                    where=path,
                    line=point.line,
                    field=point.place,
                    hint="Correct this point, or import the file: points that do not fit are counted and left out.",
                )
            if problem := question_problem(point):
                column, found, hint = problem
                place = f"{point.place}, {column}" if point.place else column
                raise PointsError(found, where=path, line=point.line, field=place, hint=hint)
        return table

    def write(self, table: PointTable, path: Path, context: ReadContext = EMPTY_CONTEXT) -> None:
        """Write points, whole or not at all per file; `read` gives them back within the format's own precision.

        What the format has no place for is left out, with a `PointsWarning`.

        Args:
            table: Points by the image names of the data set.
            path: File to be written, or folder for one file per image; a new zip of either where it ends in `.zip`.
            context: Classes by index, sizes and paths of images, where the format needs them.

        Raises:
            PointsError: A point that the format cannot hold.
            SaveError: The file cannot be written.
        """
        check_writable(table, path)
        if self.keeps == COLUMNS:
            check_attributes(table, path)
        self._write_maybe_zipped(table, path, self.with_declared_size(context))
        if lost := what_is_lost(table, self.keeps, self.keeps_unnamed):
            text = f"{path}: the format {self.name} cannot hold everything: {lost}. A points.csv keeps it."
            warnings.warn(text, PointsWarning, stacklevel=2)

    def _write_maybe_zipped(self, table: PointTable, path: Path, context: ReadContext) -> None:
        if not is_zip(path):
            self._write(table, path, context)
            return
        if self.one_per_image:
            # A path from the inside of a zip to an image would lead nowhere.
            context = replace(context, path_of=None)
        with zipping(path, "labels" if self.one_per_image else f"points{self.suffixes[0]}") as inside:
            self._write(table, inside, context)

    def _in_folder(self, folder: Path) -> Path:
        """What an unpacked zip holds of this format: the folder, or the one file.

        Raises:
            PointsError: There is none, or more than one.
        """
        if self.one_per_image:
            return folder
        files = [file for file, _ in label_files(folder, self.suffixes)]
        of_format = [file for file in files if self.recognise(file)] or files
        if len(of_format) > 1:
            names = listed([file.relative_to(folder).as_posix() for file in of_format])
            raise PointsError(
                f"holds {len(of_format)} label files: {names}.",
                where=folder,
                hint="Unpack it and import one at a time.",
            )
        return of_format[0]

    @abstractmethod
    def _read(self, path: Path, context: ReadContext) -> PointTable: ...

    @abstractmethod
    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None: ...


def class_index(point: Point, context: ReadContext, path: Path) -> int:
    """Index of a point's class, for a format that knows classes by index only.

    Raises:
        PointsError: The class is not in the table.
    """
    for index, name in context.classes.items():
        if name == point.label:
            return index
    if not context.classes and point.label.isdecimal():
        return int(point.label)
    raise PointsError(
        f"the class '{point.label}' has no index.",
        where=path,
        hint="This format knows classes by index: name the data set, or give --classes in the order of their indices.",
    )


def class_name(index: int, context: ReadContext) -> str:
    """Name of a class by its index; the index itself, as text, where the table has no such class."""
    return context.classes.get(index, str(index))


def translated(point: Point, by: float) -> Point:
    """The point `by` pixels further right and down."""
    return replace(point, x=point.x + by, y=point.y + by) if by else point
