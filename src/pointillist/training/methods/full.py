"""Learning from real masks: the upper bound."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from pointillist.errors import DatasetError
from pointillist.training.losses import cross_entropy
from pointillist.training.methods.base import LossOutput, Method, MethodOptions, StepInput


class FullOptions(MethodOptions):
    """No settings of its own."""

    name: Literal["full"] = "full"


class Full(Method):
    """Cross-entropy on the real mask."""

    name: ClassVar[str] = "full"
    title: ClassVar[str] = "real masks, the upper bound"
    supervision: ClassVar[Literal["points", "masks"]] = "masks"
    Options: ClassVar[type[MethodOptions]] = FullOptions

    def loss(self, step: StepInput) -> LossOutput:
        """See `Method.loss`."""
        return LossOutput(cross_entropy(step.output.logits, _mask(step), self.frequencies.weights))

    def update_class_frequencies(self, step: StepInput, output: LossOutput) -> None:
        """See `Method.update_class_frequencies`."""
        self.frequencies.update(_mask(step))


def _mask(step: StepInput) -> Tensor:
    if step.batch.mask is None:
        found = f"'{step.batch.names[0]}' has no mask, and the method 'full' learns from masks."
        raise DatasetError(found, field="masks", hint="Add masks, or choose a method that learns from points.")
    return step.batch.mask
