"""How far mIoU would move with other images of the same kind: the percentile bootstrap over images (Efron 1979)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointillist.training.metrics import Floats, class_iou, mean_of_known

RESAMPLES = 1000
SEED = 0
AT_ONCE = 50
"""Resamples that are drawn together; bounds the memory."""


def resampled_miou(counts: NDArray[np.int64]) -> Floats:
    """mIoU of sets of N images drawn with replacement from N images.

    The draws depend on N alone, so that values of several models on the same images belong together, pair by pair.

    Args:
        counts: N×3×C pixels by image and class: right, in the mask, predicted.

    Returns:
        1,000 values; NaN where no drawn image has a labelled pixel.
    """
    images = len(counts)
    generator = np.random.default_rng(SEED)
    flat = counts.reshape(images, -1).astype(np.float64)  # pixels are whole numbers below 2^53: sums stay exact
    found = []
    for _ in range(RESAMPLES // AT_ONCE):
        drawn = generator.integers(images, size=(AT_ONCE, images)) + images * np.arange(AT_ONCE)[:, None]
        times = np.bincount(drawn.ravel(), minlength=AT_ONCE * images).reshape(AT_ONCE, images)
        correct, real, predicted = (times @ flat).reshape(AT_ONCE, 3, -1).transpose(1, 0, 2)
        found.append(mean_of_known(class_iou(correct, real, predicted)))
    return np.concatenate(found)


def interval(values: Floats, images: int) -> tuple[float, float] | None:
    """The middle 95 % of resampled values; None where fewer than two images, or no value, say nothing of a spread."""
    if images < 2 or np.isnan(values).all():
        return None
    low, high = np.nanquantile(values, (0.025, 0.975)).tolist()
    return low, high
