"""gated-crf against its formula in float64 loops."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from pointillist.data.samples import Batch
from pointillist.training.methods import Method
from pointillist.training.methods.gated_crf import gated_crf_energy
from tests.training import steps
from tests.training.steps import SMALL_POINTS, make_step


def make_batch(height: int, width: int) -> Batch:
    image = 0.5 + 0.05 * torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    return steps.make_batch(SMALL_POINTS, image=image)


def build(**options: object) -> Method:
    return steps.build("gated-crf", **{"class_balance": 0.0, **options})


def literal_energy(
    p: torch.Tensor, image: torch.Tensor, valid: torch.Tensor, radius: int, sigma_xy: float, sigma_rgb: float
) -> torch.Tensor:
    """One image: p C×h×w, standardised colours 3×h×w, valid h×w; every window gone through cell by cell."""
    height, width = valid.shape
    total = p.new_zeros(())
    for y in range(height):
        for x in range(width):
            for v in range(max(0, y - radius), min(height, y + radius + 1)):
                for u in range(max(0, x - radius), min(width, x + radius + 1)):
                    if (v, u) == (y, x) or not valid[y, x] or not valid[v, u]:
                        continue
                    color = float(((image[:, y, x] - image[:, v, u]) ** 2).sum())
                    k = math.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * sigma_xy**2) - color / (2 * sigma_rgb**2))
                    total = total + k * (1 - (p[:, y, x] * p[:, v, u]).sum())
    return total / max(1, int(valid.sum()))


@pytest.mark.parametrize("radius", [1, 3, 12])
def test_energy_and_gradient_equal_the_formula(radius: int) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 3, 6, 7, dtype=torch.float64, generator=generator).requires_grad_()
    image = torch.rand(2, 3, 6, 7, dtype=torch.float64, generator=generator)
    valid = torch.rand(2, 6, 7, generator=generator) > 0.2
    energies = gated_crf_energy(logits.softmax(1), image, valid, radius=radius, sigma_xy=2.0, sigma_rgb=0.4)
    expected = torch.stack(
        [literal_energy(logits[i].softmax(0), image[i], valid[i], radius, 2.0, 0.4) for i in range(2)]
    )
    assert torch.allclose(energies, expected, rtol=1e-12)
    weights = torch.tensor([1.0, -0.3], dtype=torch.float64)  # each image's gradient is its own
    (got,) = torch.autograd.grad((weights * energies).sum(), logits)
    (wanted,) = torch.autograd.grad((weights * expected).sum(), logits)
    assert torch.allclose(got, wanted, rtol=1e-10, atol=1e-14)


def test_gradcheck() -> None:
    p = torch.rand(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    image, valid = torch.rand(1, 3, 3, 4, dtype=torch.float64), torch.ones(1, 3, 4, dtype=torch.bool)
    valid[0, 1, 2] = False
    assert torch.autograd.gradcheck(
        lambda q: gated_crf_energy(q, image, valid, radius=2, sigma_xy=1.5, sigma_rgb=0.5), [p]
    )


@pytest.mark.parametrize("stride", [1, 2])
def test_the_loss_is_clicks_and_the_weighted_energy(stride: int) -> None:
    batch = make_batch(8, 10)
    logits = 2 * torch.randn(2, 3, 8, 10, generator=torch.Generator().manual_seed(2))
    expected = 0.0
    for i in range(2):
        low = F.avg_pool2d(logits[i].double(), stride)
        image = F.avg_pool2d(batch.image[i].double(), stride) / 0.25
        valid = torch.ones(low.shape[1:], dtype=torch.bool)
        clicks = [(int(x), int(y), int(c)) for x, y, c in batch.points[i] if x >= 0]
        on_clicks = [-float(logits[i].double().log_softmax(0)[c, y, x]) for x, y, c in clicks]
        expected += sum(on_clicks) / len(on_clicks) / 2
        expected += 0.1 * float(literal_energy(low.softmax(0), image, valid, 5, 6.0, 0.1)) / 2
    outcome = build(stride=stride, weight=0.1).loss(make_step(logits, batch))
    assert float(outcome.loss) == pytest.approx(expected, rel=1e-5)
    assert outcome.parts["loss_crf"] > 0


@pytest.mark.parametrize(("bottom", "right"), [(4, 6), (3, 5)])
def test_padding_changes_nothing(bottom: int, right: int) -> None:
    batch = make_batch(8, 10)
    logits = torch.randn(2, 3, 8, 10, generator=torch.Generator().manual_seed(3)).requires_grad_()
    alone = build().loss(make_step(logits, batch)).loss
    (wanted,) = torch.autograd.grad(alone, logits)
    more = (0, right, 0, bottom)
    padded = replace(batch, image=F.pad(batch.image, more, value=0.5), valid=F.pad(batch.valid.float(), more) > 0)
    together = build().loss(make_step(F.pad(logits, more, value=3.0), padded)).loss
    (got,) = torch.autograd.grad(together, logits)
    assert torch.allclose(alone, together)
    assert torch.allclose(got, wanted, atol=1e-7)


def test_an_image_nobody_clicked_teaches_nothing() -> None:
    batch = make_batch(8, 10)
    batch = replace(batch, points=(torch.zeros(0, 3), batch.points[1]))
    logits = torch.randn(2, 3, 8, 10).requires_grad_()
    build().loss(make_step(logits, batch)).loss.backward()
    assert logits.grad[0].abs().sum() == 0
    assert logits.grad[1].abs().sum() > 0


def test_an_image_of_padding_only_is_finite() -> None:
    batch = make_batch(8, 10)
    logits = torch.randn(2, 3, 8, 10).requires_grad_()
    outcome = build().loss(make_step(logits, replace(batch, valid=torch.zeros_like(batch.valid))))
    outcome.loss.backward()
    assert outcome.parts["loss_crf"] == 0
    assert logits.grad.isfinite().all()


def test_bfloat16_logits_under_autocast() -> None:
    logits = torch.randn(2, 3, 8, 10, dtype=torch.bfloat16).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = build().loss(make_step(logits, make_batch(8, 10))).loss
    plain = build().loss(make_step(logits.detach().float(), make_batch(8, 10))).loss
    assert loss.dtype == torch.float32
    assert torch.allclose(loss, plain, rtol=1e-4)
