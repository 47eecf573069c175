"""How a run is scored: also with merged classes, and with the counts by image that resampling needs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.data.dataset import Dataset
from pointillist.inference.predictor import Predictor
from pointillist.training.metrics import Scores, confusion_matrix, scores
from pointillist.training.run_directory import RunDirectory
from pointillist.training.scoring import ScoredImage
from pointillist.training.tiling import probabilities_of

Counts = NDArray[np.int64]


def merged(classes: tuple[str, ...], groups: dict[str, list[str]]) -> tuple[tuple[str, ...], Counts]:
    """Names of the G groups, and the group of each of C classes; a class that no group names stays alone.

    Raises:
        SystemExit: A group names a class that is not there, or that another group has.
    """
    listed = [(name, group) for group, names in groups.items() for name in names]
    group_of = dict(listed)
    if wrong := [name for name, group in listed if name not in classes or group_of[name] != group]:
        raise SystemExit(f"groups: {', '.join(wrong)}: not a class, or in two groups")
    said = [group_of.get(name, name) for name in classes]
    names = tuple(dict.fromkeys(said))
    return names, np.array([names.index(name) for name in said])


def merge(confusion: Counts, group: Counts) -> Counts:
    """…×C×C counts of classes as …×G×G counts of their groups."""
    member = np.eye(group.max() + 1, dtype=np.int64)[group]
    return member.T @ confusion @ member


def confusions(predictor: Predictor, dataset: Dataset) -> Counts:
    """N×C×C of the images of `val`, each at its mask's own size, as `pointillist.inference.evaluate` counts them.

    That keeps of an image what is right, real and predicted by class, which is not enough to merge classes.
    """
    found = []
    for item in dataset.split("val"):
        if item.mask is not None:
            counted = np.zeros((len(dataset.classes),) * 2, np.int64)
            for block, real in ScoredImage(dataset, item, predictor.spec).blocks(predictor.engine.run):
                counted += confusion_matrix(probabilities_of(block.logits).argmax(0), real, len(dataset.classes))
            found.append(counted)
    return np.stack(found)


def scored(run: RunDirectory, dataset: Dataset, groups: dict[str, list[str]]) -> dict[str, Any]:
    """Scores of a run on `val` as its JSON keeps them.

    `per_image` holds, by image in the order of the split, the right, the real and the predicted pixels by class. Where
    there are groups, it and `miou`, `per_class`, `pixel_accuracy` and `confusion` are theirs; those of the classes are
    `miou_classes` and `confusion_classes`.
    """
    predictor = Predictor(run)
    protocol = predictor.engine.protocol
    by_image = confusions(predictor, dataset)
    beside = {}
    if groups:
        of_classes = scores(by_image.sum(0), dataset.classes)
        beside = {"miou_classes": of_classes.miou, "confusion_classes": of_classes.confusion}
    names, group = merged(dataset.classes.names, groups)
    by_image = merge(by_image, group)
    found = Scores(names, tuple(map(tuple, by_image.sum(0).tolist())))
    counts = np.stack([by_image.diagonal(axis1=1, axis2=2), by_image.sum(2), by_image.sum(1)], axis=1)
    return {
        "split": "val",
        "method": protocol["method"]["name"],
        "seed": protocol["seed"],
        "miou": found.miou,
        **beside,
        "pixel_accuracy": found.pixel_accuracy,
        "per_class": found.per_class,
        "confusion": found.confusion,
        "images": len(counts),
        "protocol": protocol,
        "per_image": counts.tolist(),
    }
