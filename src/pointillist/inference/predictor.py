"""A trained model as a function from image to label map."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.arrays import pixels_of
from pointillist.data.images import read_pixels
from pointillist.data.inputs import MOST_FACTOR, InputSpec, Scale
from pointillist.data.pixels import Pixels, Plane
from pointillist.data.regions import Part, Source, file_of
from pointillist.errors import ConfigError, RunError
from pointillist.inference.prediction import Prediction
from pointillist.training.model_folder import Model, load_model
from pointillist.training.run_directory import RunDirectory
from pointillist.training.scoring import labels_at
from pointillist.training.tiling import probability_strips


class Predictor:
    """Predicts images of any size with a trained model.

    Args:
        run: A run directory, or a `model/` directory.
        device: auto, cpu, cuda, cuda:1, mps.

    Raises:
        RunError: There is no trained model.
        ConfigError: The device is not available.

    Example:
        `labels = Predictor("runs/berries")("photo.jpg")`.
    """

    spec: InputSpec
    """What images are taken for: what the model has learnt, unless somebody knows better, see `take`."""

    def __init__(self, run: str | Path | RunDirectory, device: str = "auto") -> None:
        root = run.root if isinstance(run, RunDirectory) else Path(run)
        if not root.is_dir():
            raise RunError("there is no such run.", where=root, hint="Check the path of the run directory.")
        folder = root if (root / "model.json").is_file() else root / "model"
        self.model: Model = load_model(folder)
        self.device = pick_device(device)
        self.network = self.model.network.to(self.device)
        self.spec = self.model.spec

    @property
    def classes(self) -> ClassSet:
        """Classes in the order of the labels."""
        return self.model.classes

    def take(
        self,
        *,
        bands: Sequence[int] | None = None,
        range_: Sequence[float] | None = None,
        plane: Plane | None = None,
        scale: float | None = None,
    ) -> None:
        """Take images for something else than what was learnt.

        Args:
            bands: Bands of the files that the model's bands are, counted from 1.
            range_: The two values that are black and white, whatever the files' type.
            plane: Which picture of files with several.
            scale: Factor at which images are seen.

        Raises:
            ConfigError: The numbers do not fit the model, or are none that can be.
        """
        if range_ is not None and (len(range_) != 2 or range_[0] >= range_[1]):
            raise ConfigError(f"{list(range_)} is no range.", field="--range", hint="Give two values: 0,65535.")
        if scale is not None and not 0 < scale <= MOST_FACTOR:
            raise ConfigError(f"{scale:g} is no factor.", field="--scale", hint="Give a number above 0, such as 0.5.")
        ranges = None if range_ is None else [(range_[0], range_[1])]
        self.spec = InputSpec(
            self.spec.bands.taking(bands, ranges, plane), self.spec.scale if scale is None else Scale.of(scale)
        )

    @overload
    def __call__(self, image: AnyImage) -> NDArray[np.uint8]: ...
    @overload
    def __call__(self, image: list[Any] | tuple[Any, ...]) -> list[NDArray[np.uint8]]: ...
    def __call__(self, image: AnyImage | list[Any] | tuple[Any, ...]) -> NDArray[np.uint8] | list[NDArray[np.uint8]]:
        """Label an image, or each image of a list: H×W uint8 class indices, 255 = no data; see `predict`."""
        if isinstance(image, list | tuple):
            return [prediction.labels for prediction in self.predict(image)]
        return self.predict(image).labels

    @overload
    def predict(self, image: AnyImage, *, confidence: bool = ..., uncertainty: bool = ...) -> Prediction: ...
    @overload
    def predict(
        self, image: list[Any] | tuple[Any, ...], *, confidence: bool = ..., uncertainty: bool = ...
    ) -> list[Prediction]: ...
    def predict(
        self, image: AnyImage | list[Any] | tuple[Any, ...], *, confidence: bool = False, uncertainty: bool = False
    ) -> Prediction | list[Prediction]:
        """Label an image at its own size.

        Args:
            image: A file (str or Path); a PIL image; NumPy H×W×K or H×W; torch K×H×W or H×W; `Pixels`; or a list or
                tuple of any of these, which gives a list, an image at a time. Arrays, tensors and `Pixels` are upright,
                with the bands, their order, the type and the range of values that the model has learnt
                (`predictor.spec.bands`): red, green, blue from 0 to 255 for photographs. H×W is one band; of uint8, it
                is a grey photograph.
            confidence: Whether to give the confidence map.
            uncertainty: Whether to give the uncertainty map.

        Raises:
            ImageError: It cannot be read, is no image, or has other bands or another type.
        """
        if isinstance(image, list | tuple):
            return [self._predict(one, f"image[{n}]", confidence, uncertainty) for n, one in enumerate(image)]
        return self._predict(image, "image", confidence, uncertainty)

    def _predict(self, image: AnyImage, called: str, confidence: bool, uncertainty: bool) -> Prediction:
        pixels = self._pixels(image, called)
        labels = np.empty(pixels.size, dtype=np.uint8)
        sure = np.empty(pixels.size, dtype=np.float32) if confidence else None
        unsure = np.empty(pixels.size, dtype=np.float32) if uncertainty else None
        for top, probabilities in self.probability_strips(pixels):
            rows = slice(top, top + probabilities.shape[1])
            best, index = probabilities.max(0)
            labels[rows] = index.to(torch.uint8).numpy()
            if sure is not None:
                sure[rows] = best.numpy()
            if unsure is not None:
                entropy = torch.special.entr(probabilities).sum(0) / math.log(probabilities.shape[0])
                unsure[rows] = entropy.clamp(0, 1).numpy()
        if pixels.valid is not None:
            labels[~pixels.valid] = IGNORE
        return Prediction(labels, sure, unsure)

    def _pixels(self, image: AnyImage, called: str) -> Pixels:
        """An image as `Bands.read` gives it."""
        if isinstance(image, str | Path | Part):
            source = Path(image) if isinstance(image, str) else image
            return self.spec.bands.scaled(read_pixels(source, plane=self.spec.bands.plane), file_of(source))
        return self.spec.bands.scaled(pixels_of(image, field=called, also="a file, "), called)

    @torch.inference_mode()
    def labels(self, pixels: Pixels) -> Tensor:
        """H×W int64 most likely class of every pixel of an image as `Bands.read` gives it."""
        return labels_at(self.network, self.spec.tensor(pixels), pixels.size)

    @torch.inference_mode()
    def probability_strips(self, pixels: Pixels) -> Iterator[tuple[int, Tensor]]:
        """Class probabilities at the image's own size, strip by strip from the top, so that memory stays bounded.

        Args:
            pixels: As `Bands.read` gives them.

        Yields:
            First row, and C×rows×W probabilities on the CPU.
        """
        yield from probability_strips(self.network, self.spec.tensor(pixels), pixels.size)


AnyImage = NDArray[Any] | Tensor | Image.Image | Pixels | Source | str
"""What can be predicted."""


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
