"""`pointillist audit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from pointillist.cli.ask import unsure
from pointillist.cli.display import between, counting, figure, give, json_file, open_console, say_plain
from pointillist.cli.options import Data, Device, Layout, Overwrite, Run

if TYPE_CHECKING:
    from pointillist.inference.audit import Audit
    from pointillist.inference.evaluate import Evaluation
    from pointillist.inference.predictor import Predictor
    from pointillist.inference.unlearnt import Asked


def audit(
    context: typer.Context,
    run: Run,
    data: Data,
    questions: Annotated[int | None, typer.Option(help="How many to ask.  [default: 200]")] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="even: one pixel from each cell of a grid; uncertain: where the model is unsure; mixed: half and half."
            "  [default: even]"
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the draw; another one for more questions.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="File of the questions, scored once it is there.  [default: audit.csv in DATA]")
    ] = None,
    answers: Annotated[
        list[Path] | None,
        typer.Option(help="Answered questions; may be repeated, each file of a draw of its own.", metavar="FILE"),
    ] = None,
    from_masks: Annotated[
        bool, typer.Option("--from-masks", help="Answer them with the masks of the data set, and show the truth.")
    ] = False,
    split: Annotated[
        str | None, typer.Option(help="Which images.  [default: test, or val, or all; never those learnt from]")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--report", help="The page.  [default: audit.html in RUN]", metavar="FILE")
    ] = None,
    layout: Layout = None,
    device: Device = None,
    overwrite: Overwrite = False,
) -> None:
    """Ask about pixels of images that a model has not learnt from; your answers say how good it is. No mask is needed.

    The first call writes the questions. Answer them in the column 'class', then give the command again without
    options.

    Example: **pointillist audit runs/berries berries --questions 200**
    """
    from pointillist.data.ask import answered
    from pointillist.data.layouts import load_dataset
    from pointillist.errors import ConfigError, nearest
    from pointillist.files import refuse_existing, write_text
    from pointillist.inference.audit import JSON, PAGE, QUESTIONS
    from pointillist.inference.audit import audit as judge
    from pointillist.inference.predictor import Predictor
    from pointillist.inference.unlearnt import LEAST, audit_questions, learnt_images, read_answers, unlearnt
    from pointillist.points.formats.native import write_csv
    from pointillist.points.questions import STRATEGIES
    from pointillist.report.audit_page import put_into_report, sentences, write_audit_page
    from pointillist.training.run_directory import RunDirectory

    asks = from_masks or overwrite or any(value is not None for value in (questions, strategy, seed))
    strategy = strategy or "even"
    if strategy not in STRATEGIES:
        raise ConfigError(f"{strategy!r} is no strategy.", field="--strategy", hint=nearest(strategy, STRATEGIES))
    home = RunDirectory.open(run)
    dataset = load_dataset(data, layout=layout)
    folder = dataset.root.parent if dataset.root.is_file() else dataset.root
    file = out or folder / QUESTIONS
    if answers and asks:
        hint = "Leave --answers out to ask, or leave out what is said about the questions."
        raise ConfigError("questions are asked, or answers are read, not both.", field="--answers", hint=hint)
    predictor = Predictor(run, device or "auto")
    if not answers and (asks or not file.exists()):
        refuse_existing(file, overwrite)
        judged, where = unlearnt(dataset, learnt_images(home, dataset), split)
        number = 200 if questions is None else questions
        with counting("asking", min(len(judged.items), number // LEAST)) as done:
            table = audit_questions(judged, number, strategy, seed=seed or 0, measure=unsure(predictor), on_image=done)
        if from_masks:
            table = answered(table, judged)
        write_csv(table, file)
        images = f"{len(table.listed):,} of {len(judged.items):,} images of '{where}' that were not learnt from"
        say_plain(f"wrote {len(table.rows):,} questions on {images} to {file}", "green")
        if not from_masks:
            say_plain("Write the class of each pixel into the column 'class', or 'unsure' or 'border' into 'answer'.")
            say_plain(f"Then: pointillist audit {run} {data} --answers {file}" + (f" --split {split}" if split else ""))
            give({"questions": file, "asked": len(table.rows), "images": len(table.listed)})
            return
    asked = read_answers([home], dataset, answers or [file], split)
    with counting("predicting", len(asked.images)) as done:
        (found,) = judge([predictor], asked, on_image=done)
    _show(found, _truth(predictor, asked) if from_masks else None)
    for line in sentences(found):
        say_plain(line)
    page = page or home.root / PAGE
    if json_file() is None:
        write_text(home.root / JSON, found.to_json())
    write_audit_page(page, found, dataset.classes, command=context.obj)
    written = [page] if json_file() else [home.root / JSON, page]
    if put_into_report(home.report, found, dataset.classes):
        written.append(home.report)
    for path in written:
        say_plain(f"wrote {path}", "green")
    give(found.to_json())


def _truth(predictor: Predictor, asked: Asked) -> Evaluation:
    """What the masks of all images say that were drawn from."""
    from pointillist.data.dataset import ALL
    from pointillist.inference.evaluate import evaluate

    with counting("scoring with masks", len(asked.dataset.items)) as done:
        return evaluate(predictor, asked.dataset, ALL, on_image=done)


def _show(found: Audit, truth: Evaluation | None) -> None:
    """Print the estimates, with the truth where it is known."""
    from pointillist.inference.estimates import ACCURACY, AREA, IOU, PRECISION, RECALL
    from pointillist.inference.intervals import MIOU

    console = open_console()
    known: dict[str, float] = {}
    if truth is not None:
        pixels = truth.scores.pixels
        known = {ACCURACY: truth.scores.pixel_accuracy, MIOU: truth.miou}
        for label, iou in enumerate(truth.scores.iou):
            known |= {f"{IOU} {label}": iou, f"{AREA} {label}": pixels[label] / max(sum(pixels), 1)}

    def cells(key: str) -> list[str]:
        one = found.figures[key]
        return [figure(one.value), between(one.interval), *([f"[dim]{figure(known[key])}"] if known else [])]

    def columns(name: str) -> list[Column]:
        return [Column(each, justify="right") for each in (name, "95 %", *(["truth"] if known else []))]

    summary = Table("", *columns(""))
    summary.add_row("[bold]accuracy", *cells(ACCURACY))
    summary.add_row("[bold]mIoU", *cells(MIOU))
    console.print(summary)
    classes = Table("class", *columns("IoU"), *(Column(name, justify="right") for name in ("precision", "recall")))
    areas = Table("share of the area", Column("mapped", justify="right"), *columns("corrected"))
    for label, name in enumerate(found.class_names):
        shares = (found.figures[f"{key} {label}"].value for key in (PRECISION, RECALL))
        classes.add_row(escape(name), *cells(f"{IOU} {label}"), *map(figure, shares))
        areas.add_row(escape(name), figure(found.mapped[label]), *cells(f"{AREA} {label}"))
    console.print(classes)
    console.print(areas)
