"""refine-only against METHOD's formulas, written out plainly: presence, refinement, thresholds, clicks on top."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from pointillist.classes import ClassSet
from pointillist.pseudomask import Refinement
from pointillist.training.methods import Method
from pointillist.training.methods.refine_only import RefineOnlyOptions
from tests.training import steps
from tests.training.steps import CLASSES, SMALL_POINTS, make_batch, make_step

DILATIONS = (1, 2)
ITERATIONS = 3


def build(classes: ClassSet = CLASSES, **options: object) -> Method:
    refinement = {"dilations": DILATIONS, "iterations": ITERATIONS}
    pseudo_mask = RefineOnlyOptions().pseudo_mask.model_copy(update={"refinement": Refinement(**refinement)})
    settings = {"warmup": 0.0, "pseudo_mask": pseudo_mask, "class_balance": 0.0, **options}
    return steps.build("refine-only", classes, **settings)


def literal_labels(image: np.ndarray, p: np.ndarray, points: np.ndarray, background: int | None) -> np.ndarray:
    """One image in float64 loops: 3×H×W, C×H×W, N×3 → H×W."""
    classes, height, width = p.shape
    present = {int(c) for c in points[:, 2]} | ({background} if background is not None else set())
    m = np.array([p[c] if c in present else np.zeros_like(p[c]) for c in range(classes)])
    m = m / m.sum(0)
    for _ in range(ITERATIONS):
        nxt = np.zeros_like(m)
        for r in range(height):
            for c in range(width):
                steps = [(d * a, d * b) for d in DILATIONS for a in (-1, 0, 1) for b in (-1, 0, 1)]
                where = [(min(max(r + a, 0), height - 1), min(max(c + b, 0), width - 1)) for a, b in steps]
                sigma = [np.std([image[k][w] for w in where], ddof=1) for k in range(3)]
                others = [w for w, s in zip(where, steps, strict=True) if s != (0, 0)]
                e = [
                    np.mean([-abs(image[k, r, c] - image[k][w]) / (1e-8 + 0.1 * sigma[k]) for k in range(3)])
                    for w in others
                ]
                a = np.exp(np.array(e) - max(e))
                a /= a.sum()
                nxt[:, r, c] = sum(weight * m[:, y, x] for weight, (y, x) in zip(a, others, strict=True))
        m = nxt
    bars = [max(0.2, (0.8 if c == background else 0.75) * m[c].max()) for c in range(classes)]
    labels = np.full((height, width), 255)
    for r in range(height):
        for c in range(width):
            above = [k for k in range(classes) if k in present and m[k, r, c] > bars[k]]
            if len(above) == 1 and m[:, r, c].argmax() == above[0]:
                labels[r, c] = above[0]
    for x, y, k in points:
        if 0 <= math.floor(x) < width and 0 <= math.floor(y) < height:
            labels[math.floor(y), math.floor(x)] = int(k)
    return labels


@pytest.mark.parametrize("policy", ["points", "none"])
def test_labels_and_loss_equal_the_formulas(policy: str) -> None:
    classes = ClassSet.create(["ground", "square", "disc"], policy=policy)
    batch = make_batch(SMALL_POINTS, (8, 9))
    logits = 3 * torch.randn(2, 3, 8, 9, generator=torch.Generator().manual_seed(4))
    outcome = build(classes, weight=0.5).loss(make_step(logits, batch))
    p = logits.double().softmax(1).numpy()
    expected = 0.0
    for i in range(2):
        clicks = batch.points[i].numpy()
        labels = literal_labels(batch.image[i].double().numpy(), p[i], clicks, classes.background)
        assert np.array_equal(outcome.pseudo_labels[i].numpy(), labels)
        assert 0.1 < (labels != 255).mean() < 1
        kept = [-math.log(p[i, labels[r, c], r, c]) for r in range(8) for c in range(9) if labels[r, c] != 255]
        on_clicks = [-math.log(p[i, int(k), int(y), int(x)]) for x, y, k in clicks if x >= 0]
        expected += (np.mean(on_clicks) + 0.5 * np.mean(kept)) / 2
    assert float(outcome.loss) == pytest.approx(expected, rel=1e-5)


def test_an_image_nobody_clicked_teaches_nothing() -> None:
    batch = make_batch((torch.zeros(0, 3), SMALL_POINTS[1]), (8, 9))
    logits = torch.randn(2, 3, 8, 9, generator=torch.Generator().manual_seed(1)).requires_grad_()
    outcome = build().loss(make_step(logits, batch))
    outcome.loss.backward()
    assert (outcome.pseudo_labels[0] == 255).all()
    assert logits.grad[0].abs().sum() == 0
    assert logits.grad[1].abs().sum() > 0


def test_padding_carries_no_label() -> None:
    batch = make_batch(SMALL_POINTS, (8, 9))
    valid = batch.valid.clone()
    valid[:, :, 7:] = False
    labels = build().loss(make_step(torch.randn(2, 3, 8, 9), replace(batch, valid=valid))).pseudo_labels
    assert (labels[:, :, 7:] == 255).all()


def test_the_warm_up_learns_from_clicks_alone() -> None:
    step = make_step(torch.randn(2, 3, 8, 9), make_batch(SMALL_POINTS, (8, 9)), 0.1)
    outcome = build(warmup=0.2).loss(step)
    alone = steps.build("points", class_balance=0.0).loss(step)
    assert outcome.pseudo_labels is None
    assert torch.equal(outcome.loss, alone.loss)
