"""Calibration: whether a model is right as often as it is sure.

Guo, Pleiss, Sun and Weinberger, *On Calibration of Modern Neural Networks*, ICML 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

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
        self._pixels, self._right, self._sure = torch.zeros(3, BINS, dtype=torch.float64)

    def update(self, confidence: Tensor, right: Tensor) -> None:
        """Count pixels.

        Args:
            confidence: N probabilities of the predicted class.
            right: N booleans, whether it is the real one.
        """
        index = (confidence * BINS).ceil_().sub_(1).clamp_(0, BINS - 1).long()
        self._pixels += torch.bincount(index, minlength=BINS)
        self._right += torch.bincount(index[right], minlength=BINS)
        self._sure += torch.bincount(index, confidence.double(), minlength=BINS)

    def compute(self) -> Calibration:
        """What was counted so far."""
        pixels = self._pixels.numpy()
        return Calibration(
            tuple(int(count) for count in pixels),
            tuple(share(self._sure.numpy(), pixels).tolist()),
            tuple(share(self._right.numpy(), pixels).tolist()),
        )
