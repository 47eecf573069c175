"""What feeds a training: samples and scored images, on the processes that a machine has for it."""

from __future__ import annotations

import os
from collections.abc import Sequence

import lightning as L
import torch
from torch.utils.data import DataLoader

from pointillist.data.dataset import Item
from pointillist.data.draws import DrawSampler, steps_per_epoch
from pointillist.data.samples import Batch, TrainingSamples
from pointillist.training.config import Config
from pointillist.training.inputs import TrainingInput
from pointillist.training.scoring import ScoredImages


def training_loader(config: Config, samples: TrainingSamples, length: int, trainer: L.Trainer) -> DataLoader[Batch]:
    """The endless stream of samples, an epoch of steps at a time; `length` is the number of images in an epoch."""
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
        collate_fn=samples.collate,
        persistent_workers=workers > 0,
        # Of its own, so that opening a loader does not move the random state of the training.
        generator=torch.Generator().manual_seed(config.trainer.seed),
    )


def validation_loader(
    config: Config, given: TrainingInput, items: Sequence[Item], trainer: L.Trainer
) -> DataLoader[list[object]]:
    """The images that are scored while it trains, one by one."""
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
