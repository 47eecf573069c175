"""Label files in and out of data sets, and from one format into another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pointillist.data.dataset import ALL, Dataset
from pointillist.data.images import image_size
from pointillist.data.listing import find_images
from pointillist.data.places import place_of
from pointillist.errors import ConfigError
from pointillist.files import refuse_existing
from pointillist.points.check import Checked, check_without_dataset
from pointillist.points.formats import PointFormat, ReadContext, formats, get_format, recognise_format
from pointillist.points.formats.base import Size
from pointillist.points.formats.native import write_csv
from pointillist.points.matching import index_table
from pointillist.points.names import ImageNames, class_finder
from pointillist.points.table import PointTable


def import_points(
    dataset: Dataset,
    file: Path,
    format_name: str | None = None,
    *,
    out: Path | None = None,
    options: Mapping[str, Any] | None = None,
    rename: Mapping[str, str] | None = None,
    classes: Sequence[str] | None = None,
    overwrite: bool = False,
) -> tuple[Checked, Path]:
    """Write the points of a label file that fit a data set as a `points.csv`; nothing is written when none fits.

    Args:
        dataset: The data set; its own points are not looked at.
        file: The label file, or a folder of them.
        format_name: Its format; recognised when not given.
        out: Where the points go; the data set's own `points.csv` when not given.
        options: As in `with_points`, like the next two.
        rename: Class names of the data set by those of the file.
        classes: Class names in the order of the file's indices.

    Returns:
        What fits and what does not, and where the points went.

    Raises:
        PointsError: The label file cannot be read.
        ConfigError: `out` is not given, and the layout of the data set has no place for points.
        SaveError: There is a file already, or it cannot be written.
    """
    if out is None:
        # Other layouts have no place for points.csv, and would not look for it.
        if dataset.points_file is None and (dataset.layout != "folder" or not dataset.root.is_dir()):
            raise ConfigError("is not given.", field="--out", hint="Say where points.csv is to be written.")
        out = dataset.points_file or dataset.root / "points.csv"
    refuse_existing(out, overwrite)
    read = dataset.with_points(file, format_name, options=options, rename=rename, classes=classes, strict=False)
    checked = read.checked
    if len(checked.points.rows):
        write_csv(checked.points, out)
    return checked, out


def export_points(
    dataset: Dataset,
    out: Path,
    format_name: str,
    *,
    options: Mapping[str, Any] | None = None,
    split: str = ALL,
    classes: Sequence[str] | None = None,
    overwrite: bool = False,
) -> PointTable:
    """Write the points of a data set as another tool wants them.

    Args:
        out: File to be written, or folder.
        format_name: Its format.
        options: What the user wants of it, see the format's `Options`.
        split: Which images.
        classes: Class names in the order of the file's indices; the data set's when not given.
        overwrite: Whether to write onto what is there; labelme and COCO keep what else it holds.

    Returns:
        The points and questions that were written; its `listed` are the images.

    Raises:
        PointsError: There is no such format or option, or it cannot hold these points.
        SaveError: There is something already, or it cannot be written.
    """
    kind = get_format(format_name, options)
    refuse_existing(out, overwrite)
    items = {item.name: item for item in dataset.split(split)}
    files = {name: item.image for name, item in items.items() if isinstance(item.image, Path)}
    context = ReadContext(
        dict(enumerate(classes or dataset.classes.names)),
        lambda name: image_size(items[name].image) if name in items else None,
        files.get,
        place_of=lambda name: place_of(items[name].image) if name in items else None,
    )
    points = [point for name in items for point in dataset.points.of(name)]
    unnamed = [point for point in dataset.points.unnamed if point.image in items]
    table = PointTable(points, dataset.points.columns, listed=items, unnamed=unnamed)
    kind.write(table, out, context)
    return _held(kind, table)


def convert_points(
    file: Path,
    out: Path,
    to: str,
    *,
    source: str | None = None,
    images: Path | None = None,
    options: Mapping[str, Any] | None = None,
    to_options: Mapping[str, Any] | None = None,
    rename: Mapping[str, str] | None = None,
    classes: Sequence[str] = (),
    overwrite: bool = False,
) -> tuple[Checked, PointTable]:
    """Turn a label file into another format, without a data set; points that cannot be right are left out.

    Nothing is written when no point is left.

    Args:
        file: The label file, or a folder of them.
        out: File to be written, or folder.
        to: Format to be written.
        source: Format to be read; recognised when not given.
        images: Folder of the images, where a format needs their names or sizes.
        options: Options of the format that is read, and those that only the written one has.
        to_options: Further options of the format that is written.
        rename: New class names by those of the file, or by their indices.
        classes: Class names in the order of the file's indices.

    Returns:
        What was read, sorted; and what was written.

    Raises:
        PointsError: The file cannot be read, or the format cannot hold its points.
        SaveError: There is something already, or it cannot be written.
    """
    rename = rename or {}
    source, options = source or recognise_format(file).name, options or {}
    known = formats()
    reads, writes = (known[name].Options.model_fields if name in known else {} for name in (source, to))
    # An option that only the written format has is meant for it.
    for_writer = {key: value for key, value in options.items() if key in writes and key not in reads}
    reader = get_format(source, {key: value for key, value in options.items() if key not in for_writer})
    writer = get_format(to, {**for_writer, **(to_options or {})})
    refuse_existing(out, overwrite)
    files = {} if images is None else find_images(images).images
    index = ImageNames(files)

    def image_name(name: str) -> str:
        """What the image is called in its folder, where it is there."""
        return index.find(name, reader.images_by) or index.find(name, "tail") or name

    @cache
    def size_of(name: str) -> Size | None:
        path = files.get(image_name(name))
        return None if path is None else image_size(path)

    context = ReadContext(
        index_table(classes, rename),
        None if images is None else size_of,
        None if images is None else lambda name: files.get(image_name(name)),
        tuple(files),
        lambda name: place_of(files[name]) if (name := image_name(name)) in files else None,
    )
    context = reader.with_declared_size(context)
    table = reader.read(file, context, allow_non_finite=True)
    names, class_of = {name: image_name(name) for name in table.listed}, class_finder((), rename)
    merge = reader.options.repeated == "merge"
    checked = check_without_dataset(table, context.size, images=names, max_size=reader.max_size, merge=merge)
    points = [replace(p, image=names[p.image], label=class_of(p.label)) for p in checked.points]
    unnamed = [replace(p, image=names[p.image]) for p in checked.points.unnamed]
    written = PointTable(points, table.columns, listed=dict.fromkeys(names.values()), unnamed=unnamed)
    if len(written.rows):
        writer.write(written, out, context)
    return checked, _held(writer, written)


def _held(kind: PointFormat, table: PointTable) -> PointTable:
    """What a format can hold of a table."""
    return table if kind.keeps_unnamed else PointTable(table, table.columns, listed=table.listed)
