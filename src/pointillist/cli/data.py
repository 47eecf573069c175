"""`pointillist data …`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from pointillist.cli.display import counting, downloading, give, open_console, say, say_plain
from pointillist.cli.everywhere import Group
from pointillist.cli.options import Data, Layout, Points

if TYPE_CHECKING:
    from pointillist.data.catalogue import Entry
    from pointillist.data.check import Report
    from pointillist.data.dataset import Dataset

app = typer.Typer(
    help="Work with data sets.", no_args_is_help=True, rich_markup_mode="markdown", add_completion=False, cls=Group
)


@app.command()
def get(
    name: Annotated[
        str | None, typer.Argument(help="Name in the catalogue; without it, the catalogue is shown.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to fetch into; the name of the data set when not given.")
    ] = None,
    accept: Annotated[bool, typer.Option("--accept-terms", help="You have read the terms and accept them.")] = False,
    mirror: Annotated[str | None, typer.Option(help="Web address of a folder with the same files.")] = None,
    keep: Annotated[bool, typer.Option("--keep-archives", help="Keep the archives once they are unpacked.")] = False,
) -> None:
    """Download a public data set, after you have read its terms. After an interruption, repeat the command to go on.

    Example: **pointillist data get voc2012 --out data/voc2012**
    """
    from pointillist.data.catalogue import CATALOGUE
    from pointillist.data.get import RECORD, find_entry
    from pointillist.data.get import get as fetch

    if name is None:
        _print_catalogue()
        give({"data_sets": {entry.name: entry.title for entry in CATALOGUE.values()}})
        return
    entry = find_entry(name)
    folder = Path(entry.name) if out is None else out
    if entry.files:
        _agree(entry, accept)
    with downloading() as of_file:
        fetched = fetch(entry, folder, mirror=mirror, keep_archives=keep, on_progress=of_file)
    for file in fetched.files:
        known = "the published checksum agrees" if file["checked_against"] else "no checksum is published"
        say(f"{file['file']}: {known}; sha256 {file['sha256']}")
    say(f"[green]wrote[/] {escape(str(folder / RECORD))}: source, terms and checksums.")
    if fetched.root is None:
        say(f"[yellow]by hand[/] {entry.by_hand}")
    else:
        say_plain(f"{fetched.images:,} images in {fetched.root}. Next:\n  pointillist info {fetched.root}")
    give({"root": fetched.root, "images": fetched.images, "files": fetched.files})


@app.command()
def convert(
    data: Data,
    out: Annotated[Path, typer.Option(help="The folder to be made.")],
    points: Points = None,
    layout: Layout = None,
    preset: Annotated[str | None, typer.Option(help="Clicks as a paper has them; 'data presets' lists them.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the clicks a preset draws.")] = 0,
    to: Annotated[str, typer.Option(help="Layout to write: folder or nnunet.")] = "folder",
    without_clicks: Annotated[
        bool, typer.Option("--without-clicks", help="Leave the clicks out; nnU-Net then gets the masks.")
    ] = False,
) -> None:
    """Write a data set of any layout as the native folder (images/, masks/, points.csv, splits/) or as nnU-Net has it.

    Example: **pointillist data convert VOCdevkit/VOC2012 --out voc --points clicks.json --preset voc-one-point-border**
    """
    from pointillist.data.convert import convert as write
    from pointillist.data.folders import counted
    from pointillist.data.layouts import load_dataset, open_dataset
    from pointillist.errors import ConfigError

    if without_clicks and (points or preset):
        found = "clicks are named, and are to be left out."
        raise ConfigError(found, field="--without-clicks", hint="Leave out this, or --points and --preset.")
    dataset = open_dataset(data, layout=layout) if without_clicks else load_dataset(data, layout=layout, points=points)
    if preset is not None:
        from pointillist.data.presets import apply, find_preset

        with counting("clicking", len(dataset.split(dataset.training_split))) as done:
            dataset = apply(find_preset(preset), dataset, seed=seed, on_image=done)
    with counting("converting", len(dataset.items)) as done:
        converted = write(dataset, out, to=to, on_image=done)
    say(
        f"[green]wrote[/] {escape(str(converted.root))}: {converted.images:,} images, {converted.masks:,} masks, "
        f"{converted.points:,} clicks."
    )
    if converted.left_out:
        images = counted(len(converted.left_out), "image", "images")
        say(f"[yellow]left out[/] {images} to learn from without a label, the first is {escape(converted.left_out[0])}")
    if converted.rejected:
        say(
            f"[yellow]{converted.rejected:,} of {converted.points + converted.rejected:,} clicks fit no image or class "
            "and were left out[/]; 'pointillist points check' says which."
        )
    give(asdict(converted))


@app.command()
def presets() -> None:
    """List the presets: where a paper got its clicks, and which pixels count as background.

    Example: **pointillist data presets**
    """
    from pointillist.data.presets import PRESETS

    fields = ("name", "layout", "background", "source", "reading")
    columns = (*fields[:-1], "how it is done here")
    table = Table(*columns, title="Presets", title_justify="left")
    for preset in PRESETS.values():
        table.add_row(*(getattr(preset, column) for column in fields))
    open_console().print(table)
    give({"presets": [{column: getattr(preset, column) for column in fields} for preset in PRESETS.values()]})


@app.command()
def check(
    data: Data,
    points: Points = None,
    layout: Layout = None,
) -> None:
    """Open every image and mask; list what does not fit, what is missing, and what leaks between the splits.

    Exit code 0 when there are no errors, 1 when there are.

    Example: **pointillist data check berries --json berries.json**
    """
    from pointillist.data.check import check as look
    from pointillist.data.folders import describe
    from pointillist.data.layouts import load_dataset
    from pointillist.data.next_command import to_get_clicks

    dataset = load_dataset(data, layout=layout, points=points)
    with counting("checking", len(dataset.items)) as done:
        report = look(dataset, on_image=done)
    _print_report(dataset, report)
    if not report.points:
        say(f"no clicks yet. {escape(to_get_clicks(dataset))}")
    say(describe(report.images, report.left_out))
    give(report.to_dict())
    if report.errors:
        raise typer.Exit(1)


def _agree(entry: Entry, accept: bool) -> None:
    import sys

    from pointillist.errors import ConfigError

    say(f"[bold]{entry.title}[/]\n{entry.homepage}\n\n{entry.terms}\n")
    if accept:
        return
    if not sys.stdin.isatty():
        raise ConfigError(
            "the terms above have not been accepted.", field="--accept-terms", hint="Read them, then add this option."
        )
    typer.confirm("Do you accept these terms?", abort=True)


def _print_catalogue() -> None:
    from pointillist.data.catalogue import CATALOGUE

    table = Table("name", "what", "checksum", "fetched by", title="Data sets", title_justify="left")
    for entry in CATALOGUE.values():
        published = sum(file.checksum is not None for file in entry.files)
        checksum = "–" if not entry.files else f"{published} of {len(entry.files)} published"
        table.add_row(entry.name, entry.title, checksum, "this command" if entry.files else f"hand: {entry.homepage}")
    open_console().print(table)


def _print_report(dataset: Dataset, report: Report) -> None:
    console = open_console()
    sizes = ", ".join(f"{width}×{height} ({count:,})" for (height, width), count in report.sizes.most_common(4))
    more = " …" if len(report.sizes) > 4 else ""
    say(f"{report.images:,} images, {report.masks:,} masks, {report.points:,} clicks")
    say(f"sizes: {sizes}{more}")
    if report.bands is not None and not report.bands.photograph:
        pairs = zip(report.bands.names, report.bands.ranges, strict=True)
        ranges = ", ".join(f"{name} {low:,g} to {high:,g}" for name, (low, high) in pairs)
        say(f"bands: {len(report.bands)} of {report.bands.dtype}; from black to white: {escape(ranges)}")
    splits = ", ".join(f"{name} {count:,}" for name, count in report.splits.items())
    say(f"splits: {escape(splits or 'none')}")

    numbers = [Column(name, justify="right") for name in ("pixels", "share", "images", "clicks")]
    classes = Table("class", *numbers, title="Classes", title_justify="left")
    total = sum(report.pixels.values())
    for name in dataset.classes.names:
        share = f"{report.pixels[name] / total:.2%}" if total else "–"
        pixels, images, clicks = (f"{of[name]:,}" for of in (report.pixels, report.images_with, report.clicks))
        classes.add_row(escape(name), pixels, share, images, clicks)
    console.print(classes)

    if not report.findings:
        console.print("[green]nothing wrong was found[/]")
        return
    columns = ("severity", "kind", Column("times", justify="right"), "for example")
    findings = Table(*columns, title="Findings", title_justify="left")
    for first, count in report.by_kind():
        severity = f"[{'red' if first.severity == 'error' else 'yellow'}]{first.severity}[/]"
        findings.add_row(severity, first.kind, f"{count:,}", escape(f"{first.where}: {first.detail}"))
    console.print(findings)
