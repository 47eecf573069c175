"""`pointillist audit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from pointillist.cli.display import between, counting, figure, say_plain
from pointillist.cli.options import Data, Device, Layout, Overwrite, Run

if TYPE_CHECKING:
    from pointillist.inference.audit import Audit
    from pointillist.inference.evaluate import Evaluation


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
        Path | None, typer.Option(help="File of the questions, scored once it is there.  [default: audit.csv in RUN]")
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
    json_file: Annotated[
        Path | None, typer.Option("--json", help="The scores.  [default: audit.json in RUN]", metavar="FILE")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--report", help="The page.  [default: audit.html in RUN]", metavar="FILE")
    ] = None,
    layout: Layout = None,
    device: Device = None,
    overwrite: Overwrite = False,
) -> None:
    """Ask about pixels of images that a model has not learnt from; your answers say how good it is. No mask is needed.

    The first call writes the questions. Answer them in the column 'class', and give the same command again.

    Example: **pointillist audit runs/berries berries --questions 200**
    """
    from pointillist.data.layouts import load_dataset
    from pointillist.errors import ConfigError
    from pointillist.files import refuse_existing, write_text
    from pointillist.inference.audit import JSON, PAGE, QUESTIONS
    from pointillist.inference.audit import audit as judge
    from pointillist.inference.predictor import Predictor
    from pointillist.report.audit_page import put_into_report, sentences, write_audit_page
    from pointillist.training.run_directory import RunDirectory

    home = RunDirectory.open(run)
    dataset = load_dataset(data, layout=layout)
    file = out or home.root / QUESTIONS
    asks = from_masks or overwrite or any(value is not None for value in (questions, strategy, seed))
    if answers and asks:
        hint = "Leave --answers out to ask, or leave out what is said about the questions."
        raise ConfigError("questions are asked, or answers are read, not both.", field="--answers", hint=hint)
    predictor = Predictor(run, device or "auto")
    if not answers and (asks or not file.exists()):
        refuse_existing(file, overwrite)
        _ask(home, predictor, dataset, file, 200 if questions is None else questions, strategy, split, seed, from_masks)
        if not from_masks:
            say_plain("Write the class of each pixel into the column 'class', or 'unsure' or 'border' into 'answer'.")
            say_plain(f"Then: pointillist audit {run} {data} --answers {file}" + (f" --split {split}" if split else ""))
            return
    with counting("predicting", len(dataset.items)) as done:
        (found,) = judge([home], [predictor], dataset, answers or [file], split, on_image=done)
    truth = _truth(home, predictor, dataset, split) if from_masks else None
    _show(found, truth)
    for line in sentences(found):
        say_plain(line)
    json_file, page = json_file or home.root / JSON, page or home.root / PAGE
    write_text(json_file, found.to_json())
    write_audit_page(page, found, dataset.classes, command=context.obj)
    written = [json_file, page]
    if put_into_report(home.report, found, dataset.classes):
        written.append(home.report)
    for path in written:
        say_plain(f"wrote {path}", "green")
