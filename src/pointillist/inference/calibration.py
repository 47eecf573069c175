"""Calibration: whether a model is right as often as it is sure.

Guo, Pleiss, Sun and Weinberger, *On Calibration of Modern Neural Networks*, ICML 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.training.metrics import known, share

BINS = 15
"""Intervals of confidence, all of the same width; each has its upper end and not its lower one."""


@dataclass(frozen=True)
class Calibration:
    """Reliability curve: confidence and accuracy of the labelled pixels, by intervals of confidence.

    Args:
        pixels: Pixels of each of 15 equal intervals of [0, 1].
        confidence: Their mean confidence; NaN where there is no pixel.
        accuracy: Share of them that is right; NaN where there is no pixel.
    """

    pixels: tuple[int, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]

    @property
    def error(self) -> float:
        """Expected calibration error in [0, 1]: mean over pixels of their interval's |accuracy − confidence|."""
        gaps = np.abs(np.array(self.accuracy) - np.array(self.confidence))
        return float(share(np.nansum(gaps * np.array(self.pixels)), np.sum(self.pixels)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        bins = [
            {
                "from": n / BINS,
                "to": (n + 1) / BINS,
                "pixels": pixels,
                "confidence": known(sure),
                "accuracy": known(right),
            }
            for n, (pixels, sure, right) in enumerate(zip(self.pixels, self.confidence, self.accuracy, strict=True))
        ]
        return {"expected_calibration_error": known(self.error), "bins": bins}


class CalibrationCounter:
    """Adds up confidence and accuracy, and keeps no pixel."""

    def __init__(self) -> None:
        self._pixels, self._right, self._sure = np.zeros((3, BINS))

    def update(self, confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> None:
        """Count pixels.

        Args:
            confidence: N probabilities of the predicted class.
            right: N booleans, whether it is the real one.
        """
        index = (np.ceil(confidence * BINS) - 1).clip(0, BINS - 1).astype(np.int64)
        self._pixels += np.bincount(index, minlength=BINS)
        self._right += np.bincount(index[right], minlength=BINS)
        self._sure += np.bincount(index, confidence, minlength=BINS)

    def compute(self) -> Calibration:
        """What was counted so far."""
        pixels = self._pixels
        return Calibration(
            tuple(int(count) for count in pixels),
            tuple(share(self._sure, pixels).tolist()),
            tuple(share(self._right, pixels).tolist()),
        )
