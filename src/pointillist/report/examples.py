"""Images of a split with prediction and truth: the worst ones, and some drawn at random."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pointillist.classes import IGNORE
from pointillist.data.dataset import Dataset, Item
from pointillist.data.images import image_size
from pointillist.inference.evaluate import Evaluation
from pointillist.inference.predictor import Predictor
from pointillist.report.pictures import data_url, picture_of_image, picture_of_labels, picture_of_mistakes

WORST, OTHERS, SEED = 5, 4, 0
"""How many of the worst images are shown, how many others, and the seed that draws these."""
_HEIGHT, _WIDTH = 240, 320
_FINER = 8
"""Of large images, so many pixels of labels for each pixel of a picture are looked at, in each direction."""


@dataclass(frozen=True)
class Example:
    """An image and what a model makes of it, ready for a page.

    Args:
        name: The image's name.
        pictures: (what it is, data URL) of each picture.
        width: Of each picture, in pixels.
        height: Of each picture.
    """

    name: str
    pictures: tuple[tuple[str, str], ...]
    width: int
    height: int


def worst_and_others(evaluation: Evaluation) -> tuple[list[str], list[str]]:
    """Names of the images with the lowest mIoU, the worst first, and of some of the rest, drawn from a fixed seed."""
    worst = [image.name for image in evaluation.worst(WORST)]
    return worst, drawn([image.name for image in evaluation.per_image if image.name not in worst])


def drawn(names: Sequence[str]) -> list[str]:
    """Some names, drawn from a fixed seed."""
    return random.Random(SEED).sample(list(names), min(OTHERS, len(names)))


def example(predictors: Mapping[str, Predictor], dataset: Dataset, item: Item) -> Example:
    """Draw an image, what each model makes of it, the truth, and the mistakes of a single model.

    Args:
        predictors: At least one model, by what it is called on the page.
        dataset: Colours and masks.
        item: The image; without a mask, truth and mistakes are missing.

    Raises:
        ImageError, MaskError: A file can no longer be read.
    """
    size = image_size(item.image)
    scale = min(_HEIGHT / size[0], _WIDTH / size[1])
    height, width = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    # A raster is made smaller while it is read.
    bands = next(iter(predictors.values())).spec.bands
    image = bands.picture_of(item.image, (height, width) if scale < 1 else None)
    pictures = [("image", data_url(picture_of_image(image, height), "JPEG"))]
    step = max(1, size[0] // (_FINER * height))
    for name, predictor in predictors.items():
        labels = predictor(item.image)[::step, ::step]
        pictures.append((name, data_url(picture_of_labels(labels, dataset.classes, height))))
    if item.mask is not None:
        mask = dataset.masks.read(item.mask, size)[::step, ::step].copy()
        mask[labels == IGNORE] = IGNORE  # without data
        pictures.append(("truth", data_url(picture_of_labels(mask, dataset.classes, height))))
        if len(predictors) == 1:
            pictures.append(("mistakes", data_url(picture_of_mistakes(image, labels, mask, height), "JPEG")))
    return Example(item.name, tuple(pictures), width, height)
