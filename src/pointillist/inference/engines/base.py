"""What every engine gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointillist.classes import ClassSet
from pointillist.data.inputs import InputSpec
from pointillist.training.tiling import Run


@dataclass(frozen=True)
class Engine:
    """A trained model, ready to run.

    Args:
        classes: In the order of the logits.
        spec: What it has learnt to see: bands and scale.
        protocol: How it was trained.
        sha256: Hash of its weights.
        class_prior: How much of each class it was taught (C, shares); None where its method does not ask.
        run: N×K×h×w float32 in [0, 1], at the scale that was learnt → N×C×h×w float32 logits, which may differ by a
            number per pixel that is the same for all classes.
    """

    classes: ClassSet
    spec: InputSpec
    protocol: dict[str, Any]
    sha256: str
    class_prior: tuple[float, ...] | None
    run: Run
