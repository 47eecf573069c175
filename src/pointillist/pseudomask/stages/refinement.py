"""Refinement: scores flow along pixels of the same colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from pointillist.pseudomask.refine import DILATIONS, refine_channels
from pointillist.pseudomask.stages.base import Stage, StageInput


class Refinement(Stage):
    """Let the scores flow along pixels of the same colour, see `refine`."""

    name: ClassVar[str] = "refinement"
    kind: Literal["refinement"] = "refinement"
    dilations: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=DILATIONS, min_length=1)
    """Distances of the neighbours, in unit lengths."""
    iterations: int = Field(default=10, ge=0, le=1000)
    """How often the scores are averaged; 0 leaves them as they are."""

    def __call__(self, scores: Tensor, given: StageInput) -> Tensor:
        """Refine; each image with its own dilations in pixels where sizes differ."""
        counts = (given.classes >= 0).sum(dim=1).tolist()
        dilations = [scaled(self.dilations, unit) for unit in given.units]
        if len(set(dilations)) == 1:
            return refine_channels(given.image, scores, dilations[0], self.iterations, counts=counts)
        return torch.cat(
            [
                refine_channels(image[None], one[None], own, self.iterations, counts=[count])
                for image, one, own, count in zip(given.image, scores, dilations, counts, strict=True)
            ]
        )


def scaled(dilations: Sequence[int], unit: float) -> tuple[int, ...]:
    """Dilations in whole pixels, at least 1, each once.

    Examples:
        >>> scaled((1, 2, 4), 3.0), scaled((1, 2, 4), 0.5)
        ((3, 6, 12), (1, 2))
    """
    return tuple(sorted({max(1, round(dilation * unit)) for dilation in dilations}))
