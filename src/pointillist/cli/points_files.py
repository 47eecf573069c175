"""`pointillist points import | export | convert`: label files in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pointillist.cli.options import Data, Layout, Points
from pointillist.cli.points_options import (
    ClassTable,
    Format,
    Overwrite,
    Rename,
    Report,
    Settings,
    names,
    pairs,
    say,
    show_checked,
)


def import_points(
    data: Data,
    file: Annotated[Path, typer.Argument(help="Label file, or a folder of them.", show_default=False)],
    format_name: Format = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The points.csv to be written; that of the data set if not given.", show_default=False),
    ] = None,
    rename: Rename = None,
    classes: ClassTable = None,
    settings: Settings = None,
    report: Report = None,
    layout: Layout = None,
    overwrite: Overwrite = False,
) -> None:
    """Read clicks made elsewhere, match them with a data set, and write its points.csv.

    Example: **pointillist points import berries labelme/ --rename cranberry=berry**
    """
    from rich.console import Console

    from pointillist.data.label_files import import_points
    from pointillist.data.layouts import open_dataset

    checked, written = import_points(
        open_dataset(data, layout=layout),
        file,
        format_name,
        out=out,
        options=pairs("--set", settings),
        rename=pairs("--rename", rename),
        classes=names(classes),
        overwrite=overwrite,
    )
    show_checked(Console(), checked, report)
    checked.raise_if_none_fits(file)
    say(f"wrote {written}")


def export_points(
    data: Data,
    out: Annotated[Path, typer.Argument(help="File to be written, or folder.", show_default=False)],
    format_name: Annotated[str, typer.Option("--format", help="Label format, see 'points formats'.")],
    points: Points = None,
    split: Annotated[str, typer.Option(help="Which images; 'all' for every one.")] = "all",
    classes: ClassTable = None,
    settings: Settings = None,
    layout: Layout = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write onto what is there; labelme and COCO keep what else it holds.")
    ] = False,
) -> None:
    """Write the clicks of a data set as another tool wants them.

    Example: **pointillist points export berries labelme/ --format labelme**
    """
    from pointillist.data.label_files import export_points
    from pointillist.data.layouts import load_dataset

    table = export_points(
        load_dataset(data, layout=layout, points=points),
        out,
        format_name,
        options=pairs("--set", settings),
        split=split,
        classes=names(classes),
        overwrite=overwrite,
    )
    say(f"wrote {len(table):,} points on {len(table.listed):,} images to {out}")


def convert_points(
    file: Annotated[Path, typer.Argument(help="Label file, or a folder of them.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="File to be written, or folder.", show_default=False)],
    to: Annotated[str, typer.Option("--to", help="Format to be written, see 'points formats'.")],
    source: Annotated[
        str | None, typer.Option("--from", help="Format to be read; recognised if not given.", show_default=False)
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the images, where a format needs their names or sizes.", show_default=False),
    ] = None,
    rename: Rename = None,
    classes: ClassTable = None,
    settings: Settings = None,
    to_settings: Annotated[
        list[str] | None,
        typer.Option("--to-set", help="KEY=VALUE: option of the format to be written.", show_default=False),
    ] = None,
    report: Report = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn a label file into another format, without a data set.

    Points that cannot be right (not finite, outside, conflicting, duplicate) are reported and left out.

    Example: **pointillist points convert clicks.json points.csv --to csv --set rank=1**
    """
    from rich.console import Console

    from pointillist.data.label_files import convert_points

    checked, written = convert_points(
        file,
        out,
        to,
        source=source,
        images=images,
        options=pairs("--set", settings),
        to_options=pairs("--to-set", to_settings),
        rename=pairs("--rename", rename),
        classes=names(classes) or (),
        overwrite=overwrite,
    )
    show_checked(Console(), checked, report)
    say(f"wrote {len(written):,} points on {len(written.listed):,} images to {out}")
