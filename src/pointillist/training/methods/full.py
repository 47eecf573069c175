"""Learning from real masks: the upper bound."""

from __future__ import annotations

from typing import ClassVar, Literal

from pointillist.classes import ClassSet
from pointillist.errors import DatasetError
from pointillist.training.losses import BalancedCrossEntropy
from pointillist.training.methods.base import Method, MethodOptions, Outcome, Step


class FullOptions(MethodOptions):
    """No options."""

    name: Literal["full"] = "full"


class Full(Method):
    """Cross-entropy on the real mask."""

    name: ClassVar[str] = "full"
    title: ClassVar[str] = "real masks, the upper bound"
    supervision: ClassVar[Literal["points", "masks"]] = "masks"
    Options: ClassVar[type[MethodOptions]] = FullOptions

    def __init__(self, options: MethodOptions, classes: ClassSet, feature_channels: int) -> None:
        super().__init__(options, classes, feature_channels)
        self.on_masks = BalancedCrossEntropy(len(classes), options.balance)

    def loss(self, step: Step) -> Outcome:
        """See `Method.loss`."""
        if step.batch.mask is None:
            raise DatasetError(
                f"'{step.batch.names[0]}' has no mask, and the method 'full' learns from masks.",
                field="masks",
                hint="Add masks, or choose a method that learns from points.",
            )
        return Outcome(self.on_masks(step.prediction.logits, step.batch.mask))
