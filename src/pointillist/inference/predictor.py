"""A trained model as a function from image to label map."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.arrays import pixels_of
from pointillist.data.inputs import MOST_FACTOR, InputSpec, Scale
from pointillist.data.pixels import Plane
from pointillist.data.regions import Part
from pointillist.data.views import View, WholeView, open_view
from pointillist.errors import ConfigError
from pointillist.inference.engines.base import Engine
from pointillist.inference.hub import find_model, unpacked
from pointillist.inference.prediction import Map, Prediction, empty_prediction
from pointillist.training.tiling import Block, logit_blocks, probabilities_of

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from pointillist.data.pixels import Pixels
    from pointillist.data.regions import Source
    from pointillist.training.own import OwnModule
    from pointillist.training.run_directory import RunDirectory

    AnyImage = NDArray[Any] | Tensor | Image.Image | Pixels | Source | str


class Predictor:
    """Predicts images of any size with a trained model.

    Args:
        run: A run directory, a `model/` directory, a `.zip` or `.onnx` that `pointillist export` made; see
            `find_model`.
        device: auto, cpu, cuda, cuda:1, mps; an ONNX file is run on the CPU.
        network: The network that was handed to `pointillist.train`, or what makes it: the model has its weights, and
            nothing that would be executed. A copy gets them.

    Raises:
        RunError: There is no trained model, or its network is missing or another.
        ConfigError: The device is not available, or a network is handed over where none is missing.

    Example:
        `labels = Predictor("runs/berries")("photo.jpg")`.
    """

    spec: InputSpec
    """What images are taken for: what the model has learnt, unless somebody knows better, see `take`."""

    def __init__(self, run: str | Path | RunDirectory, device: str = "auto", network: OwnModule | None = None) -> None:
        self.engine: Engine = open_model(Path(run if isinstance(run, str | Path) else run.root), device, network)
        self.spec = self.engine.spec

    @classmethod
    def from_hub(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        device: str = "auto",
    ) -> Predictor:
        """Open a model as the Hugging Face Hub has it: a folder, or `owner/name`; see `find_model`.

        Raises:
            RunError: There is no model, or the Hub does not give it.
            ConfigError: It would have to be fetched, and huggingface_hub is missing; or the device is not available.
        """
        return cls(find_model(name, revision=revision, cache_dir=cache_dir), device)

    @property
    def classes(self) -> ClassSet:
        """Classes in the order of the labels."""
        return self.engine.classes

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
    def predict(
        self, image: AnyImage, *, confidence: bool = ..., uncertainty: bool = ..., probabilities: bool = ...
    ) -> Prediction: ...
    @overload
    def predict(
        self,
        image: list[Any] | tuple[Any, ...],
        *,
        confidence: bool = ...,
        uncertainty: bool = ...,
        probabilities: bool = ...,
    ) -> list[Prediction]: ...
    def predict(
        self,
        image: AnyImage | list[Any] | tuple[Any, ...],
        *,
        confidence: bool = False,
        uncertainty: bool = False,
        probabilities: bool = False,
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
            probabilities: Whether to give the probabilities of all classes.

        Raises:
            ImageError: It cannot be read, is no image, or has other bands or another type.
            SaveError: There is no space for what is said about a large image.
        """
        asked: dict[Map, bool] = {"confidence": confidence, "uncertainty": uncertainty, "probabilities": probabilities}
        maps = {name for name, wanted in asked.items() if wanted}
        if isinstance(image, list | tuple):
            return [self._predict(one, f"image[{n}]", maps) for n, one in enumerate(image)]
        return self._predict(image, "image", maps)

    def _predict(self, image: AnyImage, called: str, maps: Collection[Map]) -> Prediction:
        if isinstance(image, str | Path | Part):
            with open_view(self.spec, Path(image) if isinstance(image, str) else image) as view:
                return self.predict_view(view, maps)
        pixels = self.spec.bands.scaled(pixels_of(image, field=called, also="a file, "), called)
        return self.predict_view(WholeView(self.spec, pixels), maps)

    def predict_view(self, view: View, maps: Collection[Map] = (), folder: Path | None = None) -> Prediction:
        """Label an image that is opened already.

        Args:
            view: The image.
            maps: What to give beside the labels.
            folder: Where what is said about a large image is kept, while anybody holds it; None for the system's own
                place for temporary files.

        Raises:
            ImageError: The file cannot be read.
            SaveError: There is no space for what is said about a large image.
        """
        return collect(self.blocks(view), view, len(self.classes), maps, folder)

    def blocks(self, view: View) -> Iterator[Block]:
        """Logits at the image's own size, block by block; see `tiling.logit_blocks`."""
        return logit_blocks(self.engine.run, view.read, view.size, view.own)


def collect(
    blocks: Iterator[Block], view: View, classes: int, maps: Collection[Map] = (), folder: Path | None = None
) -> Prediction:
    """What blocks of logits say; see `Predictor.predict_view`.

    Raises:
        ImageError, SaveError: See there.
    """
    found = empty_prediction(view.own, classes, maps, folder)
    for block in blocks:
        labels, valid = block.logits.argmax(0), view.valid(*block.window)
        if valid is not None:
            labels[~valid] = IGNORE
        found.labels[block.part] = labels
        if maps:
            _fill(found, block)
        found.release()
    return found


def _fill(found: Prediction, block: Block) -> None:
    """The maps that are asked for, of a block."""
    part, shares = block.part, probabilities_of(block.logits)
    if found.confidence is not None:
        found.confidence[part] = shares.max(0)
    if found.uncertainty is not None:
        entropy = -(shares * np.log(np.maximum(shares, 1e-30))).sum(0) / math.log(len(shares))
        found.uncertainty[part] = entropy.clip(0, 1)
    if found.probabilities is not None:
        found.probabilities[:, *part] = shares


def open_model(path: Path, device: str, network: OwnModule | None = None) -> Engine:
    """Open whatever is a trained model.

    Raises:
        RunError: There is none.
        ConfigError: The device is not available, or a network is handed over where none is missing.
    """
    with unpacked(find_model(path)) as place:
        if place.is_dir() and (place / "model.json").is_file() and find_spec("torch"):
            from pointillist.inference.engines import torch

            return torch.open_engine(place, device, network)
        file = place / "model.onnx" if place.is_dir() else place
        if not file.is_file():
            hint = "Install it with: pip install 'pointillist[train]'; or export the model there with --to onnx."
            raise ConfigError("this model needs torch, which is not installed.", where=path, hint=hint)
        if network is not None:
            raise ConfigError("the file has its network.", where=file, field="network", hint="Leave network=… out.")
        from pointillist.inference.engines import onnx

        return onnx.open_engine(file, device)
