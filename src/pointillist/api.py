"""Load, train, evaluate, audit and predict from Python, as on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from pointillist.data.ambiguous import check_ambiguous
from pointillist.data.dataset import IN_MEMORY, Dataset
from pointillist.data.images import read_image
from pointillist.data.layouts import load_dataset
from pointillist.errors import RunError
from pointillist.files import read_text, write_text
from pointillist.inference import audit as auditing
from pointillist.inference import evaluate as evaluation
from pointillist.inference.audit import Audit
from pointillist.inference.evaluate import Evaluation
from pointillist.inference.predictor import Predictor
from pointillist.inference.unlearnt import read_answers
from pointillist.report.page import write_report
from pointillist.report.snapshots import SnapshotWriter
from pointillist.training.card import CardScores, model_card
from pointillist.training.config import Config, make_config
from pointillist.training.methods import get_method
from pointillist.training.model_file import read_model_file
from pointillist.training.run import fit, is_first_process
from pointillist.training.run_directory import RunDirectory

__all__ = ["Predictor", "audit", "evaluate", "load", "read_image", "train", "train_config"]


def load(path: str | Path, *, layout: str | None = None, points: str | Path | None = None) -> Dataset:
    """Open a data set: a folder with `dataset.yaml`, such a file anywhere, or a known layout.

    Args:
        path: The folder or `dataset.yaml`.
        layout: Name of the layout; recognised when not given.
        points: Label file in place of the data set's own clicks.

    Raises:
        DatasetError: There is no data set, or its parts do not fit together.
        PointsError: The clicks cannot be read or do not fit.
    """
    return load_dataset(path, layout=layout, points=points)


def train(
    data: Dataset | str | Path,
    *,
    out: str | Path,
    method: str | None = None,
    epochs: int | None = None,
    size: str | tuple[int, int] | None = None,
    seed: int | None = None,
    device: str | None = None,
    settings: Mapping[str, Any] | None = None,
    config: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    console: Console | None = None,
) -> RunDirectory:
    """Train a network on a data set.

    Args:
        data: A data set, or its path; the same one for a run that goes on.
        out: The run directory to be made.
        method: `single-stage` (what None means without a `config`), `points`, `full`, ….
        epochs: Passes over the training images; None sizes the run to the number of images.
        size: (height, width) or "HxW" that images are fitted into.
        seed: Seed of weights, order and augmentation.
        device: auto, cpu, cuda or mps.
        settings: Any other setting by dotted name, for example {"optimizer.lr": 0.001}.
        config: A settings file, for example another run's `config.yaml`.
        resume: Continue the run in `out` where it stopped, with its own settings; others are refused.
        overwrite: Replace a run that is there.
        console: Where progress is shown; nowhere when None.

    Raises:
        PointillistError: With what was found, where, and the hint.
    """
    chosen = {
        "method": method,
        "trainer.epochs": epochs,
        "data.size": list(size) if isinstance(size, tuple) else size,
        "trainer.seed": seed,
        "trainer.device": device,
        **(settings or {}),
    }
    if resume:
        config = config or RunDirectory.open(out).config_file
    dataset = data if isinstance(data, Dataset) else load(data)
    made = make_config(config, chosen, resume=resume)
    return train_config(made, dataset, out, resume=resume, overwrite=overwrite, console=console)


def train_config(
    config: Config,
    dataset: Dataset,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    console: Console | None = None,
    command: str = "",
) -> RunDirectory:
    """Train with a complete configuration, take snapshots, score, and write `evaluation.json` and `report.html`.

    Every image of the validation split that has a mask is scored once more with the finished model.
    """
    if config.data.background is not None:
        dataset = dataset.with_policy(config.data.background)
    split = dataset.validation_split
    scored_items = [] if split is None else [item for item in dataset.split(split) if item.mask is not None]
    if scored_items:
        check_ambiguous(dataset, scored_items)  # the score at the end must not fail after hours
    if get_method(config.method.name).supervision == "masks":
        check_ambiguous(dataset, dataset.split(dataset.training_split))
    run = RunDirectory(out)
    observers = [SnapshotWriter(run, dataset, config.trainer.snapshots)] if config.trainer.snapshots else []
    fit(config, dataset, out, resume=resume, overwrite=overwrite, console=console, callbacks=observers, command=command)
    if not is_first_process():
        return run
    predictor = Predictor(run, "cpu" if config.trainer.device == "cpu" else "auto")
    scored = evaluate(predictor, dataset, split) if split is not None and scored_items else None
    if scored is not None:
        write_text(run.evaluation, scored.to_json())
    write_text(run.model / "README.md", _card(run, dataset, scored))
    write_report(run.report, run, predictor, dataset, split=split, evaluation=scored)
    return run


def _card(run: RunDirectory, dataset: Dataset, scored: Evaluation | None) -> str:
    file = run.model / "model.json"
    model, content = read_model_file(read_text(file, RunError), file)
    name = "in memory" if dataset.layout == IN_MEMORY else dataset.root.resolve().name
    scores = None if scored is None else CardScores(scored.split, scored.images, scored.miou, scored.scores.iou)
    return model_card(model, content, title=run.root.resolve().name, data=name, scores=scores)


def run_folder(data: Path) -> Path:
    """Where a run on a data set goes when nobody says it: a folder in `runs/`, named like the data set."""
    named = data.parent if data.suffix in (".yaml", ".yml") else data
    return Path("runs") / named.resolve().name


def data_of(run: str | Path, *, layout: str | None = None, points: str | Path | None = None) -> Dataset:
    """The data set a run learns from, as its record says.

    Args:
        run: The run directory.
        layout: Layout in place of the recorded one.
        points: Label file in place of the recorded one.

    Raises:
        PointillistError: The run or its data cannot be read, or they were in the memory of a program.
    """
    _, record = RunDirectory.open(run).read()
    if record.layout == IN_MEMORY:
        hint = "Hand the data over again, in Python: pt.train(data, out=…, resume=True)."
        raise RunError("learnt from data in the memory of a program, which no file holds.", where=run, hint=hint)
    return load(record.path, layout=layout or record.layout, points=points or record.points)


def evaluate(
    run: Predictor | RunDirectory | str | Path,
    data: Dataset | str | Path,
    split: str = "val",
    *,
    on_image: Callable[[str], None] | None = None,
) -> Evaluation:
    """Score a trained model on the images of a split that have masks; see `pointillist.inference.evaluate`."""
    predictor = run if isinstance(run, Predictor) else Predictor(run)
    dataset = data if isinstance(data, Dataset) else load(data)
    return evaluation.evaluate(predictor, dataset, split, on_image=on_image)


def audit(
    run: RunDirectory | str | Path,
    data: Dataset | str | Path,
    answers: str | Path | Sequence[str | Path],
    split: str | None = None,
    *,
    on_image: Callable[[str], None] | None = None,
) -> Audit:
    """Judge a trained model by answers to questions on images that it has not learnt from; without a mask.

    Args:
        run: The run directory, which knows what it has learnt from.
        data: Where the images are.
        answers: Label file of the answered questions of `pointillist audit`, or several, each of a draw of its own.
        split: Which images were asked about; `test` or `val` when not given, else all.
        on_image: Called with the name of each image that is done.

    Raises:
        PointillistError: See `pointillist.inference.unlearnt.read_answers` and `pointillist.inference.audit.audit`.
    """
    home = RunDirectory.open(run if isinstance(run, str | Path) else run.root)
    dataset = data if isinstance(data, Dataset) else load(data)
    files = [answers] if isinstance(answers, str | Path) else answers
    asked = read_answers([home], dataset, [Path(file) for file in files], split)
    (found,) = auditing.audit([Predictor(home)], asked, on_image=on_image)
    return found
