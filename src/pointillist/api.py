"""Load, train, evaluate, audit and predict from Python, as on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import lightning as L
from lightning.pytorch.loggers import Logger
from rich.console import Console

from pointillist.data.ambiguous import check_ambiguous
from pointillist.data.dataset import IN_MEMORY, Dataset
from pointillist.data.images import read_image
from pointillist.data.layouts import load_dataset
from pointillist.errors import ConfigError, RunError
from pointillist.files import read_text, refuse_links, write_text
from pointillist.inference import audit as auditing
from pointillist.inference import evaluate as evaluation
from pointillist.inference.audit import Audit
from pointillist.inference.evaluate import Evaluation
from pointillist.inference.hub import find_model
from pointillist.inference.predictor import Predictor
from pointillist.inference.unlearnt import read_answers
from pointillist.locks import in_use
from pointillist.report.page import write_report
from pointillist.report.snapshots import SnapshotWriter
from pointillist.training.card import CardScores, model_card
from pointillist.training.config import Config, make_config
from pointillist.training.live_model import Stop
from pointillist.training.methods import get_method
from pointillist.training.model_file import LARGEST, read_model_file
from pointillist.training.network_settings import OWN
from pointillist.training.own import NOTHING, Own, OwnModule, OwnOptimizer, parted_loggers
from pointillist.training.run import fit, is_first_process, is_leading
from pointillist.training.run_directory import RunDirectory
from pointillist.training.start import Start

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
    init: str | Path | None = None,
    minutes: float | None = None,
    callbacks: Sequence[L.Callback] = (),
    logger: str | Logger | Sequence[str | Logger] | None = None,
    network: OwnModule | None = None,
    optimizer: OwnOptimizer | None = None,
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
        init: A run or model whose weights it begins with, for example to learn from clicks that were added since. The
            settings are then those of that run, with a lower learning rate and fewer steps, unless others are given.
        minutes: Length in minutes on this machine in place of `epochs`.
        callbacks: Callbacks of Lightning; they can watch `loss` and `val_miou`. What one keeps in checkpoints must be
            numbers and tensors.
        logger: Names as in `trainer.logger`, loggers of Lightning, or several of both; "none" for none.
        network: A `torch.nn.Module` of your own, from B×K×H×W images of K bands in [0, 1], H and W multiples of 32, to
            B×C×H×W logits; or a function of C and K that makes one. It may give `NetworkOutput(logits, features)`:
            `single-stage` makes its pseudo-masks from the features, else from the logits. A copy is trained. The run
            keeps its weights and no code: see `Predictor` for using it. A run that is resumed needs it again.
        optimizer: A function of the list of weights that makes an optimiser, or an optimiser and its schedule by steps,
            for example `functools.partial(torch.optim.SGD, lr=0.1)`. A run that is resumed needs it again.

    Raises:
        PointillistError: With what was found, where, and the hint.

    Examples:
        >>> import numpy as np
        >>> from tempfile import TemporaryDirectory
        >>> images = [np.full((32, 48, 3), 90, np.uint8)] * 2
        >>> clicks = [[(8.5, 8.5, "soil"), (30.5, 20.5, "berry")]] * 2
        >>> data = Dataset.from_arrays(images, clicks, ["soil", "berry"])
        >>> with TemporaryDirectory() as folder:
        ...     short = {"trainer.steps": 1, "trainer.snapshots": 0}
        ...     run = train(data, out=Path(folder, "run"), method="points", device="cpu", settings=short)
        ...     labels = Predictor(run, "cpu")(images[0])
        >>> labels.shape, labels.dtype
        ((32, 48), dtype('uint8'))
    """
    named, own_loggers = parted_loggers(logger)
    if network is not None and any(name.startswith("network.") for name in settings or ()):
        hint = "Leave the settings of networks out, or network=…."
        raise ConfigError("a network is handed over, and settings name another.", field="network", hint=hint)
    chosen = {
        "method": method,
        "trainer.epochs": epochs,
        "trainer.minutes": minutes,
        "data.size": list(size) if isinstance(size, tuple) else size,
        "trainer.seed": seed,
        "trainer.device": device,
        "trainer.logger": named,
        **({} if network is None else {"network.architecture": OWN, "network.encoder": ""}),
        **({} if optimizer is None else {"optimizer.name": OWN}),
        **(settings or {}),
    }
    if resume:
        config = config or RunDirectory.open(out).config_file
    dataset = data if isinstance(data, Dataset) else load(data)
    start = start_from(init, resume=resume, network=network)
    made = make_config(config, chosen, resume=resume, base=None if start is None else start.settings)
    how: dict[str, Any] = {"resume": resume, "overwrite": overwrite, "console": console, "start": start}
    own = Own(network, optimizer, own_loggers)
    return train_config(made, dataset, out, callbacks=callbacks, own=own, **how)


def start_from(model: str | Path | None, *, resume: bool = False, network: OwnModule | None = None) -> Start | None:
    """What to go on from, wherever `find_model` finds it; None for None. `network` is that of `train`.

    Raises:
        ConfigError: The run is to be resumed, which has its own beginning.
        RunError: There is no such model, or it has no weights that can be trained.
    """
    if model is None:
        return None
    if resume:
        found = "a run that is resumed goes on from where it stopped, not from a model."
        raise ConfigError(found, field="--from", hint="Leave --resume or --from out.")
    place = find_model(model)
    if not place.is_dir():
        raise RunError("has no weights to go on from.", where=place, hint="Name a run, or its folder model/.")
    return Start.read(place, network)


Train = TypeVar("Train", bound=Callable[..., RunDirectory])


def _alone(train: Train) -> Train:
    """The same, with the run directory held against others by the process that writes it."""

    @wraps(train)
    def held(config: Config, dataset: Dataset, out: str | Path, **more: Any) -> RunDirectory:
        leads = is_leading(config.trainer.devices * config.trainer.nodes)
        with in_use(Path(out), "training") if leads else nullcontext():
            refuse_links(Path(out), RunError)
            return train(config, dataset, out, **more)

    return cast(Train, held)


@_alone
def train_config(
    config: Config,
    dataset: Dataset,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    console: Console | None = None,
    command: str = "",
    start: Start | None = None,
    stop: Stop | None = None,
    callbacks: Sequence[L.Callback] = (),
    own: Own = NOTHING,
) -> RunDirectory:
    """Train with a complete configuration, take snapshots, score, and write `evaluation.json` and `report.html`.

    Every image of the validation split that has a mask is scored once more with the finished model. `start`, `stop`
    and `own` are those of `pointillist.training.run.fit`.
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
    how: dict[str, Any] = {"resume": resume, "overwrite": overwrite, "command": command, "start": start, "stop": stop}
    fit(config, dataset, out, console=console, callbacks=[*observers, *callbacks], own=own, **how)
    if not is_first_process():
        return run
    predictor = Predictor(run, "cpu" if config.trainer.device == "cpu" else "auto", own.network)
    scored = evaluate(predictor, dataset, split) if split is not None and scored_items else None
    if scored is not None:
        write_text(run.evaluation, scored.to_json())
    write_text(run.model / "README.md", _card(run, dataset, scored))
    write_report(run.report, run, predictor, dataset, split=split, evaluation=scored)
    return run


def _card(run: RunDirectory, dataset: Dataset, scored: Evaluation | None) -> str:
    file = run.model / "model.json"
    model, content = read_model_file(read_text(file, RunError, max_bytes=LARGEST), file)
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
