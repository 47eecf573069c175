"""Models compared on the same images: differences in mIoU, image by image resampled together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from pointillist.errors import RunError
from pointillist.inference.bootstrap import interval, resampled_miou
from pointillist.inference.evaluate import Evaluation
from pointillist.schema import parse
from pointillist.sealed import read_sealed
from pointillist.training.metrics import by_class, class_iou, known, mean_of_known

MOST = 2**40
"""Pixels of a class in one image; a stranger's file must not make sums overflow."""

Pixels = Annotated[int, Field(ge=0, le=MOST, strict=True)]


class _Image(BaseModel):
    """What `compare` needs of an image in a file of `evaluate`."""

    image: str
    correct: list[Pixels]
    pixels: list[Pixels]
    predicted: list[Pixels]


class _File(BaseModel):
    """What `compare` needs of a file of `evaluate`."""

    method: str
    seed: int | None
    pixels: dict[str, int] = Field(min_length=1)
    per_image: list[_Image] = Field(min_length=1)


@dataclass(frozen=True)
class Scored:
    """A model's scores on some images, as much of them as a comparison needs.

    Args:
        name: What the model is called: its run directory or file.
        method: How it learnt.
        seed: Seed of its training.
        class_names: C names.
        images: Names of N images.
        counts: N×3×C pixels by image and class: right, in the mask, predicted.
    """

    name: str
    method: str
    seed: int | None
    class_names: tuple[str, ...]
    images: tuple[str, ...]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, name: str, evaluation: Evaluation) -> Scored:
        """From an evaluation."""
        return cls(
            name=name,
            method=evaluation.protocol["method"]["name"],
            seed=evaluation.protocol["seed"],
            class_names=evaluation.scores.class_names,
            images=tuple(image.name for image in evaluation.per_image),
            counts=evaluation.counts,
        )

    @classmethod
    def read(cls, path: Path) -> Scored:
        """From a file that `evaluate --json` wrote.

        Raises:
            RunError: It cannot be read, is of an earlier version, or its numbers do not fit together.
        """
        again = "Write it again with 'pointillist evaluate RUN DATA --json FILE'."
        content = read_sealed(path, RunError, again)
        if "per_image" not in content:
            raise RunError("holds no scores by image.", where=path, field="per_image", hint=again)
        file = parse(_File, content, RunError, path)
        names = tuple(file.pixels)
        for number, image in enumerate(file.per_image):
            field = f"per_image[{number}]"
            columns = (image.correct, image.pixels, image.predicted)
            if any(len(column) != len(names) for column in columns):
                raise RunError(
                    f"has not one number for each of {len(names)} classes.", where=path, field=field, hint=again
                )
            if any(correct > min(real, predicted) for correct, real, predicted in zip(*columns, strict=True)):
                raise RunError("has more right pixels than pixels.", where=path, field=field, hint=again)
            if sum(image.pixels) != sum(image.predicted):
                raise RunError("has not as many pixels predicted as labelled.", where=path, field=field, hint=again)
        counts = np.array([(image.correct, image.pixels, image.predicted) for image in file.per_image], dtype=np.int64)
        images = tuple(image.image for image in file.per_image)
        return cls(str(path), file.method, file.seed, names, images, counts)


@dataclass(frozen=True)
class Compared:
    """One model of a comparison.

    Args:
        name: What it is called.
        method: How it learnt.
        seed: Seed of its training.
        miou: Mean IoU in [0, 1].
        miou_interval: Its 95 % interval; None for a single image.
        difference: Its mIoU minus that of the first model.
        difference_interval: The 95 % interval of that, both models on the same resamples; None for a single image.
        iou: IoU by class; NaN for a class absent from both masks and predictions.
    """

    name: str
    method: str
    seed: int | None
    miou: float
    miou_interval: tuple[float, float] | None
    difference: float
    difference_interval: tuple[float, float] | None
    iou: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """Models on the same images, in the order given.

    Args:
        class_names: C names.
        images: Number of images.
        models: The models; differences are to the first.
    """

    class_names: tuple[str, ...]
    images: int
    models: tuple[Compared, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "images": self.images,
            "models": [
                {
                    "name": model.name,
                    "method": model.method,
                    "seed": model.seed,
                    "miou": known(model.miou),
                    "miou_interval": model.miou_interval,
                    "difference": known(model.difference),
                    "difference_interval": model.difference_interval,
                    "per_class": by_class(self.class_names, model.iou),
                }
                for model in self.models
            ],
        }


def compare(scored: Sequence[Scored]) -> Comparison:
    """Compare models with the first of them, on 1,000 bootstrap resamples of the images that all of them share.

    Args:
        scored: At least one model.

    Raises:
        RunError: They were scored on other classes, images or masks than the first.
    """
    first = scored[0]
    drawn = resampled_miou(first.counts)
    models = []
    for one in scored:
        _same_images(first, one)
        iou = class_iou(*one.counts.sum(axis=0))
        resampled = resampled_miou(one.counts)
        miou, reference = float(mean_of_known(iou)), float(mean_of_known(class_iou(*first.counts.sum(axis=0))))
        models.append(
            Compared(
                name=one.name,
                method=one.method,
                seed=one.seed,
                miou=miou,
                miou_interval=interval(resampled, len(one.images)),
                difference=miou - reference,
                difference_interval=interval(resampled - drawn, len(one.images)),
                iou=tuple(iou.tolist()),
            )
        )
    return Comparison(first.class_names, len(first.images), tuple(models))


def _same_images(first: Scored, other: Scored) -> None:
    """Refuse what cannot be compared.

    Raises:
        RunError: With what is different.
    """
    hint = "Score all of them on the same images with the same masks."
    if other.class_names != first.class_names:
        found = (
            f"was scored on the classes {', '.join(other.class_names)}; {first.name} on {', '.join(first.class_names)}."
        )
        raise RunError(found, where=other.name, hint=hint)
    if other.images != first.images:
        found = (
            f"was scored on {len(other.images)} images, {first.name} on {len(first.images)}, not all of them the same."
        )
        raise RunError(found, where=other.name, hint=hint)
    unlike = (other.counts[:, 1] != first.counts[:, 1]).any(axis=1)
    if unlike.any():
        image = first.images[int(unlike.argmax())]
        raise RunError(f"was scored with another mask of '{image}' than {first.name}.", where=other.name, hint=hint)
