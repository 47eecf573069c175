"""Learning from the clicked pixels alone: the lower bound."""

from __future__ import annotations

from typing import ClassVar, Literal

from pointillist.training.methods.base import LossOutput, Method, MethodOptions, StepInput


class PointsOptions(MethodOptions):
    """No settings of its own."""

    name: Literal["points"] = "points"


class Points(Method):
    """Cross-entropy on the clicked pixels."""

    name: ClassVar[str] = "points"
    title: ClassVar[str] = "cross-entropy on the clicks alone, the lower bound"
    Options: ClassVar[type[MethodOptions]] = PointsOptions

    def loss(self, step: StepInput) -> LossOutput:
        """See `Method.loss`."""
        return LossOutput(self.click_loss(step))
