"""What the plug-in computes, without a window: what clicks imply, and learning from them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from numpy.typing import NDArray

from pointillist.annotator.engine.jobs import Clicks
from pointillist.annotator.engine.layer import layer_labels
from pointillist.annotator.engine.loaded_model import LoadedModel
from pointillist.api import train
from pointillist.classes import ClassSet
from pointillist.data.bands import Bands
from pointillist.data.dataset import Dataset
from pointillist.data.pixels import Pixels
from pointillist.errors import PointsError
from pointillist.inference.predictor import Predictor
from pointillist.training.run_directory import RunDirectory

LIVE_SIDE = 1024
"""What clicks imply is worked out on images of at most so many rows and columns; larger ones are shrunk for it."""

Click = tuple[float, float, str]


def dataset(
    images: Sequence[Pixels], clicks: Sequence[Sequence[Click]], names: Sequence[str], classes: ClassSet
) -> Dataset:
    """Images with their clicks, checked for training.

    Raises:
        PointsError: There are no clicks, or some do not fit.
    """
    if not any(clicks):
        raise PointsError("there are no clicks.", hint="Choose a class in the list, and click where it is.")
    return Dataset.from_arrays(images, clicks, classes, names=names)


def bands_of(image: Pixels, classes: ClassSet) -> Bands:
    """Bands of an image, with the range of their values."""
    return Dataset.from_arrays([image], [[]], classes).with_bands().known_bands


def implied(
    image: Pixels,
    bands: Bands,
    clicks: Sequence[Click],
    classes: ClassSet,
    model: LoadedModel | None = None,
    still_wanted: Callable[[], bool] = lambda: True,
) -> NDArray[np.uint8] | None:
    """The pseudo-mask of an image: what a training would make of its clicks now.

    Args:
        image: At full size.
        bands: Of the image.
        clicks: On it.
        classes: All classes.
        model: A trained one; without it, distance and edges are all there is.
        still_wanted: Asked between the stages.

    Returns:
        H×W class indices, 255 where undecided; None when it is not wanted any more.
    """
    height, width = image.size
    block = -(-max(height, width) // LIVE_SIDE)
    small = Pixels(_block_means(image.values, block))
    size = (small.size[0] * block, small.size[1] * block)
    rows = [(x, y, classes.index(label)) for x, y, label in clicks]
    given = Clicks(np.array(rows, np.float64).reshape(-1, 3), len(classes), classes.background)
    output = None
    if model is not None:
        outputs = [[model.classes.index(name)] if name in model.classes else [] for name in classes]
        key = hashlib.blake2b(small.values.tobytes()).hexdigest()
        output = model.output((key,), Pixels(small.values, shrunk_from=size), outputs)
    labels = layer_labels(bands.scaled(small).values, given, size, output, still_wanted)
    return None if labels is None else labels.repeat(block, 0).repeat(block, 1)[:height, :width]


def _block_means(values: NDArray[Any], block: int) -> NDArray[Any]:
    """H×W×K shrunk by a whole number; the last rows and columns are repeated to fill their blocks."""
    if block == 1:
        return values
    height, width, bands = values.shape
    filled = np.pad(values, ((0, -height % block), (0, -width % block), (0, 0)), mode="edge")
    blocks = filled.reshape(filled.shape[0] // block, block, filled.shape[1] // block, block, bands)
    means: NDArray[Any] = blocks.mean((1, 3))
    return means.astype(values.dtype)


class Watch(L.Callback):
    """Tells how far a training is, and ends it with the model it has when it is not wanted any more.

    Args:
        tell: Called with the share that is done, after each step.
        still_wanted: Asked after each step.
    """

    def __init__(self, tell: Callable[[float], None], still_wanted: Callable[[], bool]) -> None:
        self._tell, self._wanted = tell, still_wanted

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """After each step."""
        self._tell(trainer.global_step / max(1, int(trainer.estimated_stepping_batches)))
        if not self._wanted():
            trainer.should_stop = True


def learn(
    data: Dataset, out: Path, minutes: float, watch: Watch, base: Path | None, settings: Mapping[str, Any] | None
) -> RunDirectory:
    """Train for some minutes, from scratch or beginning with another run; see `pointillist.train`."""
    chosen = {"trainer.snapshots": 0, **(settings or {})}
    return train(data, out=out, minutes=minutes, init=base, callbacks=[watch], settings=chosen)


def predicted(run: RunDirectory, images: Iterable[Pixels]) -> list[NDArray[np.uint8]]:
    """What a model says of images: H×W class indices of each, 255 = no data."""
    predictor = Predictor(run)
    return [predictor.predict(image).labels for image in images]


def free_run(home: Path, name: str) -> Path:
    """A folder for the next run that is not there yet: NAME, NAME-2, …, without what folders cannot be called."""
    plain = re.sub(r"[^\w-]+", "_", name).strip("_") or "run"
    names = chain([plain], (f"{plain}-{number}" for number in count(2)))
    return next(home / one for one in names if not (home / one).exists())
