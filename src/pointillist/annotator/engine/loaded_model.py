"""The trained model of the folder, as the layer and where-next ask it; lives in the engine's process."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointillist.annotator.engine.jobs import STEPS, Predicted, PredictionJob, Said
from pointillist.annotator.engine.layer import ModelOutput
from pointillist.classes import ClassSet
from pointillist.data.inputs import InputSpec, Scale
from pointillist.data.pixels import Pixels
from pointillist.data.views import WholeView
from pointillist.errors import RunError
from pointillist.inference.predictor import Predictor
from pointillist.pseudomask import PseudoMaskSettings
from pointillist.training.methods.pseudo_masks import PseudoMaskOptions
from pointillist.training.run_directory import RunDirectory
from pointillist.training.tiling import OVERLAP, probabilities_of

KEPT = 64 * 2**20
"""Bytes of predictions that are kept for the next click on the same image."""


def _less_around(
    inner: tuple[int, int, int, int], size: tuple[int, ...], margin: int
) -> tuple[tuple[slice, slice], tuple[int, int, int, int]]:
    """Part of a picture of (height, width) with at most so much around an inner part, and where that lies in it."""
    top, left, height, width = inner
    first = max(0, top - margin), max(0, left - margin)
    last = min(size[0], top + height + margin), min(size[1], left + width + margin)
    return (slice(first[0], last[0]), slice(first[1], last[1])), (top - first[0], left - first[1], height, width)


class LoadedModel:
    """A trained model; its predictions of the last images are kept.

    Args:
        run: A run directory.
    """

    def __init__(self, run: Path) -> None:
        self._predictor = Predictor(run)
        method = RunDirectory.open(run).read()[0].method
        self._settings = method.pseudo_mask if isinstance(method, PseudoMaskOptions) else PseudoMaskSettings()
        prior = self._predictor.engine.class_prior
        strength = self._settings.prior_correction
        self._divisor = None if prior is None else torch.tensor(prior)[:, None, None] ** strength
        self._kept: OrderedDict[tuple[Any, ...], Tensor] = OrderedDict()

    def output(self, key: tuple[str, ...], pixels: Pixels, outputs: Sequence[Sequence[int]]) -> ModelOutput:
        """What the model says about an image.

        Args:
            key: Which image this is, and which version of it.
            pixels: As the file has them.
            outputs: For each present class, the model's outputs that mean it; none for a class it does not know.
        """
        probabilities = self._probabilities(key, pixels)
        if self._divisor is not None:
            probabilities = probabilities / self._divisor  # as the training step did
            probabilities = probabilities / probabilities.sum(0)
        channels = [probabilities[list(indices)].sum(0) for indices in outputs]
        return ModelOutput(torch.stack(channels), self._settings)

    def uncertainty(self, pixels: Pixels) -> Tensor:
        """H×W in [0, 1]: entropy of the classes divided by its largest value."""
        prediction = self._predictor.predict(pixels, uncertainty=True)
        if prediction.uncertainty is None:
            raise RunError("the model gave no uncertainty map.", hint="Report this; the labels are safe.")
        return torch.from_numpy(prediction.uncertainty)

    @property
    def classes(self) -> ClassSet:
        """Classes in the order of the outputs, as they were called when they were learnt."""
        return self._predictor.classes

    def predicted(self, job: PredictionJob) -> Predicted:
        """The labels of an image, and how sure the model is of them."""
        spec = self._predictor.spec
        seen = spec.scale.size_of(job.size)
        if job.inner is None:
            pixels = spec.bands.scaled(Pixels(job.pixels, shrunk_from=job.size))
            inner = (0, 0, *pixels.size)
            exact = pixels.size == job.size or (seen[0] <= pixels.size[0] and seen[1] <= pixels.size[1])
        else:
            # As large as it is seen in the whole image, whatever the size of the part.
            factor, exact = spec.scale.factor(job.size), True
            spec = InputSpec(spec.bands, Scale.of(factor))
            part, inner = _less_around(job.inner, job.pixels.shape[:2], math.ceil(OVERLAP / 2 / factor))
            pixels = spec.bands.scaled(Pixels(job.pixels[part]))
        if pixels.size == job.size:
            pixels = replace(pixels, shrunk_from=None)
        said = self._predictor.predict_view(WholeView(spec, pixels), {"uncertainty"})
        top, left, height, width = inner
        window = slice(top, top + height), slice(left, left + width)
        steps = np.rint(said.map("uncertainty")[window] * np.float32(STEPS)).astype(np.uint8)
        return Predicted(np.array(said.labels[window]), steps, exact)

    def said(self, pixels: Pixels, points: NDArray[np.float64]) -> Said:
        """The label of each point (N×2, x and y on the whole image), and how many pixels have each label."""
        labels = self._predictor.predict(pixels).labels
        height, width = pixels.shrunk_from or pixels.size
        rows = (points[:, 1] * labels.shape[0] / height).astype(int).clip(0, labels.shape[0] - 1)
        columns = (points[:, 0] * labels.shape[1] / width).astype(int).clip(0, labels.shape[1] - 1)
        counts = np.bincount(labels.ravel(), minlength=256)[: len(self._predictor.classes)]
        return Said(tuple(counts.tolist()), tuple(labels[rows, columns].tolist()))

    def _probabilities(self, key: tuple[str, ...], pixels: Pixels) -> Tensor:
        whole = (*key, *pixels.size)
        found = self._kept.get(whole)
        if found is None:
            spec = self._predictor.spec
            found = torch.empty(len(self._predictor.classes), *pixels.size)
            for block in self._predictor.blocks(WholeView(spec, spec.bands.scaled(pixels))):
                found[:, *block.part] = torch.from_numpy(probabilities_of(block.logits))
            if found.nbytes <= KEPT:
                self._kept[whole] = found
        # Two threads ask here; each step alone is safe, and a prediction made twice is no harm.
        while sum(kept.nbytes for kept in list(self._kept.values())) > KEPT:
            self._kept.popitem(last=False)
        return found
