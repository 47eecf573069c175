"""`pointillist evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from pointillist.cli.display import counting, say
from pointillist.cli.options import Data, Device, Layout, Run


def evaluate(
    run: Run,
    data: Data,
    split: Annotated[str, typer.Option(help="Which images; 'all' for every one.")] = "val",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the scores here.", metavar="FILE")
    ] = None,
    layout: Layout = None,
    device: Device = None,
) -> None:
    """Compare what a model predicts with masks: IoU by class, mIoU, pixel accuracy, protocol.

    Example: **pointillist evaluate runs/berries berries --json scores.json**
    """
    from pointillist.api import evaluate as score
    from pointillist.data.layouts import open_dataset
    from pointillist.files import write_text
    from pointillist.inference.predictor import Predictor
    from pointillist.report.page import protocol_rows

    console = Console()
    predictor = Predictor(run, device or "auto")
    dataset = open_dataset(data, layout=layout)
    images = sum(1 for item in dataset.split(split) if item.mask is not None)
    with counting("scoring", images) as done:
        result = score(predictor, dataset, split, on_image=done)
    columns = ("class", Column("IoU", justify="right"), Column("pixels", justify="right"))
    title = f"{result.images} images of '{split}', each at its mask's own size"
    table = Table(*columns, title=title, title_justify="left")
    total = max(1, sum(result.scores.pixels) + result.ignored)
    for name, iou, pixels in zip(result.scores.class_names, result.scores.iou, result.scores.pixels, strict=True):
        table.add_row(escape(name), "–" if iou != iou else f"{iou:.3f}", f"{pixels / total:.1%}")
    table.add_row("[dim]ignored", "", f"{result.ignored / total:.1%}")
    table.add_section()
    table.add_row("[bold]mIoU", f"[bold]{result.miou:.3f}", "")
    table.add_row("pixel accuracy", f"{result.scores.pixel_accuracy:.3f}", "")
    console.print(table)
    for name, pixels in zip(result.scores.class_names, result.scores.pixels, strict=True):
        if pixels == 0:
            say(f"[yellow]note[/] no mask has '{escape(name)}': its IoU says nothing about it.")
    protocol = Table(title="protocol", title_justify="left", show_header=False, box=None)
    for key, value in protocol_rows(result.protocol):
        protocol.add_row(f"[dim]{key}", value)
    console.print(protocol)
    if json_file is not None:
        write_text(json_file, json.dumps(result.to_dict(), indent=2) + "\n")
        console.print(f"[green]wrote[/] {json_file}", highlight=False)
