"""Scoring a trained model on a split with masks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import IGNORE
from pointillist.data.ambiguous import check_ambiguous
from pointillist.data.dataset import Dataset
from pointillist.errors import DatasetError, RunError
from pointillist.inference.bootstrap import interval, resampled_miou
from pointillist.inference.boundary import TOLERANCE, boundary_f_scores
from pointillist.inference.calibration import Calibration, CalibrationCounter
from pointillist.inference.prediction import empty_array
from pointillist.inference.predictor import Predictor
from pointillist.points.formats.files import write_csv_rows
from pointillist.sealed import sealed
from pointillist.training.metrics import (
    Scores,
    by_class,
    class_iou,
    confusion_matrix,
    known,
    mean_of_known,
    scores,
    share,
)
from pointillist.training.scoring import ScoredImage
from pointillist.training.tiling import probabilities_of


@dataclass(frozen=True)
class ImageScores:
    """Scores of one image.

    Args:
        name: Its name in the data set.
        counts: 3×C pixels by class: right, in the mask, predicted.
        ignored: Pixels of its mask that belong to no class.
        boundary: C boundary F-scores; NaN for a class without a boundary in mask and prediction.
    """

    name: str
    counts: NDArray[np.int64]
    ignored: int
    boundary: NDArray[np.float64]

    @property
    def iou(self) -> tuple[float, ...]:
        """IoU by class; NaN for a class absent from both mask and prediction."""
        return tuple(class_iou(*self.counts).tolist())

    @property
    def miou(self) -> float:
        """Mean IoU over the classes that occur in its mask or prediction; NaN where all is ignored."""
        return float(mean_of_known(class_iou(*self.counts)))

    @property
    def pixel_accuracy(self) -> float:
        """Share of its labelled pixels that are right; NaN where all is ignored."""
        return float(share(self.counts[0].sum(), self.counts[1].sum()))

    @property
    def boundary_f(self) -> float:
        """Mean boundary F-score over classes; NaN where there is no boundary."""
        return float(mean_of_known(self.boundary))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `compare` reads the counts."""
        return {
            "image": self.name,
            "miou": known(self.miou),
            "pixel_accuracy": known(self.pixel_accuracy),
            "boundary_f": known(self.boundary_f),
            "ignored_pixels": self.ignored,
            **dict(zip(("correct", "pixels", "predicted"), self.counts.tolist(), strict=True)),
        }


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model on the images of a split.

    Args:
        scores: mIoU, IoU, precision, recall, F1, confusion matrix, pixel accuracy.
        dataset: Name of the data set's folder.
        split: Which split.
        per_image: Scores of each image.
        calibration: Reliability curve and expected calibration error.
        seconds: Time it took.
        protocol: How the model was trained.
    """

    scores: Scores
    dataset: str
    split: str
    per_image: tuple[ImageScores, ...]
    calibration: Calibration
    seconds: float
    protocol: dict[str, Any]

    @property
    def miou(self) -> float:
        """Mean IoU in [0, 1]."""
        return self.scores.miou

    @property
    def images(self) -> int:
        """Images scored."""
        return len(self.per_image)

    @property
    def ignored(self) -> int:
        """Pixels of their masks that belong to no class, and count for nothing."""
        return sum(image.ignored for image in self.per_image)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """N×3×C pixels by image and class: right, in the mask, predicted."""
        return np.stack([image.counts for image in self.per_image])

    @cached_property
    def miou_interval(self) -> tuple[float, float] | None:
        """95 % interval of mIoU from 1,000 bootstrap resamples of the images; None for a single image."""
        return interval(resampled_miou(self.counts), self.images)

    @cached_property
    def boundary_per_class(self) -> tuple[float, ...]:
        """Boundary F-score by class, its mean over images where it has a boundary; NaN where it has none in any."""
        return tuple(mean_of_known(np.stack([image.boundary for image in self.per_image], axis=-1)).tolist())

    @property
    def boundary_f(self) -> float:
        """Mean boundary F-score over classes, in [0, 1]; NaN where there is no boundary."""
        return float(mean_of_known(np.array(self.boundary_per_class)))

    def worst(self, count: int = 3) -> list[ImageScores]:
        """The images with the lowest mIoU, the worst first; none whose mask is all ignored."""
        return sorted((image for image in self.per_image if image.miou == image.miou), key=lambda i: i.miou)[:count]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = self.scores.class_names
        return {
            "dataset": self.dataset,
            "split": self.split,
            "method": self.protocol["method"]["name"],
            "seed": self.protocol["seed"],
            "miou": known(self.miou),
            "miou_interval": self.miou_interval,
            "pixel_accuracy": known(self.scores.pixel_accuracy),
            "per_class": self.scores.per_class,
            "precision": by_class(names, self.scores.precision),
            "recall": by_class(names, self.scores.recall),
            "f1": by_class(names, self.scores.f1),
            "confusion": {
                "counts": self.scores.confusion,
                "shares": [[known(value) for value in row] for row in self.scores.confusion_shares],
            },
            "boundary_f": {
                "mean": known(self.boundary_f),
                "tolerance": TOLERANCE,
                "per_class": by_class(names, self.boundary_per_class),
            },
            "calibration": self.calibration.to_dict(),
            "images": self.images,
            "pixels": dict(zip(names, self.scores.pixels, strict=True)),
            "ignored_pixels": self.ignored,
            "seconds": round(self.seconds, 2),
            "protocol": self.protocol,
            "per_image": [image.to_dict() for image in self.per_image],
        }

    def to_json(self) -> str:
        """The same as the text of a file; `compare` reads it."""
        return sealed(self.to_dict(), indent=2)

    def write_csv(self, path: Path) -> None:
        """Write a row for each image: its scores, and IoU by class; what is not defined is empty.

        Raises:
            SaveError: The file cannot be written.
        """
        figures = ("image", "miou", "pixel_accuracy", "boundary_f", "ignored_pixels")
        rows: list[list[object]] = [[*figures, *(f"iou {name}" for name in self.scores.class_names)]]
        for image in self.per_image:
            values = image.to_dict()
            rows.append([*(values[figure] for figure in figures), *map(known, image.iou)])
        write_csv_rows(path, rows)


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
    total = np.zeros((len(dataset.classes),) * 2, np.int64)
    calibration = CalibrationCounter()
    per_image = []
    for item in items:
        image = ScoredImage(dataset, item, predictor.spec)
        labels, mask = (empty_array(image.size, np.uint8) for _ in range(2))
        confusion = np.zeros_like(total)
        for block, real in image.blocks(predictor.engine.run):
            probabilities = probabilities_of(block.logits)
            said = probabilities.argmax(0)
            labelled = real != IGNORE
            calibration.update(probabilities.max(0)[labelled], (said == real)[labelled])
            confusion += confusion_matrix(said, real, len(dataset.classes))
            labels[block.part], mask[block.part] = said, real
        total += confusion
        boundary = boundary_f_scores(labels, mask, len(dataset.classes))
        counts = np.stack([confusion.diagonal(), confusion.sum(1), confusion.sum(0)])
        per_image.append(ImageScores(item.name, counts, mask.size - int(counts[1].sum()), boundary))
        if on_image is not None:
            on_image(item.name)
    return Evaluation(
        scores=scores(total, dataset.classes),
        dataset=dataset.root.resolve().stem if dataset.root.is_file() else dataset.root.resolve().name,
        split=split,
        per_image=tuple(per_image),
        calibration=calibration.compute(),
        seconds=time.monotonic() - started,
        protocol=predictor.engine.protocol,
    )
