"""What a trained model is for who predicts with it, whatever runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import ClassSet
from pointillist.data.inputs import InputSpec


@dataclass(frozen=True)
class Engine:
    """A trained model that is ready to run.

    Args:
        classes: In the order of the logits.
        spec: What the network has learnt to see: bands and scale.
        protocol: How it was trained.
        sha256: Hash of its file of weights.
        run: N×K×h×w float32 in [0, 1], at the scale of training → N×C×h×w logits, up to a constant per pixel.
    """

    classes: ClassSet
    spec: InputSpec
    protocol: dict[str, Any]
    sha256: str
    run: Callable[[NDArray[np.float32]], NDArray[np.float32]]
