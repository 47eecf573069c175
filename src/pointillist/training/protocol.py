"""How a number came about: what must stand beside it so that somebody else can repeat it."""

from __future__ import annotations

from typing import Any

from pointillist.classes import ClassSet
from pointillist.training.config import Config
from pointillist.training.run_directory import DataRecord


def describe_protocol(config: Config, record: DataRecord, classes: ClassSet, steps: int) -> dict[str, Any]:
    """The protocol of a run as plain values."""
    size = config.data.size
    return {
        "method": config.method.model_dump(mode="json"),
        "points": None if record.points is None else record.points.replace("\\", "/").rsplit("/", 1)[-1],
        "clicks": record.clicks,
        "images": record.images,
        "clicks_per_image": round(record.clicks / record.images, 2),
        "data_fingerprint": record.fingerprint,
        "background": classes.policy,
        "network": f"{config.network.architecture}/{config.network.encoder}",
        "normalization": config.network.normalization,
        "initialisation": "random" if config.network.weights is None else str(config.network.weights.name),
        "size": None if size is None else f"{size[0]}x{size[1]}",
        "window": "x".join(map(str, config.data.training_window)),
        "steps": steps,
        "batch_size": config.trainer.batch_size,
        "lr": config.optimizer.lr,
        "seed": config.trainer.seed,
        "precision": config.trainer.precision,
        "checkpoint": "last",
        "test_time": "none",
        "metric": "mIoU of one confusion matrix over all pixels of the split, at each mask's own size",
    }
