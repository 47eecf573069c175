"""Evidence: what a second classifier says that errs in other ways than the network."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from pointillist.errors import TensorError
from pointillist.pseudomask.stages.base import Stage, StageInput

LEAST = 1e-4
"""No class is ruled out by evidence alone."""


class Evidence(Stage):
    """Multiply the scores by the evidence to a power."""

    name: ClassVar[str] = "evidence"
    kind: Literal["evidence"] = "evidence"
    weight: float = Field(default=0.75, ge=0)
    """The power: 0 does not ask for evidence, 1 believes it as much as the network."""

    def __call__(self, scores: Tensor, given: StageInput) -> Tensor:
        """See the class."""
        if given.evidence is None:
            raise TensorError("Got None.", field="evidence", hint="Pass the B×C×H×W evidence that the stage takes in.")
        return given.evidence.clamp(min=LEAST).pow_(self.weight).mul_(scores)
