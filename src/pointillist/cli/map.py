"""`pointillist map`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from pointillist.cli.display import give, interrupted, open_console, say, say_plain
from pointillist.cli.options import Device, names, pairs

if TYPE_CHECKING:
    from pointillist.maps import Map
    from pointillist.points.check import Checked


def map_(
    image: Annotated[Path, typer.Argument(help="The image, such as a GeoTIFF.")],
    points: Annotated[
        Path, typer.Option(help="Clicks: GeoJSON, GeoPackage, … in any coordinate system, or any other label file.")
    ],
    out: Annotated[Path, typer.Option(help="The map to be written: .gpkg, .geojson, .fgb or .tif.")],
    run: Annotated[
        Path | None, typer.Option(help="Run directory to be made.  [default: runs/ and the name of the image]")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="a,b,c: classes to be learnt, in this order.  [default: all that were clicked]")
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(help="The class that lies around all others, such as ground.  [default: none does]"),
    ] = None,
    device: Device = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A setting of the training (trainer.steps=2000), or an option of the clicks' format "
            "(class_field=kind); may be repeated.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a training that was interrupted.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a map and a run that are there.")] = False,
) -> None:
    """Make a map of an image from clicks on it: train on them, predict the image, write polygons and a picture.

    Example: **pointillist map tile.tif --points clicks.geojson --out result.gpkg**
    """
    from pointillist.maps import MapMaker

    console = open_console()
    # Settings of a training have a dot, but for one; options of formats have none.
    given = pairs("--set", set_)
    settings = {key: value for key, value in given.items() if "." in key or key == "method"}
    options = {key: value for key, value in given.items() if key not in settings}
    run = run or Path("runs", image.stem)
    maker = MapMaker.of(
        image,
        points,
        out,
        run,
        format_options=options,
        classes=names(classes),
        background=background,
        overwrite=overwrite,
    )
    _show_clicks(maker.checked)
    overrides = [f"{key}={value}" for key, value in settings.items()]
    try:
        made = maker.make({"trainer.device": device}, overrides, resume=resume, console=console)
    except KeyboardInterrupt:
        interrupted("go on with the same command and --resume")
        raise typer.Exit(130) from None
    _show_map(made)
    say_plain(f"map: {made.file}   picture: {made.picture}   report of the training: {made.run.report}", "green")
    say_plain(f"Next: pointillist predict {run} OTHER-IMAGES --out maps    pointillist annotate {made.run.data}")
    areas = dict(zip(made.classes.names, made.areas.tolist(), strict=True))
    found = {"map": made.file, "picture": made.picture, "run": made.run.root, "report": made.run.report}
    give({**found, "clicks": dict(made.clicks), "unit": made.unit, "areas": areas})


def _show_clicks(checked: Checked) -> None:
    counts = ", ".join(f"{count:,} {name}" for name, count in sorted(checked.points.counts().items()))
    say_plain(f"{len(checked.points):,} of {checked.total:,} clicks are used: {counts}")
    for reason, count in checked.reasons().most_common():
        first = next(rejection for rejection in checked.rejections if rejection.reason is reason)
        say(f"[yellow]left out[/] {count:,} × {reason.value}, for example {escape(first.found)}")
    for kind, count in sorted(checked.skipped.items()):
        say(f"[yellow]left out[/] {count:,} × {escape(kind)}")


def _show_map(made: Map) -> None:
    hectares = made.unit == "m²" and made.areas.max() >= 10_000
    unit = "ha" if hectares else made.unit
    table = Table("class", *(Column(name, justify="right") for name in ("clicks", f"area in {unit}", "share")))
    for name, area in zip(made.classes.names, made.areas.tolist(), strict=True):
        shown = f"{area / 10_000:,.2f}" if hectares else f"{area:,.0f}"
        table.add_row(escape(name), f"{made.clicks.get(name, 0):,}", shown, f"{area / made.areas.sum():.1%}")
    open_console().print(table)
