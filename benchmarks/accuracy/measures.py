"""What is measured beside mIoU: the pseudo-labels at the end of a training, and counts of objects."""

from __future__ import annotations

import statistics
import time
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from pointillist.classes import IGNORE
from pointillist.data.dataset import Dataset
from pointillist.data.images import image_size
from pointillist.data.samples import Collate, TrainingSamples
from pointillist.data.transforms import Sample
from pointillist.inference.predictor import Predictor
from pointillist.training.module import TrainingModule
from pointillist.training.pseudo_label_scores import class_counts
from pointillist.training.run_directory import RunDirectory

JUDGED = 64
"""Training images whose pseudo-labels are judged, evenly spread."""

SMALLEST = 50
"""Least pixels of a counted object, the same as for a simulated click."""


class PseudoLabelQuality(L.Callback):
    """Compares the pseudo-labels of whole training images with their masks when the training ends.

    `result` holds, by class, `coverage` (share of its real pixels that have any pseudo-label) and `precision` (share of
    the pixels labelled with it that are right), and the same over all pixels; None for methods without pseudo-labels.

    Args:
        names: G groups of classes that are judged as one.
        group: The group of each of C classes.
    """

    def __init__(self, names: tuple[str, ...], group: NDArray[np.int64]) -> None:
        self.names = names
        self.groups = torch.full((IGNORE + 1,), IGNORE)
        self.groups[: len(group)] = torch.from_numpy(group)
        self.num_classes = len(group)
        self.result: dict[str, Any] | None = None

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Judge."""
        if not isinstance(module, TrainingModule):
            return
        loader: Any = trainer.train_dataloader
        samples: TrainingSamples = loader.dataset
        counts = torch.zeros(4, len(self.names), dtype=torch.int64)
        module.eval()
        for index in range(0, len(samples), max(1, len(samples) // JUDGED)):
            sample = samples.untransformed(index)
            labels, _ = labels_of(module, sample, self.num_classes)
            if labels is None or sample.mask is None:
                break
            counts += class_counts(self.groups[labels.long()], self.groups[sample.mask.long()], len(self.names))
        module.train()
        if not counts.any():
            return
        real, covered, labelled, right = counts
        self.result = {
            "coverage": ratio(covered.sum(), real.sum()),
            "precision": ratio(right.sum(), labelled.sum()),
            "coverage_by_class": {n: ratio(covered[c], real[c]) for c, n in enumerate(self.names)},
            "precision_by_class": {n: ratio(right[c], labelled[c]) for c, n in enumerate(self.names)},
        }


@torch.no_grad()
def labels_of(module: TrainingModule, sample: Sample, num_classes: int) -> tuple[Tensor | None, Tensor]:
    """Pseudo-labels (None where the method makes none) and prediction of one image, H×W on the CPU."""
    step = module.step_input(Collate(num_classes)([(sample, sample.image)]).to(module.device))
    labels = module.method.pseudo_labels(step)
    return None if labels is None else labels[0].cpu(), step.output.logits[0].argmax(0).cpu()


class StepTime(L.Callback):
    """Time from the end of one step to the end of the next, reading and augmenting the images included.

    The first pass over the images is left out: there they are decoded, and distances are made, once and for all.
    """

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.cpu_ends: list[float] = []

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Look at the clocks."""
        if trainer.current_epoch > 0:
            self.ends.append(time.perf_counter())
            self.cpu_ends.append(time.process_time())

    @property
    def milliseconds(self) -> float | None:
        """Median of the wall time; None when there was only one pass."""
        return round(1000 * statistics.median(np.diff(self.ends)), 2) if len(self.ends) > 1 else None

    @property
    def cpu_milliseconds(self) -> float | None:
        """Mean of the processor time, which other programs on the machine hardly change; None as above."""
        ends = self.cpu_ends
        return round(1000 * (ends[-1] - ends[0]) / (len(ends) - 1), 2) if len(ends) > 1 else None


def ratio(part: Tensor, whole: Tensor) -> float | None:
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
        labels = predictor(item.image)
        real.append(sum(components(mask == c) for c in wanted))
        errors.append(abs(sum(components(labels == c) for c in wanted) - real[-1]))
    return {"mae": round(float(np.mean(errors)), 3), "objects": round(float(np.mean(real)), 3)}


def components(region: NDArray[np.bool_]) -> int:
    """Number of 8-connected components of at least `SMALLEST` pixels."""
    marked, _ = ndimage.label(region, np.ones((3, 3)))
    return int(np.count_nonzero(np.bincount(marked.ravel())[1:] >= SMALLEST))
