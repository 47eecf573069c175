"""Reading a label file for a data set: the only place where its images and classes are matched with those at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from pointillist.points.check import Checked, check_points
from pointillist.points.formats.base import PointFormat, ReadContext, Size
from pointillist.points.names import ImageNames, class_finder
from pointillist.points.places import Place


def read_matched(
    file: Path,
    kind: PointFormat,
    *,
    images: Iterable[str],
    size_of: Callable[[str], Size],
    classes: Sequence[str],
    file_classes: Sequence[str] | None = None,
    rename: Mapping[str, str] | None = None,
    may_add_class: Callable[[str], bool] | None = None,
    place_of: Callable[[str], Place | None] | None = None,
) -> Checked:
    """Read a label file and sort its points into those that fit a data set and those that do not.

    Args:
        file: The label file, or a folder of them.
        kind: Its format, with what the user says about the file.
        images: Names of the images of the data set.
        size_of: (height, width) of an image of the data set, EXIF-oriented; asked once per image.
        classes: Names of its classes.
        file_classes: Class names in the order of the file's indices, for formats that know classes by index only;
            `classes` when not given.
        rename: Class names of the data set by those of the file, or by their indices in the file, where they differ.
        may_add_class: Whether points of a class that the data set does not have are accepted under this new name;
            when not given, they are rejected.
        place_of: Where on the earth an image of the data set lies, None for one that does not say.

    Raises:
        PointsError: The file cannot be read.
    """
    images = tuple(images)
    names, size_of, rename = ImageNames(images), cache(size_of), rename or {}

    def size_by_file(name: str) -> Size | None:
        image = names.find(name, kind.images_by)
        return None if image is None else size_of(image)

    context = ReadContext(index_table(file_classes or classes, rename), size_by_file, images=images, place_of=place_of)
    table = kind.read(file, context, allow_non_finite=True)
    labels = dict.fromkeys(map(class_finder(classes, rename), table.counts()))
    added = [label for label in labels if label not in classes and may_add_class is not None and may_add_class(label)]
    return check_points(
        table,
        names=names,
        classes=(*classes, *added),
        images_by=kind.images_by,
        size_of=size_of,
        rename=rename,
        max_size=kind.max_size,
        merge=kind.options.repeated == "merge",
    )


def index_table(classes: Sequence[str], rename: Mapping[str, str]) -> dict[int, str]:
    """Class names by index; `rename` has the last word, where it names a class by its index."""
    return dict(enumerate(classes)) | {int(key): name for key, name in rename.items() if key.isdecimal()}
