"""`pointillist points …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from pointillist.cli.display import counting, say_plain
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
from pointillist.points.protocols import PROTOCOLS, ClickOptions, draw_options

app = typer.Typer(help="Work with clicks.", no_args_is_help=True, rich_markup_mode="markdown")


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
    say_plain(f"wrote {len(table):,} points on {len(table.listed):,} images to {out}", "green")


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
    say_plain(f"wrote {len(written):,} points on {len(written.listed):,} images to {out}", "green")


@app.command(cls=OlderFlags)
def simulate(
    data: Data,
    out: Annotated[Path, typer.Option(help="The points.csv to be written.")],
    split: Annotated[str, typer.Option(help="Which images; 'all' for every one with a mask.")] = "all",
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    protocol: Annotated[
        str,
        typer.Option(help=f"{'; '.join(f'{one.name}: {one.description}' for one in PROTOCOLS.values())}."),
    ] = "seen",
    placement: Annotated[
        str | None,
        typer.Option(help="component (default): in the inner part of each object; uniform: anywhere on it; centroid."),
    ] = None,
    per_object: Annotated[int | None, typer.Option(help="Clicks per object, in place of 1.")] = None,
    per_class: Annotated[
        int | None, typer.Option(help="Clicks kept of each class in an image, by chance; 0 for all.")
    ] = None,
    min_area: Annotated[int | None, typer.Option(help="Objects of fewer pixels get no click.")] = None,
    min_share: Annotated[
        float | None, typer.Option(help="Objects of a smaller share of the image's pixels get no click.")
    ] = None,
    equal_background: Annotated[
        bool | None,
        typer.Option(
            help="As many background clicks as object clicks in each image, or background like any class. "
            "It counts where the background policy is 'points'."
        ),
    ] = None,
    jitter: Annotated[
        float | None, typer.Option(help="Spread of the hand in pixels; with it a click can miss.")
    ] = None,
    layout: Layout = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Draw seeded clicks from masks, by a click protocol; options of your own go first.

    An object is a connected component of one class, or an instance where the data set has instance maps.

    Example: **pointillist points simulate camvid --split train --seed 0 --out camvid_seed0.csv**
    """
    from pointillist.data.layouts import open_dataset
    from pointillist.data.simulated import simulate_dataset
    from pointillist.files import refuse_existing
    from pointillist.points.formats.native import write_csv

    given = {
        "placement": placement,
        "per_object": per_object,
        "per_class": per_class,
        "min_area": min_area,
        "min_share": min_share,
        "equal_background": equal_background,
        "jitter": jitter,
    }
    own = cast(ClickOptions, {name: value for name, value in given.items() if value is not None})
    options, said = draw_options(protocol, own)
    refuse_existing(out, overwrite)
    dataset = open_dataset(data, layout=layout)
    images = sum(1 for item in dataset.split(split) if item.mask is not None)
    with counting("clicking", images) as done:
        table = simulate_dataset(
            dataset,
            split=split,
            seed=seed,
            on_image=done,
            **options,
        )
    write_csv(table, out)
    counts = table.counts()
    title = f"{len(table):,} clicks on {images:,} images"
    summary = Table("class", Column("clicks", justify="right"), title=title, title_justify="left")
    for name in dataset.classes.names:
        summary.add_row(escape(name), f"{counts[name]:,}")
    Console().print(summary)
    say_plain(f"wrote {out}: protocol {said}, seed {seed}", "green")


app.command(cls=OlderFlags)(check)


@app.command()
def formats(
    name: Annotated[str | None, typer.Argument(help="Show what can be said about files of this format.")] = None,
) -> None:
    """List the label formats that can be read and written, or the options of one.

    Example: **pointillist points formats id-text**
    """
    from pointillist.points.formats import formats as known
    from pointillist.points.formats import get_format

    if name is None:
        table = Table("name", "what", "coordinates", "options (--set KEY=VALUE)")
        meaning = {"corner": "continuous, from the corner", "pixel": "pixel index: + 0.5"}
        for listed, kind in known().items():
            options = ", ".join(
                f"{option} (required)" * (option in kind.required) or option for option in kind.own_options()
            )
            table.add_row(listed, escape(kind.title), meaning[kind.origin], options)
    else:
        table = Table("option", "values", "default", "meaning")
        for info in get_format(name).option_infos():
            default = "required" if info.required else info.default
            table.add_row(info.name, info.values, escape(default), escape(info.description))
    Console().print(table)
