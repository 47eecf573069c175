"""What a report may ask of a pseudo-mask: the scores after each stage, and why a pixel was dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Trace:
    """Every stage of the pseudo-masks of a batch.

    Attributes:
        scores: By the name of the stage, in order, B×C×H×W after it: "presence", then those of the settings. Maps of
            classes that are not present are 0.
        distances: B×C×H×W in pixels, +inf for a class without clicks; None without a spatial prior.
        rules: B×H×W uint8, the `Rule` behind each label.
        nearest_click: B×H×W int64, index (in that image's points) of the nearest click of the label's class; −1 for a
            dropped pixel or a class without clicks.
    """

    scores: Mapping[str, Tensor]
    distances: Tensor | None
    rules: Tensor
    nearest_click: Tensor


@dataclass(frozen=True)
class PseudoMask:
    """Result of `PseudoMaskGenerator`.

    Attributes:
        labels: B×H×W int64 class indices, 255 = ignore.
        trace: The stages behind it, if asked for.
    """

    labels: Tensor
    trace: Trace | None
