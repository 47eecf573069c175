"""`pointillist points …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pointillist.cli import points_files
from pointillist.cli.options import Data, Layout, Points
from pointillist.cli.points_options import (
    ClassTable,
    Format,
    OlderFlags,
    Rename,
    Report,
    Settings,
    names,
    pairs,
    say,
    show_checked,
)

app = typer.Typer(help="Work with clicks.", no_args_is_help=True, rich_markup_mode="markdown")
app.command("import", cls=OlderFlags)(points_files.import_points)
app.command("export", cls=OlderFlags)(points_files.export_points)
app.command("convert", cls=OlderFlags)(points_files.convert_points)


@app.callback()
def points() -> None:
    """Work with clicks."""


@app.command(cls=OlderFlags)
def simulate(
    data: Data,
    out: Annotated[Path, typer.Option(help="The points.csv to be written.", show_default=False)],
    split: Annotated[str, typer.Option(help="Which images; 'all' for every one with a mask.")] = "all",
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    placement: Annotated[
        str, typer.Option(help="component: in the inner part of each object; uniform: anywhere on it; centroid.")
    ] = "component",
    per_object: Annotated[int, typer.Option(help="Clicks per object.")] = 1,
    min_area: Annotated[int, typer.Option(help="Objects of fewer pixels get no click.")] = 50,
    jitter: Annotated[float, typer.Option(help="Spread of the hand in pixels; with it a click can miss.")] = 0.0,
    layout: Layout = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Draw seeded clicks from masks: one per connected component and class.

    Example: **pointillist points simulate camvid --split train --seed 0 --out camvid_seed0.csv**
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from pointillist.cli.display import counting
    from pointillist.data.layouts import open_dataset
    from pointillist.data.simulated import simulate_dataset
    from pointillist.files import refuse_existing
    from pointillist.points.formats.native import write_csv

    refuse_existing(out, overwrite)
    console = Console()
    dataset = open_dataset(data, layout=layout)
    images = sum(1 for item in dataset.split(split) if item.mask is not None)
    with counting(console, "clicking", images) as done:
        table = simulate_dataset(
            dataset,
            split=split,
            seed=seed,
            placement=placement,  # type: ignore[arg-type]
            per_object=per_object,
            min_area=min_area,
            jitter=jitter,
            on_image=done,
        )
    write_csv(table, out)
    counts = table.counts()
    summary = Table(title=f"{len(table):,} clicks on {images:,} images", title_justify="left")
    summary.add_column("class")
    summary.add_column("clicks", justify="right")
    for name in dataset.classes.names:
        summary.add_row(escape(name), f"{counts[name]:,}")
    console.print(summary)
    say(f"wrote {out}")


@app.command(cls=OlderFlags)
def check(
    data: Data,
    points: Points = None,
    format_name: Format = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Page of pictures to be written: each image with its points.", show_default=False),
    ] = None,
    report: Report = None,
    split: Annotated[str, typer.Option(help="Which images the page shows; 'all' for every one.")] = "all",
    max_images: Annotated[int, typer.Option(min=1, help="Pictures on the page: suspicious images first.")] = 60,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 when a point was rejected.")] = False,
    rename: Rename = None,
    classes: ClassTable = None,
    settings: Settings = None,
    layout: Layout = None,
) -> None:
    """Find every click that does not fit a data set, and those that look wrong.

    Example: **pointillist points check berries --out check.html**
    """
    from rich.console import Console

    from pointillist.cli.display import counting
    from pointillist.data.layouts import open_dataset
    from pointillist.errors import PointsError
    from pointillist.report.points_page import write_points_page

    console = Console()
    dataset = open_dataset(data, layout=layout)
    file = points or dataset.points_file
    if file is None:
        raise PointsError("has no points yet.", where=data, hint="Name a label file with --points, or click some.")
    dataset = dataset.with_points(
        file,
        format_name,
        options=pairs("--set", settings),
        rename=pairs("--rename", rename),
        classes=names(classes),
        strict=False,
    )
    show_checked(console, dataset.checked, report)
    if out is not None:
        with counting(console, "looking", len(dataset.split(split))) as done:
            write_points_page(dataset, out, split=split, max_images=max_images, on_image=done)
        say(f"wrote {out}")
    if strict and dataset.checked.rejections:
        raise typer.Exit(1)


@app.command()
def formats(
    name: Annotated[
        str | None, typer.Argument(help="Show what can be said about files of this format.", show_default=False)
    ] = None,
) -> None:
    """List the label formats that can be read and written, or the options of one.

    Example: **pointillist points formats id-text**
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from pointillist.points.formats import formats as known
    from pointillist.points.formats import get_format

    table = Table()
    if name is None:
        for column in ("name", "what", "coordinates", "options (--set KEY=VALUE)"):
            table.add_column(column)
        meaning = {"corner": "continuous, from the corner", "pixel": "pixel index: + 0.5"}
        for listed, kind in known().items():
            options = ", ".join(
                f"{option} (required)" * (option in kind.required) or option for option in kind.own_options()
            )
            table.add_row(listed, escape(kind.title), meaning[kind.origin], options)
    else:
        for column in ("option", "values", "default", "meaning"):
            table.add_column(column)
        for info in get_format(name).option_infos():
            default = "required" if info.required else info.default
            table.add_row(info.name, info.values, escape(default), escape(info.description))
    Console().print(table)
