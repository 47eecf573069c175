"""The trained model of the folder, as the layer and where-next ask it; lives in the engine's process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointillist.annotator.engine.layer import ModelOutput
from pointillist.data.pixels import Pixels
from pointillist.data.views import WholeView
from pointillist.errors import RunError
from pointillist.inference.predictor import Predictor
from pointillist.pseudomask import PseudoMaskSettings
from pointillist.training.methods.pseudo_masks import PseudoMaskOptions
from pointillist.training.run_directory import RunDirectory
from pointillist.training.tiling import probabilities_of

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
