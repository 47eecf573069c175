"""What the page of a run says about its scores, ready for the template."""

from __future__ import annotations

from typing import Any

import numpy as np

from pointillist.data.dataset import Dataset
from pointillist.inference.evaluate import Evaluation
from pointillist.report.curves import reliability_svg
from pointillist.report.html import figure, percent

MOST_CLASSES = 30
"""Classes in the confusion matrix and among the curves; with more, those with the most pixels."""
WIDE = 10
"""Classes above which the confusion matrix has no room for numbers of pixels."""
_CONFUSIONS = 5


def class_pixels(evaluation: Evaluation) -> list[tuple[str, int]]:
    """Labelled pixels by class."""
    return list(zip(evaluation.scores.class_names, evaluation.scores.pixels, strict=True))


def all_pixels(evaluation: Evaluation) -> int:
    """Pixels of all masks, the ignored ones as well."""
    return max(1, sum(evaluation.scores.pixels) + evaluation.ignored)


def per_class(evaluation: Evaluation, dataset: Dataset) -> list[dict[str, Any]]:
    """The rows of the table of classes."""
    scores, total = evaluation.scores, all_pixels(evaluation)
    columns = (scores.iou, scores.precision, scores.recall, scores.f1, evaluation.boundary_per_class)
    rows = []
    for index, swatch in enumerate(dataset.classes.swatches()):
        iou, *others = (column[index] for column in columns)
        pixels = scores.pixels[index]
        rows.append(
            {
                **swatch,
                "iou": figure(iou),
                "width": 0 if iou != iou else round(100 * iou, 1),
                "values": [figure(value) for value in others],
                "pixels": f"{pixels:,}",
                "share": percent(pixels / total),
            }
        )
    return rows


def largest(evaluation: Evaluation) -> list[int]:
    """Indices, in their order, of the classes that are shown one by one."""
    by_size = sorted(range(len(evaluation.scores.pixels)), key=lambda index: -evaluation.scores.pixels[index])
    return sorted(by_size[:MOST_CLASSES])


def confusion_matrix(evaluation: Evaluation, dataset: Dataset) -> dict[str, Any]:
    """The confusion matrix, of the largest classes only where there are many, and the most frequent confusions."""
    scores, shown = evaluation.scores, largest(evaluation)
    wide = len(shown) > WIDE
    swatches = dataset.classes.swatches()
    pairs = [
        (count, scores.confusion_shares[real][predicted], real, predicted)
        for real, row in enumerate(scores.confusion)
        for predicted, count in enumerate(row)
        if real != predicted and count
    ]
    return {
        "classes": [swatches[index] for index in shown],
        "wide": wide,
        "left_out": len(swatches) - len(shown),
        "rows": [
            {
                **swatches[real],
                "pixels": f"{scores.pixels[real]:,}",
                "cells": [
                    {
                        # A wide matrix is easier to read where nothing stands for nothing.
                        "share": ""
                        if wide and not scores.confusion[real][predicted]
                        else percent(scores.confusion_shares[real][predicted], 0 if wide else 1),
                        "count": "" if wide else f"{scores.confusion[real][predicted]:,}",
                        "weight": round(np.nan_to_num(scores.confusion_shares[real][predicted]), 3),
                        "right": real == predicted,
                    }
                    for predicted in shown
                ],
            }
            for real in shown
        ],
        "pairs": [
            {
                "real": swatches[real],
                "predicted": swatches[predicted],
                "count": f"{count:,}",
                "share": percent(share),
            }
            for count, share, real, predicted in sorted(pairs, reverse=True)[:_CONFUSIONS]
        ],
    }


def reliability(evaluation: Evaluation) -> dict[str, Any]:
    """The reliability curve and its numbers."""
    bins, total = evaluation.calibration.to_dict()["bins"], sum(evaluation.calibration.pixels)
    return {
        "error": figure(evaluation.calibration.error),
        "curve": reliability_svg(evaluation.calibration),
        "rows": [
            (
                f"{one['from']:.2f} to {one['to']:.2f}",
                f"{one['pixels']:,}",
                round(100 * one["pixels"] / total, 1),
                figure(one["confidence"]),
                figure(one["accuracy"]),
            )
            for one in bins
            if one["pixels"]
        ],
    }
