"""Scoring a trained model on a split with masks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pointillist.classes import IGNORE
from pointillist.data.ambiguous import check_ambiguous
from pointillist.data.dataset import Dataset
from pointillist.errors import DatasetError, RunError
from pointillist.inference.predictor import Predictor
from pointillist.training.metrics import Scores, confusion_metric, scores
from pointillist.training.scoring import scored_image


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model on the images of a split.

    Args:
        scores: mIoU, IoU by class, pixel accuracy.
        dataset: Name of the data set's folder.
        split: Which split.
        images: Images scored.
        ignored: Pixels of their masks that belong to no class, and count for nothing.
        seconds: Time it took.
        protocol: How the model was trained.
    """

    scores: Scores
    dataset: str
    split: str
    images: int
    ignored: int
    seconds: float
    protocol: dict[str, Any]

    @property
    def miou(self) -> float:
        """Mean IoU in [0, 1]."""
        return self.scores.miou

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "dataset": self.dataset,
            "split": self.split,
            "method": self.protocol["method"]["name"],
            "seed": self.protocol["seed"],
            "miou": self.scores.miou,
            "pixel_accuracy": self.scores.pixel_accuracy,
            "per_class": self.scores.per_class,
            "images": self.images,
            "pixels": dict(zip(self.scores.class_names, self.scores.pixels, strict=True)),
            "ignored_pixels": self.ignored,
            "seconds": round(self.seconds, 2),
            "protocol": self.protocol,
        }


def evaluate(
    predictor: Predictor, dataset: Dataset, split: str = "val", *, on_image: Callable[[str], None] | None = None
) -> Evaluation:
    """Score a model on the images of a split that have masks, each at its mask's own size.

    Args:
        predictor: The model.
        dataset: Where the masks are.
        split: Which images; `all` for every one.
        on_image: Called with the name of each image that is done.

    Raises:
        DatasetError: There is no such split, no mask in it, or the ignored value may be a class.
        RunError: The model has other classes than the data set.
    """
    if predictor.classes.names != dataset.classes.names:
        raise RunError(
            f"the model knows the classes {', '.join(predictor.classes.names)}; the data set has "
            f"{', '.join(dataset.classes.names)}.",
            where=dataset.root,
            field="classes",
            hint="Evaluate on a data set with the same classes in the same order.",
        )
    items = [item for item in dataset.split(split) if item.mask is not None]
    if not items:
        raise DatasetError(
            f"no image of the split '{split}' has a mask to compare with.",
            where=dataset.root,
            field="masks",
            hint="Put masks into masks/ (same names as the images), or choose another --split.",
        )
    check_ambiguous(dataset, items)
    started = time.monotonic()
    metric = confusion_metric(dataset.classes)
    ignored = 0
    for item in items:
        pixels, mask = scored_image(dataset, item, predictor.spec)
        ignored += int((mask == IGNORE).sum())
        metric.update(predictor.labels(pixels), mask)
        if on_image is not None:
            on_image(item.name)
    return Evaluation(
        scores=scores(metric.compute(), dataset.classes),
        dataset=dataset.root.resolve().stem if dataset.root.is_file() else dataset.root.resolve().name,
        split=split,
        images=len(items),
        ignored=ignored,
        seconds=time.monotonic() - started,
        protocol=predictor.model.protocol,
    )
