"""`pointillist compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from pointillist.cli.display import between, counting, figure, say
from pointillist.cli.options import Device, Layout


def compare(
    context: typer.Context,
    models: Annotated[
        list[Path],
        typer.Argument(
            help="Runs, or files of 'evaluate --json'; behind runs, the data set they are scored on.",
            metavar="RUN… [DATA]",
        ),
    ],
    split: Annotated[str, typer.Option(help="Which images; 'all' for every one.")] = "val",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the comparison here.", metavar="FILE")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--report", help="Also write a page here; with pictures of runs.", metavar="FILE")
    ] = None,
    layout: Layout = None,
    device: Device = None,
) -> None:
    """Compare models on the same images: mIoU, and the difference to the first with its interval; IoU by class.

    Example: **pointillist compare runs/berries runs/points berries**
    """
    from pointillist.api import evaluate as score
    from pointillist.data.layouts import open_dataset
    from pointillist.errors import ConfigError
    from pointillist.files import write_text
    from pointillist.inference.compare import Scored
    from pointillist.inference.compare import compare as compared
    from pointillist.inference.predictor import Predictor
    from pointillist.report.comparison_page import write_compared

    dataset = None
    if any(path.suffix != ".json" for path in models):
        *models, data = models
        if data.suffix == ".json":
            hint = "Name the data set behind the run directories."
            raise ConfigError(f"{data} is no data set.", field="DATA", hint=hint)
        dataset = open_dataset(data, layout=layout)
    if len(models) < 2:
        hint = "Name at least two run directories and the data set, or two files of 'evaluate --json'."
        raise ConfigError("there are no two models to compare.", field="RUN", hint=hint)
    scored, predictors = [], {}
    for path in models:
        if dataset is None or path.suffix == ".json":
            scored.append(Scored.read(path))
            continue
        predictor = predictors[str(path)] = Predictor(path, device or "auto")
        images = sum(1 for item in dataset.split(split) if item.mask is not None)
        with counting(f"scoring {escape(str(path))}", images) as done:
            scored.append(Scored.of(str(path), score(predictor, dataset, split, on_image=done)))
    result = compared(scored)

    console = Console()
    columns = [Column(name, justify="right") for name in ("mIoU", "95 %", "to the first", "95 %")]
    table = Table(Column("model", overflow="fold"), *columns, title=f"{result.images} images", title_justify="left")
    for number, model in enumerate(result.models):
        difference = (figure(model.difference, "+"), between(model.difference_interval, "+")) if number else ("", "")
        name = f"{escape(model.name)}\n[dim]{escape(model.method)}, seed {model.seed}"
        table.add_row(name, figure(model.miou), between(model.miou_interval), *difference)
    console.print(table)
    columns = [Column(escape(model.name), justify="right", overflow="fold") for model in result.models]
    classes = Table("IoU of class", *columns)
    for index, name in enumerate(result.class_names):
        classes.add_row(escape(name), *(figure(model.iou[index]) for model in result.models))
    console.print(classes)
    say("[dim]Intervals say what other images of the same kind would change, not what another seed of training would.")
    if json_file is not None:
        write_text(json_file, json.dumps(result.to_dict(), indent=2) + "\n")
        console.print(f"[green]wrote[/] {escape(str(json_file))}", highlight=False)
    if page is not None:
        write_compared(page, result, scored, predictors, dataset, split, command=context.obj)
        console.print(f"[green]wrote[/] {escape(str(page))}", highlight=False)
