"""What is measured beside mIoU: the pseudo-masks at the end of a training, and counts of objects."""

from __future__ import annotations

import statistics
import time
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pointillist.classes import IGNORE
from pointillist.data.dataset import Dataset
from pointillist.data.images import image_size, read_image
from pointillist.data.samples import Collate, TrainingSamples
from pointillist.inference.predictor import Predictor
from pointillist.training.methods import Step
from pointillist.training.module import TrainingModule
from pointillist.training.run_directory import RunDirectory

JUDGED = 64
"""Training images whose pseudo-masks are judged, evenly spread."""

SMALLEST = 50
"""Least pixels of a counted object, the same as for a simulated click."""


class PseudoMaskQuality(L.Callback):
    """Compares the pseudo-masks of whole training images with their masks when the training ends.

    `result` holds, by class, `coverage` (share of its real pixels that are labelled at all) and `agreement` (share of
    the pixels labelled with it that are right), and the same over all pixels; None for methods without pseudo-masks.

    Args:
        names: Classes.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.result: dict[str, Any] | None = None

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Judge."""
        if not isinstance(module, TrainingModule) or module.method.supervision == "masks":
            return
        loader: Any = trainer.train_dataloader
        samples: TrainingSamples = loader.dataset
        counts = np.zeros((4, len(self.names)), np.int64)
        module.eval()
        with torch.no_grad():
            for index in range(0, len(samples), max(1, len(samples) // JUDGED)):
                sample = samples.whole(index)
                batch = Collate(len(self.names))([(sample, sample.image)])
                prediction = module.network(batch.view)
                guide = module.guide(prediction, batch)
                labels = module.method.loss(Step(prediction, batch.without_masks(), 1.0, guide)).labels
                if labels is None or sample.mask is None:
                    return
                counts += self._count(labels[0].numpy(), sample.mask.numpy())
        module.train()
        real, covered, kept, right = counts
        self.result = {
            "coverage": ratio(covered.sum(), real.sum()),
            "agreement": ratio(right.sum(), kept.sum()),
            "coverage_by_class": {n: ratio(covered[c], real[c]) for c, n in enumerate(self.names)},
            "agreement_by_class": {n: ratio(right[c], kept[c]) for c, n in enumerate(self.names)},
        }

    def _count(self, labels: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.int64]:
        """Real pixels, those of them with a pseudo-label, pixels pseudo-labelled as the class, right ones; by class."""
        known = mask != IGNORE
        classes = range(len(self.names))
        return np.array(
            [
                [np.count_nonzero(known & (mask == c)) for c in classes],
                [np.count_nonzero(known & (mask == c) & (labels != IGNORE)) for c in classes],
                [np.count_nonzero(known & (labels == c)) for c in classes],
                [np.count_nonzero(known & (labels == c) & (mask == c)) for c in classes],
            ]
        )


class StepTime(L.Callback):
    """Wall time from the end of one step to the end of the next, reading and augmenting the images included.

    The first pass over the images is left out: there they are decoded, and fields are made, once and for all.
    """

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Look at the clock."""
        if trainer.current_epoch > 0:
            self.ends.append(time.perf_counter())

    @property
    def milliseconds(self) -> float | None:
        """Median; None when there was only one pass."""
        steps = [after - before for before, after in zip(self.ends, self.ends[1:], strict=False)]
        return round(1000 * statistics.median(steps), 2) if steps else None


def ratio(part: int, whole: int) -> float | None:
    """A share, or None of nothing."""
    return round(float(part) / float(whole), 4) if whole else None


def count_error(run: RunDirectory, dataset: Dataset, classes: list[str]) -> dict[str, float]:
    """Mean absolute error of the number of objects per validation image, and the mean number itself.

    An object is an 8-connected component of at least 50 px of one class, in the prediction as in the mask, both at the
    mask's own size.

    Args:
        run: A trained run.
        dataset: A data set with masks in its split `val`.
        classes: Classes whose components are counted together.
    """
    predictor = Predictor(run, "cpu")
    wanted = [dataset.classes.names.index(name) for name in classes]
    errors, real = [], []
    for item in dataset.split("val"):
        if item.mask is None:
            continue
        mask = dataset.masks.read(item.mask, image_size(item.image))
        labels = predictor.predict(read_image(item.image)).labels
        real.append(sum(components(mask == c) for c in wanted))
        errors.append(abs(sum(components(labels == c) for c in wanted) - real[-1]))
    return {"mae": round(float(np.mean(errors)), 3), "objects": round(float(np.mean(real)), 3)}


def components(region: NDArray[np.bool_]) -> int:
    """Number of 8-connected components of at least `SMALLEST` pixels."""
    marked, _ = ndimage.label(region, np.ones((3, 3)))
    return int(np.count_nonzero(np.bincount(marked.ravel())[1:] >= SMALLEST))
