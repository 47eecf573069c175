"""What a typed program does with pointillist; type checkers read it, nobody runs it."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np
import torch
from numpy.typing import NDArray

import pointillist as pt
from pointillist.pseudomask import PseudoMaskGenerator


def train_and_apply(folder: Path) -> dict[str, int]:
    """From a folder of clicks to counts by class."""
    data = pt.load(folder)
    assert_type(data, pt.Dataset)
    classes: pt.ClassSet = data.classes
    run = pt.train(data, out=folder / "run", method="single-stage")
    scores = pt.evaluate(run, data)
    assert_type(scores.miou, float)
    predictor = pt.Predictor(run)
    labels = predictor(np.zeros((8, 8, 3), np.uint8))
    counts = np.bincount(labels.ravel(), minlength=len(classes))
    return {name: int(count) for name, count in zip(classes.names, counts, strict=True)}


def write_points(rows: list[tuple[str, float, float]]) -> pt.PointTable:
    """Clicks on one class."""
    return pt.PointTable([pt.Point(image, x, y, "berry") for image, x, y in rows])


def pseudo_labels(generate: PseudoMaskGenerator, image: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    """The engine takes tensors, and gives them."""
    assert_type(pt.PseudoMaskGenerator, type[PseudoMaskGenerator])
    return generate(image, probabilities, []).labels


def what_went_wrong(path: Path) -> str:
    """Errors say what to do."""
    try:
        image: NDArray[np.generic] = pt.read_image(path)
    except pt.PointillistError as error:
        return error.hint
    return str(image.shape)
