"""`pointillist data …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pointillist.cli.options import Data, Layout, Points

if TYPE_CHECKING:
    from rich.console import Console

    from pointillist.data.catalogue import Entry
    from pointillist.data.check import Report
    from pointillist.data.dataset import Dataset

app = typer.Typer(help="Work with data sets.", no_args_is_help=True, rich_markup_mode="markdown")


@app.callback()
def data() -> None:
    """Work with data sets."""


@app.command()
def get(
    name: Annotated[
        str | None,
        typer.Argument(help="Name in the catalogue; without it, the catalogue is shown.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to fetch into; the name of the data set when not given.", show_default=False),
    ] = None,
    accept: Annotated[bool, typer.Option("--accept-terms", help="You have read the terms and accept them.")] = False,
    mirror: Annotated[
        str | None, typer.Option(help="Web address of a folder with the same files.", show_default=False)
    ] = None,
    keep: Annotated[bool, typer.Option("--keep-archives", help="Keep the archives once they are unpacked.")] = False,
) -> None:
    """Download a public data set, after you have read its terms. After an interruption, repeat the command to go on.

    Example: **pointillist data get voc2012 --out data/voc2012**
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from pointillist.data.get import RECORD, find_entry
    from pointillist.data.get import get as fetch

    console = Console()
    if name is None:
        _print_catalogue(console)
        return
    entry = find_entry(name)
    folder = Path(entry.name) if out is None else out
    if entry.files:
        _agree(console, entry, accept)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

        def of_file(file: str):  # type: ignore[no-untyped-def]
            task = progress.add_task(file, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        fetched = fetch(entry, folder, mirror=mirror, keep_archives=keep, on_progress=of_file)
    for file in fetched.files:
        known = "the published checksum agrees" if file["checked_against"] else "no checksum is published"
        console.print(f"{file['file']}: {known}; sha256 {file['sha256']}", highlight=False, soft_wrap=True)
    console.print(f"[green]wrote[/] {folder / RECORD}: source, terms and checksums.", highlight=False)
    if fetched.root is None:
        console.print(f"[yellow]by hand[/] {entry.by_hand}", highlight=False, soft_wrap=True)
    else:
        console.print(f"{fetched.images:,} images in {fetched.root}. Next:", highlight=False, soft_wrap=True)
        console.print(f"  pointillist info {fetched.root}", highlight=False, soft_wrap=True)


@app.command()
def convert(
    data: Data,
    out: Annotated[Path, typer.Option(help="The folder to be made.", show_default=False)],
    points: Points = None,
    layout: Layout = None,
    preset: Annotated[
        str | None, typer.Option(help="Clicks as a paper has them; 'data presets' lists them.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the clicks a preset draws.")] = 0,
) -> None:
    """Write a data set of any layout as the native folder: images/, masks/, points.csv, splits/, dataset.yaml.

    Example: **pointillist data convert VOCdevkit/VOC2012 --out voc --points clicks.json --preset voc-one-point-border**
    """
    from rich.console import Console

    from pointillist.cli.display import counting
    from pointillist.data.convert import convert as write
    from pointillist.data.layouts import load_dataset

    console = Console()
    dataset = load_dataset(data, layout=layout, points=points)
    if preset is not None:
        from pointillist.data.presets import apply, find_preset

        with counting(console, "clicking", len(dataset.split(dataset.training_split))) as done:
            dataset = apply(find_preset(preset), dataset, seed=seed, on_image=done)
    with counting(console, "converting", len(dataset.items)) as done:
        converted = write(dataset, out, on_image=done)
    console.print(
        f"[green]wrote[/] {converted.root}: {converted.images:,} images, {converted.masks:,} masks, "
        f"{converted.points:,} clicks.",
        highlight=False,
        soft_wrap=True,
    )
    if converted.rejected:
        console.print(
            f"[yellow]{converted.rejected:,} of {converted.points + converted.rejected:,} clicks fit no image or class "
            "and were left out[/]; 'pointillist points check' says which.",
            highlight=False,
            soft_wrap=True,
        )


@app.command()
def presets() -> None:
    """List the presets: where a paper got its clicks, and which pixels count as background.

    Example: **pointillist data presets**
    """
    from rich.console import Console
    from rich.table import Table

    from pointillist.data.presets import PRESETS

    table = Table(title="Presets", title_justify="left")
    for column in ("name", "layout", "background", "source", "how it is done here"):
        table.add_column(column)
    for preset in PRESETS.values():
        table.add_row(preset.name, preset.layout, preset.background, preset.source, preset.reading)
    Console().print(table)


@app.command()
def check(
    data: Data,
    points: Points = None,
    layout: Layout = None,
    report_file: Annotated[
        Path | None, typer.Option("--json", help="Write everything that was found to this file.", show_default=False)
    ] = None,
) -> None:
    """Open every image and mask; list what does not fit, what is missing, and what leaks between the splits.

    Exit code 0 when there are no errors, 1 when there are.

    Example: **pointillist data check berries --json berries.json**
    """
    from rich.console import Console

    from pointillist.cli.display import counting
    from pointillist.data.check import check as look
    from pointillist.data.layouts import load_dataset

    console = Console()
    dataset = load_dataset(data, layout=layout, points=points)
    with counting(console, "checking", len(dataset.items)) as done:
        report = look(dataset, on_image=done)
    _print_report(console, dataset, report)
    if report_file is not None:
        report.write(report_file)
        console.print(f"[green]wrote[/] {report_file}", highlight=False, soft_wrap=True)
    if report.errors:
        raise typer.Exit(1)


def _agree(console: Console, entry: Entry, accept: bool) -> None:
    import sys

    from pointillist.errors import ConfigError

    console.print(f"[bold]{entry.title}[/]\n{entry.homepage}\n\n{entry.terms}\n", highlight=False, soft_wrap=True)
    if accept:
        return
    if not sys.stdin.isatty():
        raise ConfigError(
            "the terms above have not been accepted.", field="--accept-terms", hint="Read them, then add this option."
        )
    typer.confirm("Do you accept these terms?", abort=True)


def _print_catalogue(console: Console) -> None:
    from rich.table import Table

    from pointillist.data.catalogue import CATALOGUE

    table = Table(title="Data sets", title_justify="left")
    for column in ("name", "what", "checksum", "fetched by"):
        table.add_column(column)
    for entry in CATALOGUE.values():
        published = sum(file.checksum is not None for file in entry.files)
        checksum = "–" if not entry.files else f"{published} of {len(entry.files)} published"
        table.add_row(entry.name, entry.title, checksum, "this command" if entry.files else f"hand: {entry.homepage}")
    console.print(table)


def _print_report(console: Console, dataset: Dataset, report: Report) -> None:
    from rich.markup import escape
    from rich.table import Table

    sizes = ", ".join(f"{width}×{height} ({count:,})" for (height, width), count in report.sizes.most_common(4))
    more = " …" if len(report.sizes) > 4 else ""
    console.print(f"{report.images:,} images, {report.masks:,} masks, {report.points:,} clicks", highlight=False)
    console.print(f"sizes: {sizes}{more}", highlight=False, soft_wrap=True)
    splits = ", ".join(f"{name} {count:,}" for name, count in report.splits.items())
    console.print(f"splits: {splits or 'none'}", highlight=False, soft_wrap=True)

    classes = Table(title="Classes", title_justify="left")
    classes.add_column("class")
    for column in ("pixels", "share", "images", "clicks"):
        classes.add_column(column, justify="right")
    total = sum(report.pixels.values())
    for name in dataset.classes.names:
        share = f"{report.pixels[name] / total:.2%}" if total else "–"
        counts = (report.pixels[name], report.images_with[name], report.clicks[name])
        classes.add_row(escape(name), f"{counts[0]:,}", share, f"{counts[1]:,}", f"{counts[2]:,}")
    console.print(classes)

    if not report.findings:
        console.print("[green]nothing wrong was found[/]")
        return
    findings = Table(title="Findings", title_justify="left")
    for column in ("severity", "kind", "times", "for example"):
        findings.add_column(column, justify="right" if column == "times" else "left")
    for first, count in report.by_kind():
        severity = f"[{'red' if first.severity == 'error' else 'yellow'}]{first.severity}[/]"
        findings.add_row(severity, first.kind, f"{count:,}", escape(f"{first.where}: {first.detail}"))
    console.print(findings)
