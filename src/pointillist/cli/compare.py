"""`pointillist compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from pointillist.cli.display import between, counting, figure, give, open_console, say
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
    split: Annotated[
        str | None,
        typer.Option(help="Which images; 'all' for every one.  [default: val; with --answers test, val or all]"),
    ] = None,
    answers: Annotated[
        list[Path] | None,
        typer.Option(help="Answered questions of 'audit', in place of masks; may be repeated.", metavar="FILE"),
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--report", help="Also write a page here; with pictures of runs.", metavar="FILE")
    ] = None,
    layout: Layout = None,
    device: Device = None,
) -> None:
    """Compare models on the same images: mIoU, and the difference to the first with its interval; IoU by class.

    Example: **pointillist compare runs/berries runs/points berries**

    Without masks: --answers, with questions of 'pointillist audit', on images that no model has learnt from.
    """
    from pointillist.api import evaluate as score
    from pointillist.data.layouts import load_dataset, open_dataset
    from pointillist.errors import ConfigError
    from pointillist.inference.audit import Audit, accuracies, audit, plain
    from pointillist.inference.audit import compared as audited
    from pointillist.inference.compare import Scored
    from pointillist.inference.compare import compare as compared
    from pointillist.inference.predictor import Predictor
    from pointillist.inference.unlearnt import read_answers
    from pointillist.report.comparison_page import ANSWERED, NOTE, write_compared, write_comparison
    from pointillist.training.run_directory import RunDirectory

    dataset = None
    if any(path.suffix != ".json" for path in models):
        *models, data = models
        if data.suffix == ".json":
            hint = "Name the data set behind the run directories."
            raise ConfigError(f"{data} is no data set.", field="DATA", hint=hint)
        dataset = (load_dataset if answers else open_dataset)(data, layout=layout)
    if len(models) < 2:
        hint = "Name at least two run directories and the data set, or two files of 'evaluate --json'."
        raise ConfigError("there are no two models to compare.", field="RUN", hint=hint)
    scored: list[Scored] = []
    audits: list[Audit] = []
    predictors = {str(path): Predictor(path, device or "auto") for path in models if path.suffix != ".json"}
    if answers:
        if dataset is None or any(path.suffix == ".json" for path in models):
            hint = "Name run directories, and the data set behind them."
            raise ConfigError("files of scores cannot be judged by answers.", field="--answers", hint=hint)
        asked = read_answers([RunDirectory.open(path) for path in models], dataset, answers, split)
        with counting("predicting", len(asked.images)) as done:
            audits = audit([predictors[str(path)] for path in models], asked, on_image=done)
        result = audited([str(path) for path in models], audits)
        title, note = f"{len(audits[0].sample.image):,} answers on {result.images} images", ANSWERED
    else:
        for path in models:
            if dataset is None or str(path) not in predictors:
                scored.append(Scored.read(path))
                continue
            images = sum(1 for item in dataset.split(split or "val") if item.mask is not None)
            with counting(f"scoring {escape(str(path))}", images) as done:
                scored.append(
                    Scored.of(str(path), score(predictors[str(path)], dataset, split or "val", on_image=done))
                )
        result = compared(scored)
        title, note = f"{result.images} images", NOTE

    console = open_console()
    columns = [Column(name, justify="right") for name in ("mIoU", "95 %", "to the first", "95 %")]
    table = Table(Column("model", overflow="fold"), *columns, title=title, title_justify="left")
    for number, model in enumerate(result.models):
        difference = (figure(model.difference, "+"), between(model.difference_interval, "+")) if number else ("", "")
        name = f"{escape(model.name)}\n[dim]{escape(model.method)}, seed {model.seed}"
        table.add_row(escape(name), figure(model.miou), between(model.miou_interval), *difference)
    console.print(table)
    columns = [Column(escape(model.name), justify="right", overflow="fold") for model in result.models]
    classes = Table("IoU of class", *columns)
    for index, name in enumerate(result.class_names):
        classes.add_row(escape(name), *(figure(model.iou[index]) for model in result.models))
    console.print(classes)
    content = result.to_dict()
    for number, (own, lead) in enumerate(accuracies(audits) if audits else ()):
        model = content["models"][number]
        model |= {"accuracy": plain(own), "accuracy_difference": plain(lead)}
        apart = f"; to the first {figure(lead.value, '+')} ({between(lead.interval, '+')})" if number else ""
        say(f"accuracy of {escape(model['name'])}: {figure(own.value)} ({between(own.interval)}){apart}")
    say(f"[dim]{note}")
    give(content)
    if page is not None:
        if answers:
            write_comparison(
                page,
                result,
                title=f"{len(models)} models compared",
                subtitle=f"By {title} that none of them has learnt from.",
                command=context.obj,
                classes=None if dataset is None else dataset.classes,
                note=note,
            )
        else:
            write_compared(page, result, scored, predictors, dataset, split or "val", command=context.obj)
        console.print(f"[green]wrote[/] {escape(str(page))}", highlight=False)
