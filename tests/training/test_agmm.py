"""agmm against its formulas in float64 loops."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from pointillist.classes import ClassSet
from pointillist.data.samples import Batch
from pointillist.training.methods import Method
from pointillist.training.methods.agmm import class_centres, gaussians, likeness, mixture_loss
from tests.training import steps
from tests.training.steps import make_batch, make_step

CLASSES = ClassSet.create(["ground", "square", "disc", "pole"])
ZERO = torch.zeros((), dtype=torch.float64)


POINTS = (
    torch.tensor([[1.5, 1.5, 1.0], [6.5, 4.5, 1.0], [3.5, 2.5, 2.0], [5.5, 0.5, 0.0]]),
    torch.tensor([[3.5, 3.5, 2.0], [-3.0, 5.0, 1.0]]),
)


def build(classes: ClassSet = CLASSES, **options: object) -> Method:
    return steps.build("agmm", classes, 5, **{"class_balance": 0.0, "weight": 1.0, **options})


def bce(target: torch.Tensor | float, value: torch.Tensor) -> torch.Tensor:
    return -target * torch.log(value + 1e-6) - (1 - target) * torch.log(1 - value + 1e-6)


def literal_terms(
    p: torch.Tensor,
    f: torch.Tensor,
    clicks: list[tuple[int, int, int]],
    present: set[int],
    valid: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One image: p C×h×w, f F×h×w, clicks (x, y, class) in view → mixture, separation and absence terms."""
    num_classes, height, width = p.shape
    seen = sorted({c for _, _, c in clicks})
    centres = {c: torch.stack([f[:, y, x] for x, y, k in clicks if k == c]).mean(0) for c in seen}

    def gaussian(c: int, y: int, x: int) -> torch.Tensor:
        return torch.exp(-((f[:, y, x] - centres[c]).abs().mean() ** 2))

    pixels = [(y, x) for y in range(height) for x in range(width) if valid[y, x]]
    mixture = separation = ZERO
    if seen:
        everywhere = [sum(bce(gaussian(c, y, x), p[c, y, x]) for c in seen) / len(seen) / 2 for y, x in pixels]
        at_clicks = [sum(bce(float(k == c), gaussian(c, y, x)) for c in seen) / len(seen) / 2 for x, y, k in clicks]
        mixture = sum(everywhere) / len(pixels) + sum(at_clicks) / len(clicks)
    pairs = [(a, b) for a in seen for b in seen if a < b]
    if pairs:
        separation = sum(torch.exp(-((centres[a] - centres[b]).abs().mean() ** 2)) for a, b in pairs) / len(pairs)
    absence = ZERO
    for y, x in pixels:
        for c in range(num_classes):
            if c not in present:
                absence = absence - torch.log(1 - p[c, y, x] + 1e-6) / len(pixels)
    return mixture, separation, absence


def literal_loss(
    logits: torch.Tensor, features: torch.Tensor, batch: Batch, classes: ClassSet, stride: int
) -> torch.Tensor:
    total = ZERO
    for i in range(len(logits)):
        height, width = logits.shape[-2:]
        inside = [(int(x), int(y), int(c)) for x, y, c in batch.points[i] if 0 <= x < width and 0 <= y < height]
        if inside:
            total = total - sum(logits[i].log_softmax(0)[c, y, x] for x, y, c in inside) / len(inside)
        p = F.avg_pool2d(logits[i], stride).softmax(0)
        f = features[i, :, : p.shape[1], : p.shape[2]]
        cells = {(x // stride, y // stride): c for x, y, c in inside}  # of two clicks in a cell the later one stays
        valid = torch.ones(p.shape[1:], dtype=torch.bool)
        present = {int(c) for c in batch.points[i][:, 2]}
        if classes.background is not None:
            present.add(classes.background)
        total = total + sum(literal_terms(p, f, [(x, y, c) for (x, y), c in cells.items()], present, valid))
    return total / len(logits)


@pytest.mark.parametrize("policy", ["points", "none"])
@pytest.mark.parametrize("stride", [1, 2])
def test_loss_and_gradients_equal_the_formulas(policy: str, stride: int) -> None:
    classes = CLASSES.with_policy(policy)
    batch = make_batch(POINTS, (6, 8))
    generator = torch.Generator().manual_seed(2)
    logits = (2 * torch.randn(2, 4, 6, 8, generator=generator)).requires_grad_()
    # The network pads to a multiple of its stride; features come with the padding.
    features = torch.randn(2, 5, 8 // stride, 8 // stride, generator=generator).requires_grad_()
    outcome = build(classes).loss(make_step(logits, batch, features=features))
    got = torch.autograd.grad(outcome.loss, [logits, features])
    exact = [logits.detach().double().requires_grad_(), features.detach().double().requires_grad_()]
    expected = literal_loss(*exact, batch, classes, stride)
    wanted = torch.autograd.grad(expected, exact)
    assert float(outcome.loss.detach()) == pytest.approx(float(expected), rel=1e-5)
    for mine, reference in zip(got, wanted, strict=True):
        assert torch.allclose(mine.double(), reference, rtol=1e-3, atol=1e-5)


def test_the_weights_weigh_their_terms() -> None:
    batch = make_batch(POINTS, (6, 8))
    logits, features = torch.randn(2, 4, 6, 8), torch.randn(2, 5, 6, 8)
    outcome = build(weight=0.5, separation=2.0, absent=3.0).loss(make_step(logits, batch, features=features))
    parts = outcome.parts
    expected = (
        parts["loss_clicks"] + 0.5 * parts["loss_mixture"] + 2.0 * parts["loss_separation"] + 3.0 * parts["loss_absent"]
    )
    assert torch.allclose(outcome.loss, expected)
    assert all(part > 0 for part in parts.values())


def test_gradcheck() -> None:
    generator = torch.Generator().manual_seed(5)
    features = torch.rand(1, 2, 3, 4, dtype=torch.float64, generator=generator).requires_grad_()
    logits = torch.randn(1, 3, 3, 4, dtype=torch.float64, generator=generator).requires_grad_()
    labels = torch.full((1, 3, 4), 255)
    # Two clicks a class: at a single one the distance has a kink, being zero.
    labels[0, 0, 0], labels[0, 2, 3], labels[0, 1, 1], labels[0, 2, 0] = 1, 1, 2, 2
    valid = torch.ones(1, 3, 4, dtype=torch.float64)

    def terms(f: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        centres, clicked = class_centres(f, labels, 3)
        mixture = gaussians(f, centres, clicked)
        return mixture_loss(z.softmax(1), mixture, labels, clicked, valid) + likeness(centres, clicked)

    assert torch.autograd.gradcheck(terms, [features, logits])


def test_padding_changes_nothing() -> None:
    batch = make_batch(POINTS, (6, 8))
    logits, features = torch.randn(2, 4, 6, 8).requires_grad_(), torch.randn(2, 5, 6, 8)
    alone = build().loss(make_step(logits, batch, features=features)).loss
    (wanted,) = torch.autograd.grad(alone, logits)
    more = (0, 5, 0, 3)
    padded = replace(batch, image=F.pad(batch.image, more, value=0.5), valid=F.pad(batch.valid.float(), more) > 0)
    step = make_step(F.pad(logits, more, value=3.0), padded, features=F.pad(features, more, value=9.0))
    together = build().loss(step).loss
    (got,) = torch.autograd.grad(together, logits)
    assert torch.allclose(alone, together)
    assert torch.allclose(got, wanted, atol=1e-7)


def test_an_image_nobody_clicked_teaches_nothing() -> None:
    batch = make_batch(POINTS, (6, 8))
    batch = replace(batch, points=(torch.zeros(0, 3), batch.points[1]))
    logits, features = torch.randn(2, 4, 6, 8).requires_grad_(), torch.randn(2, 5, 6, 8).requires_grad_()
    build().loss(make_step(logits, batch, features=features)).loss.backward()
    for gradient in (logits.grad, features.grad):
        assert gradient[0].abs().sum() == 0
        assert gradient[1].abs().sum() > 0


def test_a_click_outside_the_window_still_says_what_is_absent() -> None:
    batch = make_batch(POINTS, (6, 8))
    batch = replace(batch, points=tuple(clicks + torch.tensor([100.0, 0, 0]) for clicks in batch.points))
    parts = build().loss(make_step(torch.randn(2, 4, 6, 8), batch, features=torch.randn(2, 5, 6, 8))).parts
    assert parts["loss_mixture"] == parts["loss_separation"] == parts["loss_clicks"] == 0
    assert parts["loss_absent"] > 0


def test_extreme_predictions_stay_finite() -> None:
    logits = (1000 * torch.randn(2, 4, 6, 8)).requires_grad_()
    features = (1000 * torch.randn(2, 5, 6, 8)).requires_grad_()
    loss = build().loss(make_step(logits, make_batch(POINTS, (6, 8)), features=features)).loss
    loss.backward()
    assert math.isfinite(loss)
    assert logits.grad.isfinite().all()
    assert features.grad.isfinite().all()


def test_bfloat16_under_autocast() -> None:
    logits, features = torch.randn(2, 4, 6, 8).bfloat16(), torch.randn(2, 5, 6, 8).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = build().loss(make_step(logits, make_batch(POINTS, (6, 8)), features=features)).loss
    plain = build().loss(make_step(logits.float(), make_batch(POINTS, (6, 8)), features=features.float())).loss
    assert loss.dtype == torch.float32
    assert torch.allclose(loss, plain, rtol=1e-4)
