"""Label maps for tests: blobs of any roughness, with holes, islands and pixels without data."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.places import Place
from pointillist.inference.prediction import Prediction
from pointillist.inference.shapes import objects
from pointillist.inference.writers.base import Result

CLASSES = ClassSet.create(["soil", "berry", "leaf, green"])


def blobs(seed: int, largest: int = 50) -> NDArray[np.uint8]:
    """H×W classes of `CLASSES` and 255; pure noise for each third seed."""
    random = np.random.default_rng(seed)
    size = random.integers(1, largest, 2)
    smooth = (0.0, 0.8, 2.5)[seed % 3]
    labels = np.argmax([ndimage.gaussian_filter(random.standard_normal(size), smooth) for _ in CLASSES], axis=0)
    labels[ndimage.gaussian_filter(random.random(size), smooth / 2) > 0.7 + 0.25 * (seed % 2)] = IGNORE
    return labels.astype(np.uint8)


def confidence_of(labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.random.default_rng(labels.size).random(labels.shape, np.float32)


def result_of(labels: NDArray[np.uint8], image: str = "a/b.jpg", place: Place | None = None) -> Result:
    return Result(
        image, Prediction(labels, confidence_of(labels)), CLASSES, place, lambda top, bottom: labels[top:bottom]
    )


def small_strips(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    random = np.random.default_rng(seed)
    monkeypatch.setattr(objects, "PIXELS", int(random.integers(1, 400)))
    monkeypatch.setattr(objects, "BLOCK", int(random.integers(1, 800)))
