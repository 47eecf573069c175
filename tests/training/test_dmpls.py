"""dmpls against its formula in float64 loops."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pointillist.training.methods.dmpls import Dmpls
from tests.training import steps
from tests.training.steps import SMALL_POINTS, make_batch, make_step, noise


def build(**options: object) -> Dmpls:
    method = steps.build("dmpls", features=6, **{"class_balance": 0.0, **options})
    assert isinstance(method, Dmpls)
    return method


def literal_dice(p: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """One image: p C×h×w, labels h×w; pixel by pixel."""
    losses = []
    for c in set(labels.flatten().tolist()) - {255}:
        overlap = size = torch.zeros((), dtype=torch.float64)
        for y, x in (labels != 255).nonzero().tolist():
            is_class = float(labels[y, x] == c)
            overlap, size = overlap + p[c, y, x] * is_class, size + p[c, y, x] ** 2 + is_class
        losses.append(1 - 2 * overlap / size)
    return sum(losses) / len(losses)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_loss_labels_and_gradients_equal_the_formula(dropout: float) -> None:
    batch = make_batch(SMALL_POINTS, (6, 8))
    valid = batch.valid.clone()
    valid[1, 4:] = False
    batch = replace(batch, valid=valid)
    logits, features = (2 * noise(2, 3, 6, 8)).requires_grad_(), noise(2, 6, 6, 8, seed=2).requires_grad_()
    method = build(dropout=dropout, weight=0.7)
    step = make_step(logits, batch, features=features)
    outcome = method.loss(step)
    inputs = [logits, features, method.branch.weight, method.branch.bias]
    got = torch.autograd.grad(outcome.loss, inputs)

    z, f, weight, bias = exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
    shares, kept = (drawn.double() for drawn in method._draw(step))
    assert set(kept.flatten().tolist()) == ({0.0, 2.0} if dropout else {1.0})
    expected = torch.zeros((), dtype=torch.float64)
    for i in range(2):
        second = torch.einsum("cf,f,fyx->cyx", weight[:, :, 0, 0], kept[i], f[i]) + bias[:, None, None]
        mixture = shares[i] * z[i].softmax(0) + (1 - shares[i]) * second.softmax(0)
        labels = torch.where(valid[i], mixture.argmax(0), 255)
        assert torch.equal(outcome.pseudo_labels[i], labels)
        clicks = [(int(x), int(y), int(c)) for x, y, c in batch.points[i] if x >= 0]
        for branch in (z[i], second):
            on_clicks = -sum(branch.log_softmax(0)[c, y, x] for x, y, c in clicks) / len(clicks)
            expected = expected + on_clicks / 2 + 0.7 * literal_dice(branch.softmax(0), labels) / 2
    expected = expected / 2
    assert float(outcome.loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    for mine, reference in zip(got, torch.autograd.grad(expected, exact), strict=True):
        assert torch.allclose(mine.double(), reference, rtol=1e-3, atol=1e-6)


def test_each_step_and_window_draws_anew_whatever_others_draw() -> None:
    """α is uniform, half of the channels are dropped, and no draw is one of the global generator."""
    method, logits, features = build(), noise(1, 3, 6, 8), noise(1, 6, 6, 8)
    before = torch.get_rng_state()
    draws = []
    for number in range(400):
        points = (SMALL_POINTS[0] + torch.tensor([number % 20 / 7, 0.0, 0.0]),)
        step = make_step(logits, make_batch(points, (6, 8)), number // 20 / 20, features)
        draws.append(method._draw(step))
        assert all(torch.equal(*pair) for pair in zip(draws[-1], method._draw(step), strict=True))
    assert torch.equal(torch.get_rng_state(), before)
    shares = torch.cat([share for share, _ in draws]).sort().values
    assert (shares - torch.linspace(0, 1, 400)).abs().max() < 0.1, "Kolmogorov's distance"
    assert len(shares.unique()) == 400
    assert torch.cat([kept for _, kept in draws]).mean() == pytest.approx(1, abs=0.1)


def test_more_padding_changes_nothing() -> None:
    batch = make_batch(SMALL_POINTS, (8, 10))
    logits, features = noise(2, 3, 8, 10), noise(2, 6, 8, 10, seed=2)
    alone = build().loss(make_step(logits, batch, features=features)).loss
    more = (0, 5, 0, 3)
    pad = torch.nn.functional.pad
    padded = replace(batch, image=pad(batch.image, more), valid=pad(batch.valid.float(), more) > 0)
    step = make_step(pad(logits, more, value=3.0), padded, features=pad(features, more, value=2.0))
    assert torch.allclose(build().loss(step).loss, alone)


def test_an_image_nobody_clicked_teaches_nothing() -> None:
    batch = make_batch((torch.zeros(0, 3), SMALL_POINTS[1]), (8, 10))
    logits, features = noise(2, 3, 8, 10).requires_grad_(), noise(2, 6, 8, 10, seed=2).requires_grad_()
    outcome = build().loss(make_step(logits, batch, features=features))
    outcome.loss.backward()
    assert (outcome.pseudo_labels[0] == 255).all()
    for gradient in (logits.grad, features.grad):
        assert gradient[0].abs().sum() == 0
        assert gradient[1].abs().sum() > 0
