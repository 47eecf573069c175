"""`pointillist ask`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from pointillist.cli.display import counting, give, open_console, say_plain
from pointillist.cli.options import Data, Device, Layout, Overwrite

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pointillist.data.dataset import Item
    from pointillist.inference.predictor import Predictor


def ask(
    data: Data,
    out: Annotated[Path, typer.Option(help="The CSV file of questions to be written.")],
    per_image: Annotated[int, typer.Option(help="Questions in an image.")] = 20,
    budget: Annotated[
        int | None, typer.Option(help="Questions in all; where it does not reach for every image, images are drawn.")
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            help="even: one pixel from each cell of a grid; uncertain: where the model is unsure; mixed: half and half."
        ),
    ] = "even",
    model: Annotated[
        Path | None, typer.Option(help="Run or model that says where it is unsure, for 'uncertain' and 'mixed'.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which images.  [default: those that are learnt from]")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    from_masks: Annotated[
        bool, typer.Option("--from-masks", help="Answer them with the masks of the data set, to try out things.")
    ] = False,
    device: Device = None,
    layout: Layout = None,
    overwrite: Overwrite = False,
) -> None:
    """Choose pixels for you to name, so that it is known how much of the images each class covers.

    The answers go into the column 'class': by hand, or in the annotator.

    Example: **pointillist ask berries --per-image 20 --out questions.csv**
    """
    from pointillist.data.ask import answered
    from pointillist.data.ask import ask as draw
    from pointillist.data.layouts import open_dataset
    from pointillist.errors import ConfigError, nearest
    from pointillist.files import refuse_existing
    from pointillist.inference.predictor import Predictor
    from pointillist.points.formats.native import write_csv
    from pointillist.points.questions import STRATEGIES

    if strategy not in STRATEGIES:
        raise ConfigError(f"{strategy!r} is no strategy.", field="--strategy", hint=nearest(strategy, STRATEGIES))
    if strategy != "even" and model is None:
        hint = "Name a run with --model, or ask evenly."
        raise ConfigError(f"'{strategy}' asks where a model is unsure.", field="--strategy", hint=hint)
    refuse_existing(out, overwrite)
    dataset = open_dataset(data, layout=layout)
    where = dataset.training_split if split is None else split
    with counting("asking", len(dataset.split(where))) as done:
        questions = draw(
            dataset,
            per_image=per_image,
            budget=budget,
            strategy=strategy,
            split=where,
            seed=seed,
            measure=None if model is None or strategy == "even" else unsure(Predictor(model, device or "auto")),
            on_image=done,
        )
    if from_masks:
        questions = answered(questions, dataset)
        counts = questions.counts()
        summary = Table("class", Column("answers", justify="right"))
        for name in dataset.classes.names:
            summary.add_row(name, f"{counts[name]:,}")
        open_console().print(summary)
    write_csv(questions, out)
    say_plain(f"wrote {len(questions.rows):,} questions on {len(questions.listed):,} images to {out}", "green")
    give({"out": out, "questions": len(questions.rows), "images": len(questions.listed)})


def unsure(predictor: Predictor) -> Callable[[Item], NDArray[Any]]:
    """How unsure a model is, cell by cell."""
    from pointillist.data.ask import cell_means

    return lambda item: cell_means(predictor.predict(item.image, uncertainty=True).map("uncertainty"))
