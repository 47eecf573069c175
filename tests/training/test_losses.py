from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from pointillist.pseudomask import rasterise_points
from pointillist.training.losses import (
    LEAST_FREQUENCY,
    MOMENTUM,
    ClassFrequencies,
    cross_entropy,
    masked_mean,
    sparse_cross_entropy,
)


def masked_cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Without any balance."""
    return cross_entropy(logits, labels, torch.ones(logits.shape[1]))


def test_nothing_labelled_is_zero_with_zero_gradient() -> None:
    logits = torch.randn(2, 3, 4, 5, requires_grad=True)
    loss = masked_cross_entropy(logits, torch.full((2, 4, 5), 255))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_one_image_equals_the_reference() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(1, 4, 6, 7), torch.randint(0, 4, (1, 6, 7))
    labels[0, :3] = 255
    assert torch.allclose(masked_cross_entropy(logits, labels), F.cross_entropy(logits, labels, ignore_index=255))


def test_each_image_counts_the_same_however_much_of_it_is_labelled() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 4, 6, 7), torch.randint(0, 4, (2, 6, 7))
    labels[1] = 255
    labels[1, 0, 0] = 2
    alone = [masked_cross_entropy(logits[i : i + 1], labels[i : i + 1]) for i in range(2)]
    assert torch.allclose(masked_cross_entropy(logits, labels), sum(alone) / 2)


def test_an_unlabelled_image_in_a_batch_gives_no_nan() -> None:
    logits, labels = torch.randn(2, 3, 4, 4, requires_grad=True), torch.zeros(2, 4, 4, dtype=torch.long)
    labels[1] = 255
    masked_cross_entropy(logits, labels).backward()
    assert logits.grad.isfinite().all()
    assert logits.grad[1].abs().sum() == 0


@pytest.mark.parametrize("labelled", [0, 1, 7])
def test_sparse_labels_give_the_same_loss_and_gradient(labelled: int) -> None:
    torch.manual_seed(0)
    labels = torch.full((3, 6, 7), 255)
    labels[0].view(-1)[torch.randperm(42)[:labelled]] = torch.randint(0, 4, (labelled,))
    logits, weights = torch.randn(3, 4, 6, 7, requires_grad=True), torch.rand(4)
    everywhere, few = cross_entropy(logits, labels, weights), sparse_cross_entropy(logits, labels, weights)
    assert torch.allclose(everywhere, few)
    expected, found = (torch.autograd.grad(loss, logits)[0] for loss in (everywhere, few))
    assert torch.allclose(expected, found)


def test_rare_classes_weigh_more_and_the_mean_weight_stays_one() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(1, 3, 4, 5), torch.zeros(1, 4, 5, dtype=torch.long)
    labels[0, 0, :4] = 1
    labels[0, 3] = 255
    counted = ClassFrequencies(3, 0.5)
    counted.update(labels)
    loss = cross_entropy(logits, labels, counted.weights)
    shares = torch.tensor([11 / 15, 4 / 15, 0.0])
    assert torch.allclose(counted.frequencies, shares)
    raw = shares.clamp(min=LEAST_FREQUENCY) ** -0.5
    weights = raw / (raw * shares).sum()
    assert weights[1] / weights[0] == pytest.approx((11 / 4) ** 0.5)
    known = labels[0] != 255
    each = F.cross_entropy(logits[0].permute(1, 2, 0)[known], labels[0][known], reduction="none")
    assert torch.allclose(loss, (each * weights[labels[0][known]]).mean())
    assert counted.weighted.sum() == pytest.approx(1)
    assert counted.weighted[1] / counted.weighted[0] == pytest.approx((4 / 11) ** 0.5)


def test_full_balance_teaches_every_class_alike() -> None:
    counted = ClassFrequencies(3, 1.0)
    counted.update(torch.tensor([[[0, 0, 0, 1, 1, 2]]]))
    assert torch.allclose(counted.weighted, torch.full((3,), 1 / 3))


def test_frequencies_are_a_plain_mean_at_first_and_a_moving_one_later() -> None:
    counted = ClassFrequencies(2, 0.5)
    for label in (0, 0, 1):
        counted.update(torch.tensor([[[label]]]))
    assert torch.allclose(counted.frequencies, torch.tensor([2 / 3, 1 / 3]))
    counted.batches.fill_(10_000)
    counted.update(torch.tensor([[[1]]]))
    assert counted.frequencies[1] == pytest.approx(1 / 3 + MOMENTUM * 2 / 3)


def test_a_batch_without_labels_counts_nothing() -> None:
    counted = ClassFrequencies(2, 0.5)
    counted.update(torch.tensor([[[255]]]))
    assert counted.batches == 0
    assert counted.frequencies.tolist() == [0.5, 0.5]


def test_half_precision_logits_do_not_overflow() -> None:
    logits = torch.full((1, 2, 3, 3), 60000.0, dtype=torch.float16)
    logits[:, 1] = -60000.0
    assert masked_cross_entropy(logits, torch.ones(1, 3, 3, dtype=torch.long)).isfinite()


def test_masked_mean_of_nothing() -> None:
    assert masked_mean(torch.rand(2, 3, 3), torch.zeros(2, 3, 3)) == 0


@pytest.mark.parametrize(
    ("point", "pixel"),
    [((0.0, 0.0, 1), (0, 0)), ((2.999, 1.5, 1), (1, 2)), ((3.0, 3.999, 1), (3, 3))],
)
def test_the_pixel_of_a_click_is_floor(point: tuple[float, float, int], pixel: tuple[int, int]) -> None:
    labels = rasterise_points([torch.tensor([point])], (4, 5), torch.device("cpu"))
    assert labels[0][pixel] == 1
    assert (labels != 255).sum() == 1


def test_clicks_outside_the_window_are_left_out() -> None:
    outside = torch.tensor([[-0.1, 1, 0], [5.0, 1, 0], [1, -3, 0], [1, 4.0, 0]])
    assert (rasterise_points([outside], (4, 5), torch.device("cpu")) == 255).all()


def test_no_clicks_at_all() -> None:
    assert (rasterise_points([torch.zeros(0, 3)], (4, 5), torch.device("cpu")) == 255).all()
