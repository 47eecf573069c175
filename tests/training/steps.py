"""A batch, a step and a method to try things on: what the tests of all methods share."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pointillist.classes import ClassSet
from pointillist.data.samples import Batch
from pointillist.training.methods import Method, NetworkOutput, StepInput, get_method

CLASSES = ClassSet.create(["ground", "square", "disc"])

POINTS = (
    torch.tensor([[4.5, 4.5, 0.0], [20.5, 12.5, 1.0]]),
    torch.tensor([[8.5, 8.5, 0.0], [25.5, 20.5, 2.0], [-3.0, 5.0, 1.0]]),
)
"""Clicks on two images of 24×32, one of them beyond the window."""

SMALL_POINTS = (
    torch.tensor([[1.5, 1.5, 0.0], [6.5, 4.5, 1.0]]),
    torch.tensor([[3.5, 3.5, 2.0], [-3.0, 5.0, 1.0]]),
)
"""The same for images of some 8×9, small enough for loops."""


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def make_batch(
    points: Sequence[torch.Tensor] = POINTS,
    size: tuple[int, int] = (24, 32),
    mask: torch.Tensor | None = None,
    image: torch.Tensor | None = None,
) -> Batch:
    """Images of noise with clicks; the whole images are said to be of the size in which a unit length is a pixel."""
    count = len(points)
    if image is None:
        image = torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(0))
    valid = torch.ones(count, *image.shape[2:], dtype=torch.bool)
    names = tuple("abcdefgh"[:count])
    return Batch(names, image, image, tuple(points), valid, torch.full((count,), 160.0), mask)


def make_step(
    logits: torch.Tensor, batch: Batch, progress: float = 0.5, features: torch.Tensor | None = None
) -> StepInput:
    return StepInput(NetworkOutput(logits, logits if features is None else features), batch, progress)


def build(name: str, classes: ClassSet = CLASSES, features: int = 3, **options: object) -> Method:
    torch.manual_seed(0)  # some methods have parameters of their own
    kind = get_method(name)
    return kind(kind.Options(**options), classes, features)
