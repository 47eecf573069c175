"""What a stage of the pseudo-mask is: scores in, scores out, and what it may look at.

A new stage is one file beside this one with a subclass of `Stage`. It is used by naming it in the settings
(`stages: [{kind: its-name}]`); to make it part of the recipe, put it into the defaults of `PseudoMaskSettings`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from torch import Tensor

UNIT_SIZE = 160
"""√(H·W) of the image in which a unit length is one pixel. All lengths of the recipe are in units: they mean the same
part of a scene whatever the size of its picture."""


def unit_length(size: tuple[int, int]) -> float:
    """Pixels per unit length in an image of (height, width).

    Examples:
        >>> unit_length((480, 480))
        3.0
    """
    return math.sqrt(size[0] * size[1]) / UNIT_SIZE


def coarser(size: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """The size at which an image of (height, width) has about one pixel per unit length, and how many times smaller.

    The recipe knows nothing finer, so what is made once of a whole image needs no more pixels.

    Examples:
        >>> coarser((360, 480)), coarser((100, 100))
        (((120, 160), 3), ((100, 100), 1))
    """
    factor = max(1, round(unit_length(size)))
    return (-(-size[0] // factor), -(-size[1] // factor)), factor


class Settings(BaseModel):
    """Base of the settings of this package: frozen, and an unknown name is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


@dataclass(frozen=True)
class StageInput:
    """What a stage may look at besides the scores.

    Attributes:
        image: B×bands×H×W in [0, 1].
        clicks: Per image N×3 (x, y, class) on the CPU, all of the whole image.
        classes: B×K class of each channel of the scores, ascending; −1 in channels that only fill up.
        units: Per image, pixels per unit length.
        background: Index of the background class; None where there is none.
        progress: Share of the training that is done, in [0, 1]; None outside a training.
        distances: B×K×H×W pixels to the nearest click of each class, +inf without one; None without a spatial prior.
        evidence: B×K×H×W how much another classifier believes each class, not negative; None where there is none.
        objects: Per image, whether its clicks mark objects, or answer questions about pixels; None: objects in all.
    """

    image: Tensor
    clicks: Sequence[Tensor]
    classes: Tensor
    units: tuple[float, ...]
    background: int | None
    progress: float | None
    distances: Tensor | None = None
    evidence: Tensor | None = None
    objects: tuple[bool, ...] | None = None

    def in_units(self, pixels: Tensor) -> Tensor:
        """B×… lengths in pixels as unit lengths."""
        return pixels / pixels.new_tensor(self.units).view(-1, *[1] * (pixels.ndim - 1))


class Stage(Settings, ABC):
    """One stage; its fields are its settings, and one of them, `kind`, holds its name.

    Attributes:
        name: What a user types.
    """

    name: ClassVar[str]

    @abstractmethod
    def __call__(self, scores: Tensor, given: StageInput) -> Tensor:
        """Make new scores B×K×H×W, not negative, of those of the stage before."""
