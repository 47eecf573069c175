"""`pointillist points …`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pointillist.cli.display import give, open_console, say_plain
from pointillist.cli.everywhere import Group
from pointillist.cli.options import (
    ClassTable,
    Data,
    Format,
    Layout,
    OlderFlags,
    Overwrite,
    Points,
    Rename,
    Report,
    Settings,
    names,
    pairs,
    show_checked,
)
from pointillist.cli.points_check import check
from pointillist.cli.simulate import simulate

if TYPE_CHECKING:
    from pointillist.points.table import PointTable

app = typer.Typer(
    help="Work with clicks.", no_args_is_help=True, rich_markup_mode="markdown", add_completion=False, cls=Group
)


@app.command("import", cls=OlderFlags)
def import_points(
    data: Data,
    file: Annotated[Path, typer.Argument(help="Label file, or a folder of them.")],
    format_name: Format = None,
    out: Annotated[
        Path | None, typer.Option(help="The points.csv to be written; that of the data set if not given.")
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
    show_checked(checked, report)
    checked.raise_if_none_fits(file)
    say_plain(f"wrote {written}", "green")
    say_plain(f"Next: pointillist points check {data}    pointillist train {data}")
    give({"out": written, **checked.report()})


@app.command("export", cls=OlderFlags)
def export_points(
    data: Data,
    out: Annotated[Path, typer.Argument(help="File to be written, or folder.")],
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
    _say_written(table, out)
    give({"out": out, "points": len(table), "images": len(table.listed)})


@app.command("convert", cls=OlderFlags)
def convert_points(
    file: Annotated[Path, typer.Argument(help="Label file, or a folder of them.")],
    out: Annotated[Path, typer.Argument(help="File to be written, or folder.")],
    to: Annotated[str, typer.Option("--to", help="Format to be written, see 'points formats'.")],
    source: Annotated[str | None, typer.Option("--from", help="Format to be read; recognised if not given.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images, where a format needs their names or sizes.")
    ] = None,
    rename: Rename = None,
    classes: ClassTable = None,
    settings: Settings = None,
    to_settings: Annotated[
        list[str] | None, typer.Option("--to-set", help="KEY=VALUE: option of the format to be written.")
    ] = None,
    report: Report = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn a label file into another format, without a data set.

    Points that cannot be right (not finite, outside, conflicting, duplicate) are reported and left out.

    Example: **pointillist points convert clicks.json points.csv --to csv --set rank=1**
    """
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
    show_checked(checked, report)
    checked.raise_if_none_fits(file)
    _say_written(written, out)
    give({"out": out, **checked.report()})


def _say_written(table: PointTable, out: Path) -> None:
    questions = f" and {len(table.unnamed):,} questions without a class" if table.unnamed else ""
    say_plain(f"wrote {len(table):,} points{questions} on {len(table.listed):,} images to {out}", "green")


for command in (simulate, check):
    app.command(cls=OlderFlags)(command)


@app.command()
def formats(
    name: Annotated[str | None, typer.Argument(help="Show what can be said about files of this format.")] = None,
) -> None:
    """List the label formats that can be read and written, or the options of one.

    Example: **pointillist points formats id-text**
    """
    from pointillist.points.formats import formats as known
    from pointillist.points.formats import get_format
    from pointillist.points.formats.attributes import in_words

    if name is None:
        give({"formats": {listed: kind.title for listed, kind in known().items()}})
        table = Table("name", "what", "coordinates", "further columns", "options (--set KEY=VALUE)")
        meaning = {"corner": "continuous, from the corner", "pixel": "pixel index: + 0.5"}
        for listed, kind in known().items():
            options = ", ".join(
                f"{option} (required)" * (option in kind.required) or option for option in kind.own_options()
            )
            kept = in_words(kind.keeps, kind.keeps_unnamed)
            table.add_row(listed, escape(kind.title), meaning[kind.origin], kept, options)
    else:
        give({"options": [asdict(info) for info in get_format(name).option_infos()]})
        table = Table("option", "values", "default", "meaning")
        for info in get_format(name).option_infos():
            default = "required" if info.required else info.default
            table.add_row(info.name, info.values, escape(default), escape(info.description))
    open_console().print(table)
