"""One training: settings and a data set in, a run directory out."""

from __future__ import annotations

import logging
import os
import signal
import time
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import lightning as L
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.loggers import Logger
from rich.console import Console
from rich.markup import escape

from pointillist.data.dataset import Dataset
from pointillist.data.draws import steps_per_epoch
from pointillist.data.pieces import clicks_by_class, cut_into_pieces
from pointillist.data.samples import TrainingSamples
from pointillist.data.transforms import Geometry
from pointillist.errors import ConfigError, RunError
from pointillist.training.advice import label_warnings, rarely_clicked
from pointillist.training.callbacks import Checkpoint, EpochCheckpoint, MetricsTable, ProgressDisplay
from pointillist.training.checkpoint_file import CheckpointFile, belongs_to, newest_whole, taking_up
from pointillist.training.config import Config
from pointillist.training.inputs import TrainingInput, check_masks_learnt
from pointillist.training.live_model import LiveModel, Stop
from pointillist.training.loaders import training_loader, validation_loader
from pointillist.training.loggers import check_loggers, open_loggers
from pointillist.training.methods import get_method
from pointillist.training.model_file import FORMAT
from pointillist.training.module import TrainingModule
from pointillist.training.own import NOTHING, Own
from pointillist.training.run_directory import DataRecord, RunDirectory, describe_protocol
from pointillist.training.start import SHARE, Start
from pointillist.training.timing import steps_within


def fit(
    config: Config,
    dataset: Dataset,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    console: Console | None = None,
    callbacks: Sequence[L.Callback] = (),
    command: str = "",
    start: Start | None = None,
    stop: Stop | None = None,
    own: Own = NOTHING,
) -> RunDirectory:
    """Train a network and leave a run directory.

    Args:
        config: Settings.
        dataset: What to learn from; its policy gives way to `config.data.background`.
        out: The run directory.
        resume: Continue the run there from its last checkpoint; the result is the one of an uninterrupted run.
        overwrite: Replace the run there.
        console: Where progress is shown; nowhere when None.
        callbacks: Further callbacks of Lightning. One that changes the training, or keeps a state of its own, must be
            given again when the run is resumed.
        command: The command line that asked for it, for the record.
        start: The model to go on from; the run keeps a copy. None begins from scratch; a resumed run has its own.
        stop: How another thread ends it: after a step, with the model as it is then. The model is then also saved with
            each checkpoint.
        own: What a program brings itself; network and optimiser again for a run that goes on.

    Raises:
        ConfigError: The settings cannot be, or do not fit the model to go on from.
        DatasetError: The method needs masks or images that are not there.
        PointsError: The method needs clicks and there are none.
        RunError: The directory is taken, or cannot be resumed with these data and settings.
        SaveError: Something could not be written.
        KeyboardInterrupt: The user stopped it; the run can be resumed.
    """
    began = time.monotonic()
    own.check(config.network.architecture, config.optimizer.name)
    check_loggers(config.trainer.logger)
    method = get_method(config.method.name)
    check_masks_learnt(config)
    given = TrainingInput.of(dataset, config.data, method.supervision)
    pieces = cut_into_pieces(given.items, given.spec.scale, _geometry(config, given).largest)
    clicks = clicks_by_class(given.dataset, pieces) if method.supervision == "points" else {}
    # A huge image with a few clicks is no longer trained on than as many images with clicks.
    learnt = {piece for found in clicks.values() for piece, _, _ in found}
    learnt |= {index for index, piece in enumerate(pieces) if piece.item.mask_learnt}
    length = len(learnt) or len(pieces)
    record = DataRecord.of(given)
    if config.trainer.threads is not None:
        torch.set_num_threads(config.trainer.threads)
    if resume:
        start = Start.kept(RunDirectory(out), own.network)
    elif start is not None:
        start.check(config, given.dataset.classes, given.spec)
        if Path(out).resolve() in start.folder.resolve().parents:
            raise RunError("holds the model to go on from.", where=out, hint="Choose another --out.")
    L.seed_everything(config.trainer.seed, verbose=False)
    minutes, config = config.trainer.minutes, config.sized_to(length, 1.0 if start is None else SHARE)
    epochs = config.trainer.epochs_for(length)
    begun = _resumable(RunDirectory.open(out), config, record) if resume else config
    # Whatever can be wrong with the settings shows here, before anything is written.
    steps = epochs * steps_per_epoch(length, config.trainer.batch_size) if method.in_steps else 0
    module = TrainingModule(begun, given.dataset.classes, steps, len(given.spec.bands), own)
    if start is not None:
        module.network.load_state_dict(start.model.network.state_dict())
    samples = TrainingSamples(
        given.dataset,
        pieces,
        clicks=clicks,
        geometry=_geometry(config, given),
        balanced=config.data.balanced,
        color_jitter=config.data.color_jitter,
        seed=config.trainer.seed,
        with_masks=method.supervision == "masks" or config.data.log_pseudo_label_accuracy,
        distances_of=module.method.distances_of(),
        # Each device has a process and a store of its own.
        cache_bytes=(
            config.data.cache_mb * 2**20 // config.trainer.devices,
            config.data.cache_disk_mb * 2**20 // config.trainer.devices,
        ),
    )

    run = RunDirectory(out)
    belongs = partial(belongs_to, run, record, module)
    checkpoint = newest_whole(run.checkpoint, run.checkpoint_before, belongs()) if resume else None
    leads = is_leading(config.trainer.devices * config.trainer.nodes)
    # With several devices this program runs once for each; the first one keeps the books and speaks.
    if not leads:
        console = None
    if leads and not resume:
        run.check_free(overwrite=overwrite)
    if console is not None:
        console.print(str(given), highlight=False)
        for line in label_warnings(given.dataset, given.items, method.supervision):
            console.print(f"[yellow]note[/] {escape(line)}", highlight=False, soft_wrap=True)
    if clicks:
        with nullcontext() if console is None else console.status("looking at the clicked pixels"):
            module.method.prepare(samples.clicked, module.network)
            samples.evidence_of = module.method.evidence_of()
            advice = [] if console is None else rarely_clicked(samples)
        if console is not None:
            for one in advice:
                console.print(f"[yellow]note[/] {escape(str(one))}", highlight=False, soft_wrap=True)
    if minutes is not None and method.in_steps:
        with nullcontext() if console is None else console.status("timing some steps"):
            timed = steps_within(config, module, samples, 60 * minutes - (time.monotonic() - began))
        per_epoch = steps_per_epoch(length, config.trainer.batch_size)
        epochs = max(1, round(timed / per_epoch))
        config = config.model_copy(update={"trainer": config.trainer.model_copy(update={"epochs": epochs})})
        module.total_steps = epochs * per_epoch
        if console is not None:
            text = f"this machine does {module.total_steps:,} steps in about {minutes:g} min"
            console.print(text, highlight=False)
    if leads and not resume:
        run.begin(config, record, [item.name for item in given.items], command=command, overwrite=overwrite)
        if start is not None:
            start.keep(run)

    def save_model(taken: int) -> None:
        begin_with = None if start is None else str(start)
        protocol = {**describe_protocol(config, record, given, taken, begin_with), **module.own_protocol()}
        run.save_model(module.network, config, given, protocol, module.method.class_prior())

    validated = () if dataset.validation_split is None else dataset.split(dataset.validation_split)
    scored = [item for item in validated if item.mask is not None]
    saving = Checkpoint(run, config.trainer.checkpoint_seconds, config.trainer.checkpoint_steps)
    observers = [saving, MetricsTable(run), *callbacks, EpochCheckpoint(saving)]
    if stop is not None:
        observers.append(LiveModel(lambda: save_model(module.global_step), stop))
    if console is not None:
        observers.append(ProgressDisplay(console))
    with (
        warnings.catch_warnings(),
        taking_up(checkpoint, lambda: saving.restored),
        open_loggers(config.trainer.logger, run) as loggers,
    ):
        # What Lightning says about itself is left out; errors still come through.
        for part in ("pytorch", "fabric"):
            logging.getLogger(f"lightning.{part}").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module="lightning.*")
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
        loggers += own.loggers
        trainer = _trainer(config, epochs, run, observers, CheckpointFile(belongs), loggers, validate=bool(scored))
        try:
            trainer.fit(
                module,
                training_loader(config, samples, length, trainer),
                validation_loader(config, given, scored, trainer) if scored else None,
                ckpt_path=None if checkpoint is None else str(checkpoint),
                weights_only=True,
            )
        except SystemExit as stop:
            if not trainer.interrupted:
                raise
            # Lightning makes an exit of Ctrl-C and leaves the signal switched off; a library must do neither.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise KeyboardInterrupt from stop
    if trainer.is_global_zero:
        # A callback may have ended it early.
        save_model(min(module.total_steps, trainer.global_step))
    trainer.strategy.barrier()
    return run


def is_first_process() -> bool:
    """Whether this is the process, of those that have trained together, that writes and prints what follows."""
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def is_leading(processes: int) -> bool:
    """Whether this will be the first process of a training, before the processes know each other.

    Raises:
        ConfigError: torchrun or SLURM started another number of processes than the settings say.
    """
    for name, launcher in (("torchrun", TorchElasticEnvironment), ("SLURM", SLURMEnvironment)):
        if launcher.detect():
            started = int(os.environ["WORLD_SIZE" if name == "torchrun" else "SLURM_NTASKS"])
            if started != processes:
                raise ConfigError(
                    f"{name} started {started} processes, --devices × --nodes is {processes}.",
                    field="trainer.devices",
                    hint="Start one for each device, and say --devices of each machine and --nodes.",
                )
            return int(os.environ["RANK" if name == "torchrun" else "SLURM_PROCID"]) == 0
    return all(int(os.environ.get(name, 0)) == 0 for name in ("LOCAL_RANK", "NODE_RANK"))


def _resumable(run: RunDirectory, config: Config, record: DataRecord) -> Config:
    """The settings to build the network with: the checkpoint has all weights; no path in a run's file is opened."""
    saved, earlier = run.read()
    anew = "Start a new run with another --out"
    if run.format() != FORMAT:
        found = "was begun by another version of this program, whose training cannot be continued exactly."
        raise RunError(found, where=run.root, hint=f"{anew}; the model of this one can still be used.")
    if earlier.fingerprint != record.fingerprint:
        found = "classes, images or clicks have changed since this run began."
        raise RunError(found, where=run.root, hint=f"{anew}.")
    if saved != config:
        old, new = saved.to_dict(), config.to_dict()
        changed = [f"{s}.{k}" for s in new for k in new[s] if old[s].get(k) != new[s][k]]
        found = f"these settings differ from the run's: {', '.join(changed)}."
        hint = "Resume with the settings of the run: --resume alone takes them from its config.yaml."
        raise RunError(found, where=run.root, hint=hint)
    if config.network.weights is not None and not (run.checkpoint.exists() or run.checkpoint_before.exists()):
        found = "stopped before its first checkpoint, and began with weights that a run's settings cannot name."
        hint = "Start it again with --overwrite and --weights."
        raise RunError(found, where=run.root, field="network.weights", hint=hint)
    return config.model_copy(update={"network": config.network.model_copy(update={"weights": None})})


def _trainer(
    config: Config,
    epochs: int,
    run: RunDirectory,
    callbacks: list[L.Callback],
    files: CheckpointFile,
    loggers: list[Logger],
    *,
    validate: bool,
) -> L.Trainer:
    settings = config.trainer
    in_steps = get_method(config.method.name).in_steps
    several = settings.devices * settings.nodes > 1
    return L.Trainer(
        accelerator=settings.device,
        devices=settings.devices,
        num_nodes=settings.nodes,
        strategy="ddp" if several else "auto",
        precision=settings.precision,  # type: ignore[arg-type]
        max_epochs=epochs,
        check_val_every_n_epoch=max(1, epochs // settings.validations) if settings.validations else None,
        limit_train_batches=None if in_steps else 1,
        limit_val_batches=None if validate and settings.validations else 0,
        num_sanity_val_steps=0,
        gradient_clip_val=config.optimizer.gradient_clip if in_steps else None,
        logger=loggers,
        callbacks=callbacks,
        plugins=[files],
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=run.root,
    )


def _geometry(config: Config, given: TrainingInput) -> Geometry:
    data = config.data
    return Geometry(given.window, data.zoom, data.horizontal_flip, data.vertical_flip)
