"""A trained model as a function from image to label map."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointillist.classes import ClassSet
from pointillist.errors import ConfigError, ImageError, RunError
from pointillist.inference.tiling import OVERLAP, TILE, tiled_strips
from pointillist.training.model_folder import Model, load_model
from pointillist.training.run_directory import RunDirectory
from pointillist.training.scoring import network_input, upsample_strips

LARGEST_PASS = 1280 * 1280
"""Pixels, at the scale of training, that go through the network at once; more are tiled."""


@dataclass(frozen=True)
class Prediction:
    """What a model says about one image, at the image's own size.

    Args:
        labels: H×W uint8 class indices.
        confidence: H×W float32, probability of the label, in [0, 1]; None when not asked for.
        uncertainty: H×W float32, entropy of the classes divided by log C, in [0, 1]; None when not asked for.
    """

    labels: NDArray[np.uint8]
    confidence: NDArray[np.float32] | None = None
    uncertainty: NDArray[np.float32] | None = None


class Predictor:
    """Predicts images of any size with a trained model.

    Args:
        run: A run directory, or a `model/` directory.
        device: auto, cpu, cuda, cuda:1, mps.

    Raises:
        RunError: There is no trained model.
        ConfigError: The device is not available.

    Example:
        `labels = Predictor("runs/berries")(image)` for an H×W×3 uint8 RGB image.
    """

    def __init__(self, run: str | Path | RunDirectory, device: str = "auto") -> None:
        root = run.root if isinstance(run, RunDirectory) else Path(run)
        if not root.is_dir():
            raise RunError("there is no such run.", where=root, hint="Check the path of the run directory.")
        folder = root if (root / "model.json").is_file() else root / "model"
        self.model: Model = load_model(folder)
        self.device = pick_device(device)
        self.network = self.model.network.to(self.device)

    @property
    def classes(self) -> ClassSet:
        """Classes in the order of the labels."""
        return self.model.classes

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Label an H×W×3 uint8 RGB image; see `predict`."""
        return self.predict(image).labels

    def predict(self, image: NDArray[np.uint8], *, confidence: bool = False, uncertainty: bool = False) -> Prediction:
        """Label an image at its own size.

        Args:
            image: H×W×3 uint8, RGB, upright.
            confidence: Whether to give the confidence map.
            uncertainty: Whether to give the uncertainty map.

        Raises:
            ImageError: The array is no such image.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise ImageError(
                f"the array has shape {image.shape} and type {image.dtype}.",
                field="image",
                hint="Give height × width × 3 uint8 values in RGB order.",
            )
        size = (image.shape[0], image.shape[1])
        labels = np.empty(size, dtype=np.uint8)
        sure = np.empty(size, dtype=np.float32) if confidence else None
        unsure = np.empty(size, dtype=np.float32) if uncertainty else None
        for top, probabilities in self.probability_strips(image):
            rows = slice(top, top + probabilities.shape[1])
            best, index = probabilities.max(0)
            labels[rows] = index.to(torch.uint8).numpy()
            if sure is not None:
                sure[rows] = best.numpy()
            if unsure is not None:
                entropy = torch.special.entr(probabilities).sum(0) / math.log(probabilities.shape[0])
                unsure[rows] = entropy.clamp(0, 1).numpy()
        return Prediction(labels, sure, unsure)

    @torch.inference_mode()
    def probability_strips(self, image: NDArray[np.uint8]) -> Iterator[tuple[int, Tensor]]:
        """Class probabilities at the image's own size, strip by strip from the top, so that memory stays bounded.

        Args:
            image: H×W×3 uint8.

        Yields:
            First row, and C×rows×W probabilities on the CPU.
        """
        scaled = network_input(image, self.model.size)
        size = (image.shape[0], image.shape[1])
        if scaled.shape[-2] * scaled.shape[-1] > LARGEST_PASS and tuple(scaled.shape[-2:]) == size:
            yield from tiled_strips(self.network, scaled, tile=TILE, overlap=OVERLAP)
            return
        logits = self.network(scaled[None].to(self.device)).logits[0].float().cpu()
        for top, strip in upsample_strips(logits, size):
            yield top, strip.softmax(0)


def pick_device(name: str) -> torch.device:
    """A device by name; `auto` takes a GPU where there is one.

    Raises:
        ConfigError: There is none of this name.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"{name!r} is not available here.", field="device", hint="Use cpu, or leave the choice to auto."
        ) from error
    return device
