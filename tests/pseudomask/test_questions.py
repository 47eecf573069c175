"""Images in which questions were answered and no objects clicked."""

from __future__ import annotations

import pytest
import torch

from pointillist.errors import TensorError
from pointillist.pseudomask import PseudoMaskGenerator, PseudoMaskSettings, presence

SIZE = (24, 32)


def given(images: int = 1) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    random = torch.Generator().manual_seed(0)
    image = torch.rand(images, 3, *SIZE, generator=random)
    probabilities = torch.randn(images, 4, *SIZE, generator=random).softmax(1)
    points = [torch.tensor([[3.5, 2.5, 1.0], [20.5, 12.5, 2.0]]) for _ in range(images)]
    return image, probabilities, points


def test_a_class_that_nobody_named_is_believed_as_far_as_it_is_likely_and_distance_says_nothing() -> None:
    image, probabilities, points = given()
    likely = torch.tensor([0.5, 1.0, 1.0, 0.0])
    generator = PseudoMaskGenerator(None, PseudoMaskSettings(selection=None))
    made = generator(image, probabilities, points, presence=[likely], trace=True)
    weighted = probabilities * likely[:, None, None]
    assert made.trace is not None
    scores = made.trace.scores
    torch.testing.assert_close(scores["presence"], presence(weighted, likely[None] > 0, background=None))
    assert torch.equal(scores["inverse-distance"], scores["refinement"])
    assert (made.labels == 0).any()
    assert not (made.labels == 3).any()
    assert made.labels[0, 12, 20] == 2


def test_each_image_of_a_batch_is_as_it_is_alone() -> None:
    image, probabilities, points = given(2)
    asked = [torch.tensor([0.3, 1.0, 1.0, 0.7]), None]
    generator = PseudoMaskGenerator(0)
    together = generator(image, probabilities, points, presence=asked).labels
    for index, one in enumerate(asked):
        pick = slice(index, index + 1)
        alone = generator(image[pick], probabilities[pick], points[pick], presence=[one]).labels
        assert torch.equal(together[pick], alone)
    assert torch.equal(together[1:], generator(image[1:], probabilities[1:], points[1:]).labels)


@pytest.mark.parametrize("wrong", [torch.ones(3), torch.tensor([0.0, 1.0, 1.0, 1.5]), torch.tensor([torch.nan] * 4)])
def test_presence_that_cannot_be_is_refused(wrong: torch.Tensor) -> None:
    image, probabilities, points = given()
    with pytest.raises(TensorError, match="presence"):
        PseudoMaskGenerator(None)(image, probabilities, points, presence=[wrong])
