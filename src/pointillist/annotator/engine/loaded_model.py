"""The trained model of the folder, as the layer and where-next ask it; lives in the engine's process."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointillist.annotator.engine.layer import ModelOutput
from pointillist.annotator.images.pyramid import Pixels
from pointillist.errors import RunError
from pointillist.inference.predictor import Predictor
from pointillist.training.methods.single_stage import SingleStageOptions
from pointillist.training.run_directory import RunDirectory

KEPT = 64 * 2**20
"""Bytes of predictions that are kept for the next click on the same image."""


class LoadedModel:
    """A trained model; its predictions of the last images are kept.

    Args:
        run: A run directory.
    """

    def __init__(self, run: Path) -> None:
        self._predictor = Predictor(run)
        method = RunDirectory.open(run).read()[0].method
        self._options = method if isinstance(method, SingleStageOptions) else SingleStageOptions()
        size = self._predictor.model.size
        self._scale = None if size is None else math.sqrt(size[0] * size[1])
        expected = self._predictor.model.expected
        self._expected = None if expected is None else torch.tensor(expected)[:, None, None]
        self._kept: OrderedDict[tuple[Any, ...], Tensor] = OrderedDict()

    def output(self, key: tuple[str, ...], pixels: Pixels, outputs: Sequence[Sequence[int]]) -> ModelOutput:
        """What the model says about an image.

        Args:
            key: Which image this is, and which version of it.
            pixels: H×W×3 uint8.
            outputs: For each present class, the model's outputs that mean it; none for a class it does not know.
        """
        shares = self._probabilities(key, pixels)
        height, width = pixels.shape[:2]
        if self._expected is not None:
            shares = shares / self._expected  # as the training step did
            shares = shares / shares.sum(0)
        planes = [shares[list(indices)].sum(0) for indices in outputs]
        # Colours weigh as much against the image's size as they did in training.
        zoom = 1.0 if self._scale is None else math.sqrt(height * width) / self._scale
        return ModelOutput(torch.stack(planes), self._options, self._options.gamma * zoom)

    def uncertainty(self, pixels: Pixels) -> Tensor:
        """H×W in [0, 1]: entropy of the classes divided by its largest value."""
        prediction = self._predictor.predict(pixels, uncertainty=True)
        if prediction.uncertainty is None:
            raise RunError("the model gave no uncertainty map.", hint="Report this; the labels are safe.")
        return torch.from_numpy(prediction.uncertainty)

    def _probabilities(self, key: tuple[str, ...], pixels: Pixels) -> Tensor:
        whole = (*key, *pixels.shape[:2])
        found = self._kept.get(whole)
        if found is None:
            found = torch.cat([strip for _, strip in self._predictor.probability_strips(pixels)], dim=1)
            if found.nbytes <= KEPT:
                self._kept[whole] = found
        # Two threads ask here; each step alone is safe, and a prediction made twice is no harm.
        while sum(kept.nbytes for kept in list(self._kept.values())) > KEPT:
            self._kept.popitem(last=False)
        return found
