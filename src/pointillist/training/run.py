"""One training: settings and a data set in, a run directory out."""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import lightning as L
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console
from rich.markup import escape
from torch.utils.data import DataLoader

from pointillist.data.dataset import Dataset, Item
from pointillist.data.pieces import clicks_by_class, cut_into_pieces
from pointillist.data.samples import (
    Batch,
    Collate,
    DrawSampler,
    TrainingSamples,
    steps_per_epoch,
)
from pointillist.data.transforms import Geometry
from pointillist.errors import ConfigError, RunError
from pointillist.training.advice import label_warnings, rarely_clicked
from pointillist.training.callbacks import Checkpoint, MetricsTable, ProgressDisplay
from pointillist.training.config import Config
from pointillist.training.inputs import TrainingInput
from pointillist.training.methods import get_method
from pointillist.training.model_file import FORMAT
from pointillist.training.module import TrainingModule
from pointillist.training.run_directory import DataRecord, RunDirectory, describe_protocol
from pointillist.training.scoring import ScoredImages


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
) -> RunDirectory:
    """Train a network and leave a run directory.

    Args:
        config: Settings.
        dataset: What to learn from; its policy gives way to `config.data.background`.
        out: The run directory.
        resume: Continue the run there from its last checkpoint; the result is the one of an uninterrupted run.
        overwrite: Replace the run there.
        console: Where progress is shown; nowhere when None.
        callbacks: Further observers; they must not change the training.
        command: The command line that asked for it, for the record.

    Raises:
        DatasetError: The method needs masks or images that are not there.
        PointsError: The method needs clicks and there are none.
        RunError: The directory is taken, or cannot be resumed with these data and settings.
        SaveError: Something could not be written.
        KeyboardInterrupt: The user stopped it; the run can be resumed.
    """
    method = get_method(config.method.name)
    given = TrainingInput.of(dataset, config.data, method.supervision)
    pieces = cut_into_pieces(given.items, given.spec.scale, _geometry(config, given).largest)
    clicks = clicks_by_class(given.dataset, pieces) if method.supervision == "points" else {}
    # A huge image with a few clicks is no longer trained on than as many images with clicks.
    length = len({piece for found in clicks.values() for piece, _, _ in found}) or len(pieces)
    record = DataRecord.of(given)
    if config.trainer.threads is not None:
        torch.set_num_threads(config.trainer.threads)
    L.seed_everything(config.trainer.seed, verbose=False)
    config = config.sized_to(length)
    epochs = config.trainer.epochs_for(length)
    begun = _resumable(RunDirectory.open(out), config, record) if resume else config
    # Whatever can be wrong with the settings shows here, before anything is written.
    steps = epochs * steps_per_epoch(length, config.trainer.batch_size) if method.in_steps else 0
    module = TrainingModule(begun, given.dataset.classes, steps, len(given.spec.bands))
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
    leads = _leads(config.trainer.devices * config.trainer.nodes)
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
    if leads and not resume:
        learnt = [item.name for item in given.items]
        run.begin(config, record, learnt, command=command, overwrite=overwrite)
    validated = () if dataset.validation_split is None else dataset.split(dataset.validation_split)
    scored = [item for item in validated if item.mask is not None]
    observers = [Checkpoint(run, config.trainer.checkpoint_seconds), MetricsTable(run), *callbacks]
    if console is not None:
        observers.append(ProgressDisplay(console))
    with warnings.catch_warnings():
        # What Lightning says about itself is left out; errors still come through.
        for part in ("pytorch", "fabric"):
            logging.getLogger(f"lightning.{part}").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module="lightning.*")
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
        trainer = _trainer(config, epochs, run, observers, validate=bool(scored))
        try:
            trainer.fit(
                module,
                _training_loader(config, samples, length, trainer),
                _validation_loader(config, given, scored, trainer) if scored else None,
                ckpt_path=str(run.checkpoint) if resume and run.checkpoint.is_file() else None,
                weights_only=True,
            )
        except SystemExit as stop:
            if not trainer.interrupted:
                raise
            # Lightning makes an exit of Ctrl-C and leaves the signal switched off; a library must do neither.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise KeyboardInterrupt from stop
    if trainer.is_global_zero:
        protocol = describe_protocol(config, record, given, module.total_steps)
        run.save_model(module.network, config, given, protocol, module.method.class_prior())
    trainer.strategy.barrier()
    return run


def is_first_process() -> bool:
    """Whether this is the process, of those that have trained together, that writes and prints what follows."""
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def _leads(processes: int) -> bool:
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
    if config.network.weights is not None and not run.checkpoint.is_file():
        found = "stopped before its first checkpoint, and began with weights that a run's settings cannot name."
        hint = "Start it again with --overwrite and --weights."
        raise RunError(found, where=run.root, field="network.weights", hint=hint)
    return config.model_copy(update={"network": config.network.model_copy(update={"weights": None})})


def _trainer(
    config: Config, epochs: int, run: RunDirectory, callbacks: list[L.Callback], *, validate: bool
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
        logger=TensorBoardLogger(run.root, name="", version="tensorboard"),
        callbacks=callbacks,
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


def _training_loader(config: Config, samples: TrainingSamples, length: int, trainer: L.Trainer) -> DataLoader[Batch]:
    sampler = DrawSampler(
        len(samples),
        config.trainer.batch_size,
        config.trainer.seed,
        steps=steps_per_epoch(length, config.trainer.batch_size),
        steps_done=lambda: trainer.global_step,
        rank=trainer.global_rank,
        processes=trainer.world_size,
    )
    workers = _workers(config, trainer)
    return DataLoader(
        samples,  # type: ignore[arg-type]
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=Collate(len(samples.dataset.classes)),
        persistent_workers=workers > 0,
        # Of its own, so that opening a loader does not move the random state of the training.
        generator=torch.Generator().manual_seed(config.trainer.seed),
    )


def _validation_loader(
    config: Config, given: TrainingInput, items: Sequence[Item], trainer: L.Trainer
) -> DataLoader[list[object]]:
    return DataLoader(
        ScoredImages(given.dataset, items, given.spec, trainer.global_rank, trainer.world_size),  # type: ignore[arg-type]
        batch_size=1,
        num_workers=_workers(config, trainer),
        collate_fn=list,
        generator=torch.Generator().manual_seed(config.trainer.seed),
    )


def _workers(config: Config, trainer: L.Trainer) -> int:
    if config.data.workers is not None:
        return config.data.workers
    # On a CPU the network needs all cores, and decoded images are kept in memory; a GPU must be fed.
    if trainer.accelerator.__class__.__name__ == "CPUAccelerator":
        return 0
    return min(8, os.cpu_count() or 1)
