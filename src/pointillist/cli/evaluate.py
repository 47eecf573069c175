"""`pointillist evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from pointillist.cli.display import between, counting, figure, give, open_console, say
from pointillist.cli.options import Data, Device, Layout, Run


def evaluate(
    context: typer.Context,
    run: Run,
    data: Data,
    split: Annotated[str, typer.Option(help="Which images; 'all' for every one.")] = "val",
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Also write a row for each image here.", metavar="FILE")
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option("--report", help="Also write a page with pictures and curves here.", metavar="FILE"),
    ] = None,
    layout: Layout = None,
    device: Device = None,
) -> None:
    """Compare what a model predicts with masks: scores by class, mIoU with its interval, calibration, worst images.

    Example: **pointillist evaluate runs/berries berries --json scores.json**
    """
    from pointillist.api import evaluate as score
    from pointillist.data.layouts import open_dataset
    from pointillist.inference.boundary import TOLERANCE
    from pointillist.inference.predictor import Predictor
    from pointillist.report.page import protocol_rows, write_report
    from pointillist.training.run_directory import RunDirectory

    console = open_console()
    predictor = Predictor(run, device or "auto")
    dataset = open_dataset(data, layout=layout)
    images = sum(1 for item in dataset.split(split) if item.mask is not None)
    with counting("scoring", images) as done:
        result = score(predictor, dataset, split, on_image=done)
    scores = result.scores
    columns = [Column(name, justify="right") for name in ("IoU", "precision", "recall", "F1", "pixels")]
    title = f"{result.images} images of '{split}', each at its mask's own size"
    table = Table("class", *columns, title=title, title_justify="left")
    total = max(1, sum(scores.pixels) + result.ignored)
    by_class = (scores.class_names, scores.iou, scores.precision, scores.recall, scores.f1, scores.pixels)
    for name, *values, pixels in zip(*by_class, strict=True):
        table.add_row(escape(name), *map(figure, values), f"{pixels / total:.1%}")
    table.add_row("[dim]ignored", "", "", "", "", f"{result.ignored / total:.1%}")
    console.print(table)
    summary = Table.grid(padding=(0, 2))
    summary.add_row("[bold]mIoU", f"[bold]{figure(result.miou)}", f"95 %: {between(result.miou_interval)}")
    summary.add_row("pixel accuracy", figure(scores.pixel_accuracy))
    summary.add_row("boundary F-score", figure(result.boundary_f), f"within {TOLERANCE:.2%} of the diagonal")
    summary.add_row("calibration error", figure(result.calibration.error), "confidence against accuracy, 0 is best")
    for label, image in zip(("worst images", "", ""), result.worst(), strict=False):
        summary.add_row(label, figure(image.miou), escape(image.name))
    console.print(summary, highlight=False)
    for name, pixels in zip(scores.class_names, scores.pixels, strict=True):
        if pixels == 0:
            say(f"[yellow]note[/] no mask has '{escape(name)}': its IoU says nothing about it.")
    protocol = Table(title="protocol", title_justify="left", show_header=False, box=None)
    for key, value in protocol_rows(result.protocol):
        protocol.add_row(f"[dim]{escape(key)}", escape(value))
    console.print(protocol)
    give(result.to_json())
    if csv_file is not None:
        result.write_csv(csv_file)
        console.print(f"[green]wrote[/] {escape(str(csv_file))}", highlight=False)
    if page is not None:
        home = RunDirectory(run)
        write_report(page, home, predictor, dataset, split=split, evaluation=result, command=context.obj)
        console.print(f"[green]wrote[/] {escape(str(page))}", highlight=False)
