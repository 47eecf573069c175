"""`pointillist points import | export | convert`: label files in and out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pointillist.cli.options import Data, Layout, Points
from pointillist.cli.points_options import (
    ClassTable,
    FileSize,
    Format,
    Order,
    Overwrite,
    Rank,
    Rename,
    Report,
    Settings,
    Unlabelled,
    format_options,
    index_table,
    pairs,
    refuse_existing,
    show_checked,
    with_clicks,
)

if TYPE_CHECKING:
    from pointillist.points.formats import PointFormat


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(name="import")(import_points)
    app.command(name="export")(export_points)
    app.command(name="convert")(convert_points)


def import_points(
    data: Data,
    file: Annotated[Path, typer.Argument(help="Label file, or a folder of them.", show_default=False)],
    format_name: Format = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="The points.csv to be written; that of the data set if not given.", show_default=False),
    ] = None,
    rename: Rename = None,
    classes: ClassTable = None,
    order: Order = None,
    size: FileSize = None,
    rank: Rank = None,
    unlabelled: Unlabelled = None,
    settings: Settings = None,
    report: Report = None,
    layout: Layout = None,
    overwrite: Overwrite = False,
) -> None:
    """Read clicks made elsewhere, match them with a data set, and write its points.csv.

    Example: **pointillist points import berries labelme/ --rename cranberry=berry**
    """
    from rich.console import Console

    from pointillist.data.layouts import open_dataset
    from pointillist.errors import ConfigError, PointsError
    from pointillist.points.formats.native import write_csv

    console = Console()
    dataset = open_dataset(data, layout=layout)
    if out is None:
        # Other layouts have no place for points.csv, and would not look for it.
        if dataset.points_file is None and (dataset.layout != "folder" or not data.is_dir()):
            raise ConfigError("is not given.", field="--out", hint="Say where points.csv is to be written.")
        out = dataset.points_file or data / "points.csv"
    refuse_existing(out, overwrite)
    options = format_options(order, size, rank, unlabelled, settings)
    dataset = with_clicks(dataset, file, format_name, options, rename, classes)
    checked = dataset.rejected
    nothing = checked is not None and checked.total > 0 and not len(checked.points)
    if not nothing:
        # Before anything is printed: output piped into `head` must not cost the file.
        write_csv(dataset.points, out)
    if checked is not None:
        show_checked(console, checked, report)
        if nothing:
            raise PointsError(
                f"none of the {checked.total:,} points fits the data set, so nothing was written.",
                where=file,
                hint=checked.rejections[0].hint,
            )
    console.print(f"wrote {out}", style="green", markup=False, highlight=False, soft_wrap=True)


def export_points(
    data: Data,
    out: Annotated[Path, typer.Argument(help="File to be written, or folder.", show_default=False)],
    format_name: Annotated[str, typer.Option("--format", help="Label format, see 'points formats'.")],
    points: Points = None,
    split: Annotated[str, typer.Option(help="Which images; 'all' for every one.")] = "all",
    classes: ClassTable = None,
    order: Order = None,
    unlabelled: Unlabelled = None,
    settings: Settings = None,
    layout: Layout = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write onto what is there; labelme and COCO keep what else it holds.")
    ] = False,
) -> None:
    """Write the clicks of a data set as another tool wants them.

    Example: **pointillist points export berries labelme/ --format labelme**
    """
    from rich.console import Console

    from pointillist.data.images import image_size
    from pointillist.data.layouts import load_dataset
    from pointillist.points.formats import ReadContext, get_format
    from pointillist.points.table import PointTable

    kind = get_format(format_name, format_options(order, None, None, unlabelled, settings))
    refuse_existing(out, overwrite)
    dataset = load_dataset(data, layout=layout, points=points)
    items = {item.name: item for item in dataset.split(split)}
    chosen = [point for name in items for point in dataset.points.of(name)]
    files = {name: item.image for name, item in items.items() if isinstance(item.image, Path)}
    context = ReadContext(
        index_table(classes) or dict(enumerate(dataset.classes.names)),
        lambda name: image_size(items[name].image) if name in items else None,
        files.get,
    )
    kind.write(PointTable(chosen, dataset.points.columns, listed=items), out, context)
    text = f"wrote {len(chosen):,} points on {len(items):,} images to {out}"
    Console().print(text, style="green", markup=False, highlight=False, soft_wrap=True)


def convert_points(
    file: Annotated[Path, typer.Argument(help="Label file, or a folder of them.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="File to be written, or folder.", show_default=False)],
    to: Annotated[str, typer.Option("--to", help="Format to be written, see 'points formats'.")],
    source: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--from", help="Format to be read; recognised if not given.", show_default=False),
    ] = None,
    images: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of the images, where a format needs their names or sizes.", show_default=False),
    ] = None,
    rename: Rename = None,
    classes: ClassTable = None,
    order: Order = None,
    size: FileSize = None,
    rank: Rank = None,
    unlabelled: Unlabelled = None,
    settings: Settings = None,
    to_settings: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--to-set", help="KEY=VALUE: option of the format to be written.", show_default=False),
    ] = None,
    report: Report = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn a label file into another format, without a data set.

    Points that cannot be right (not finite, outside, conflicting, duplicate) are reported and left out.

    Example: **pointillist points convert clicks.json points.csv --to csv --rank 1**
    """
    from dataclasses import replace

    from rich.console import Console

    from pointillist.points.check import check_without_dataset
    from pointillist.points.formats import ReadContext, choose_format, formats, get_format, recognise_format
    from pointillist.points.table import PointTable

    options = format_options(order, size, rank, unlabelled, settings)
    known = set((formats()[source] if source in formats() else type(recognise_format(file))).Options.model_fields)
    writing = set(formats()[to].Options.model_fields) if to in formats() else set()
    # An option goes to the format that is read, where it has one of this name; else to the one that is written.
    for_writer = {key: value for key, value in options.items() if key in writing - known}
    nobody = {"size"} - known
    reader = choose_format(
        file, source, {key: value for key, value in options.items() if key not in for_writer and key not in nobody}
    )
    writer = get_format(to, {**for_writer, **pairs("--to-set", to_settings)})
    refuse_existing(out, overwrite)
    names = pairs("--rename", rename)
    table_of_classes = index_table(classes) | {int(key): name for key, name in names.items() if key.isdecimal()}
    sizes, paths = _at_hand(images, size, reader)
    context = ReadContext(table_of_classes, sizes, paths)
    table = reader.read(file, context, allow_non_finite=True)
    checked = check_without_dataset(table, context.size, max_size=reader.max_size)

    def image_name(name: str) -> str:
        found = None if paths is None or images is None else paths(name)
        return name if found is None or images is None else found.relative_to(images).as_posix()

    points = [replace(p, image=image_name(p.image), label=names.get(p.label, p.label)) for p in checked.points]
    listed = dict.fromkeys(image_name(name) for name in table.listed)
    writer.write(PointTable(points, table.columns, listed=listed), out, context)
    show_checked(Console(), checked, report)
    text = f"wrote {len(points):,} points on {len(listed):,} images to {out}"
    Console().print(text, style="green", markup=False, highlight=False, soft_wrap=True)


def _at_hand(
    images: Path | None, size: str | None, reader: PointFormat
) -> tuple[Callable[[str], tuple[int, int] | None] | None, Callable[[str], Path | None] | None]:
    """Sizes and paths of images by their names in the label file, as far as the user told."""
    from functools import cache

    from pointillist.data.dataset import find_images
    from pointillist.data.images import image_size
    from pointillist.errors import PointsError
    from pointillist.points.check import ImageNames
    from pointillist.points.formats.id_text import IdTextOptions
    from pointillist.schema import parse

    fixed = None if size is None else parse(IdTextOptions, {"size": size}, PointsError, "the command line").size
    if images is None:
        return (None if fixed is None else lambda _name: fixed), None
    files = find_images(images)
    index = ImageNames(files)

    @cache
    def path_of(name: str) -> Path | None:
        found = index.find(name, reader.images_by) or index.find(name, "tail")
        return None if found is None else files[found]

    @cache
    def size_of(name: str) -> tuple[int, int] | None:
        path = path_of(name)
        return fixed if path is None else image_size(path)

    return size_of, path_of
