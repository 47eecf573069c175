"""`pointillist data …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from pointillist.cli.display import counting, say, say_plain
from pointillist.cli.options import Data, Layout, Points

if TYPE_CHECKING:
    from pointillist.data.catalogue import Entry
    from pointillist.data.check import Report
    from pointillist.data.dataset import Dataset

app = typer.Typer(help="Work with data sets.", no_args_is_help=True, rich_markup_mode="markdown")


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
    from pointillist.data.get import RECORD, find_entry
    from pointillist.data.get import get as fetch

    if name is None:
        _print_catalogue()
        return
    entry = find_entry(name)
    folder = Path(entry.name) if out is None else out
    if entry.files:
        _agree(entry, accept)
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

        def of_file(file: str):  # type: ignore[no-untyped-def]
            task = progress.add_task(file, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        fetched = fetch(entry, folder, mirror=mirror, keep_archives=keep, on_progress=of_file)
    for file in fetched.files:
        known = "the published checksum agrees" if file["checked_against"] else "no checksum is published"
        say(f"{file['file']}: {known}; sha256 {file['sha256']}")
    console.print(f"[green]wrote[/] {escape(str(folder / RECORD))}: source, terms and checksums.", highlight=False)
    if fetched.root is None:
        say(f"[yellow]by hand[/] {entry.by_hand}")
    else:
        say_plain(f"{fetched.images:,} images in {fetched.root}. Next:\n  pointillist info {fetched.root}")


@app.command()
def convert(
    data: Data,
    out: Annotated[Path, typer.Option(help="The folder to be made.")],
    points: Points = None,
    layout: Layout = None,
    preset: Annotated[str | None, typer.Option(help="Clicks as a paper has them; 'data presets' lists them.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the clicks a preset draws.")] = 0,
) -> None:
    """Write a data set of any layout as the native folder: images/, masks/, points.csv, splits/, dataset.yaml.

    Example: **pointillist data convert VOCdevkit/VOC2012 --out voc --points clicks.json --preset voc-one-point-border**
    """
    from pointillist.data.convert import convert as write
    from pointillist.data.layouts import load_dataset

    dataset = load_dataset(data, layout=layout, points=points)
    if preset is not None:
        from pointillist.data.presets import apply, find_preset

        with counting("clicking", len(dataset.split(dataset.training_split))) as done:
            dataset = apply(find_preset(preset), dataset, seed=seed, on_image=done)
    with counting("converting", len(dataset.items)) as done:
        converted = write(dataset, out, on_image=done)
    say(
        f"[green]wrote[/] {escape(str(converted.root))}: {converted.images:,} images, {converted.masks:,} masks, "
        f"{converted.points:,} clicks."
    )
    if converted.rejected:
        say(
            f"[yellow]{converted.rejected:,} of {converted.points + converted.rejected:,} clicks fit no image or class "
            "and were left out[/]; 'pointillist points check' says which."
        )


@app.command()
def presets() -> None:
    """List the presets: where a paper got its clicks, and which pixels count as background.

    Example: **pointillist data presets**
    """
    from pointillist.data.presets import PRESETS

    columns = ("name", "layout", "background", "source", "how it is done here")
    table = Table(*columns, title="Presets", title_justify="left")
    for preset in PRESETS.values():
        table.add_row(preset.name, preset.layout, preset.background, preset.source, preset.reading)
    Console().print(table)


@app.command()
def check(
    data: Data,
    points: Points = None,
    layout: Layout = None,
    report_file: Annotated[
        Path | None, typer.Option("--json", help="Write everything that was found to this file.")
    ] = None,
) -> None:
    """Open every image and mask; list what does not fit, what is missing, and what leaks between the splits.

    Exit code 0 when there are no errors, 1 when there are.

    Example: **pointillist data check berries --json berries.json**
    """
    from pointillist.data.check import check as look
    from pointillist.data.folders import describe
    from pointillist.data.layouts import load_dataset

    dataset = load_dataset(data, layout=layout, points=points)
    with counting("checking", len(dataset.items)) as done:
        report = look(dataset, on_image=done)
    _print_report(dataset, report)
    say(describe(report.images, report.left_out))
    if report_file is not None:
        report.write(report_file)
        say(f"[green]wrote[/] {escape(str(report_file))}")
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
    Console().print(table)


def _print_report(dataset: Dataset, report: Report) -> None:
    console = Console()
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
