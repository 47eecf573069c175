"""tree-energy against its formula: Kruskal's tree, and affinities multiplied along every path, in float64 loops."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from pointillist.training.methods import Method
from pointillist.training.methods.tree_energy import grid_distances, spanning_trees, tree_filter
from tests.training import steps
from tests.training.steps import SMALL_POINTS, make_batch, make_step

Cell = tuple[int, int]


def build(**options: object) -> Method:
    return steps.build("tree-energy", features=5, **{"class_balance": 0.0, **options})


def kruskal(maps: torch.Tensor, valid: torch.Tensor) -> list[tuple[Cell, Cell]]:
    """Minimum spanning tree of the valid cells of one image."""
    height, width = valid.shape
    cells = [(y, x) for y in range(height) for x in range(width) if valid[y, x]]
    edges = [
        (float(((maps[:, y, x] - maps[:, v, u]) ** 2).sum()), (y, x), (v, u))
        for y, x in cells
        for v, u in ((y, x + 1), (y + 1, x))
        if (v, u) in cells
    ]
    group = {cell: {cell} for cell in cells}
    tree = []
    for _, a, b in sorted(edges):
        if group[a] is not group[b]:
            tree.append((a, b))
            group[a] |= group[b]
            for cell in group[b]:
                group[cell] = group[a]
    return tree


def literal_filter(p: torch.Tensor, maps: torch.Tensor, valid: torch.Tensor, sigma: float) -> torch.Tensor:
    """One image: every cell walks the tree to all others."""
    tree = kruskal(maps.detach(), valid)
    near: dict[Cell, list[Cell]] = {}
    for a, b in tree:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    out = p.clone()
    for y, x in {cell for edge in tree for cell in edge}:
        total, mass = p[:, y, x], torch.ones((), dtype=p.dtype)
        todo = [((y, x), None, torch.ones((), dtype=p.dtype))]
        while todo:
            here, before, affinity = todo.pop()
            for there in near[here]:
                if there != before:
                    step = torch.exp(-((maps[:, *here] - maps[:, *there]) ** 2).sum() / sigma)
                    todo.append((there, here, affinity * step))
                    total, mass = total + affinity * step * p[:, *there], mass + affinity * step
        out[:, y, x] = total / mass
    return out


def random_maps(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 1, 7), (1, 7, 1), (2, 5, 6), (3, 7, 4)])
def test_filter_and_gradients_equal_the_formula(batch: int, height: int, width: int) -> None:
    p, maps = random_maps(batch, 2, height, width).requires_grad_(), random_maps(batch, 3, height, width, seed=1)
    maps.requires_grad_()
    valid = torch.ones(batch, height, width, dtype=torch.bool)
    valid[-1, height // 2 + 1 :] = False
    valid[-1, :, width // 2 + 1 :] = False
    got = tree_filter(p, grid_distances(maps) / 0.5, valid)
    wanted = torch.stack([literal_filter(p[i], maps[i], valid[i], 0.5) for i in range(batch)])
    assert torch.allclose(got, wanted, rtol=1e-12)
    weights = random_maps(*got.shape, seed=2) - 0.5
    mine = torch.autograd.grad((weights * got).sum(), [p, maps])
    reference = torch.autograd.grad((weights * wanted).sum(), [p, maps])
    for a, b in zip(mine, reference, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)


def test_the_trees_are_minimal_on_a_larger_grid() -> None:
    maps = random_maps(2, 3, 12, 15)
    valid = torch.ones(2, 12, 15, dtype=torch.bool)
    distances = grid_distances(maps)
    trees = spanning_trees(distances, valid)
    assert int((~trees.linked).sum()) == 2
    for i in range(2):
        mine = trees.linked.view(2, -1)[i]
        total = distances[trees.edges.view(2, -1)[i][mine]].sum()
        tree = kruskal(maps[i], valid[i])
        assert torch.allclose(total, sum(((maps[i][:, *a] - maps[i][:, *b]) ** 2).sum() for a, b in tree))


def test_equal_neighbours_are_neighbours() -> None:
    """Distances of zero, which a sparse matrix would take for missing edges."""
    p = random_maps(2, 3, 5, 6)
    valid = torch.ones(2, 5, 6, dtype=torch.bool)
    flat = tree_filter(p, grid_distances(torch.zeros(2, 3, 5, 6, dtype=torch.float64)), valid)
    assert torch.allclose(flat, p.mean((2, 3), keepdim=True).expand_as(p))


def test_gradcheck() -> None:
    p, maps = random_maps(1, 2, 3, 4).requires_grad_(), random_maps(1, 2, 3, 4, seed=1).requires_grad_()
    valid = torch.ones(1, 3, 4, dtype=torch.bool)
    assert torch.autograd.gradcheck(lambda q, m: tree_filter(q, grid_distances(m), valid), [p, maps])


def test_images_of_a_batch_do_not_meet() -> None:
    p, maps = random_maps(3, 2, 5, 6), random_maps(3, 3, 5, 6, seed=1)
    valid = torch.ones(3, 5, 6, dtype=torch.bool)
    together = tree_filter(p, grid_distances(maps), valid)
    for i in range(3):
        alone = tree_filter(p[i : i + 1], grid_distances(maps[i : i + 1]), valid[i : i + 1])
        assert torch.allclose(together[i : i + 1], alone, rtol=1e-12)


@pytest.mark.parametrize("embedding", [0, 4])
@pytest.mark.parametrize(("stride", "feature_stride"), [(1, 1), (2, 1), (2, 2)])
def test_loss_and_gradients_equal_the_formula(embedding: int, stride: int, feature_stride: int) -> None:
    batch = make_batch(SMALL_POINTS, (6, 8))
    generator = torch.Generator().manual_seed(2)
    logits = (2 * torch.randn(2, 3, 6, 8, generator=generator)).requires_grad_()
    features = torch.randn(2, 5, 8 // feature_stride, 8 // feature_stride, generator=generator).requires_grad_()
    method = build(embedding=embedding, stride=stride, sigma=0.3)
    outcome = method.loss(make_step(logits, batch, features=features))
    inputs = [logits, features, *method.parameters()]
    got = torch.autograd.grad(outcome.loss, inputs, allow_unused=True)

    z, f, *kernels = exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
    expected = torch.zeros((), dtype=torch.float64)
    for i in range(2):
        clicks = [(int(x), int(y), int(c)) for x, y, c in batch.points[i] if x >= 0]
        expected = expected - sum(z[i].log_softmax(0)[c, y, x] for x, y, c in clicks) / len(clicks)
        p = F.avg_pool2d(z[i], stride).softmax(0)
        valid = torch.ones(p.shape[1:], dtype=torch.bool)
        smooth = literal_filter(p, F.avg_pool2d(batch.image[i].double(), stride), valid, 0.3)
        if kernels:
            low = F.avg_pool2d(f[i], stride // feature_stride)[:, : p.shape[1], : p.shape[2]]
            embedded = torch.stack([(kernels[0][k, :, 0, 0, None, None] * low).sum(0) for k in range(embedding)])
            smooth = literal_filter(smooth, embedded, valid, 1.0)
        labelled = {(y // stride, x // stride) for x, y, _ in clicks}
        apart = [
            (p[:, y, x] - smooth[:, y, x]).abs().sum()
            for y in range(p.shape[1])
            for x in range(p.shape[2])
            if (y, x) not in labelled
        ]
        expected = expected + 0.4 * sum(apart) / len(apart)
    expected = expected / 2
    wanted = torch.autograd.grad(expected, exact, allow_unused=True)
    assert float(outcome.loss.detach()) == pytest.approx(float(expected), rel=1e-5)
    for mine, reference in zip(got, wanted, strict=True):
        assert (mine is None) == (reference is None)
        if mine is not None:
            assert torch.allclose(mine.double(), reference, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("bottom", "right"), [(4, 6), (3, 5)])
def test_padding_changes_nothing(bottom: int, right: int) -> None:
    batch = make_batch(SMALL_POINTS, (8, 10))
    logits, features = torch.randn(2, 3, 8, 10).requires_grad_(), torch.randn(2, 5, 8, 10)
    alone = build(stride=2).loss(make_step(logits, batch, features=features)).loss
    (wanted,) = torch.autograd.grad(alone, logits)
    more = (0, right, 0, bottom)
    padded = replace(batch, image=F.pad(batch.image, more, value=0.5), valid=F.pad(batch.valid.float(), more) > 0)
    together = (
        build(stride=2).loss(make_step(F.pad(logits, more, value=3.0), padded, features=F.pad(features, more))).loss
    )
    (got,) = torch.autograd.grad(together, logits)
    assert torch.allclose(alone, together)
    assert torch.allclose(got, wanted, atol=1e-6)


def test_an_image_nobody_clicked_teaches_nothing() -> None:
    batch = make_batch(SMALL_POINTS, (8, 10))
    batch = replace(batch, points=(torch.zeros(0, 3), batch.points[1]))
    logits, features = torch.randn(2, 3, 8, 10).requires_grad_(), torch.randn(2, 5, 8, 10).requires_grad_()
    build(stride=2).loss(make_step(logits, batch, features=features)).loss.backward()
    for gradient in (logits.grad, features.grad):
        assert gradient[0].abs().sum() == 0
        assert gradient[1].abs().sum() > 0


def test_padding_only_and_far_features_stay_finite() -> None:
    batch = make_batch(SMALL_POINTS, (8, 10))
    logits, features = torch.randn(2, 3, 8, 10).requires_grad_(), (1e4 * torch.randn(2, 5, 8, 10)).requires_grad_()
    for valid in (batch.valid, torch.zeros_like(batch.valid)):
        outcome = build(stride=2).loss(make_step(logits, replace(batch, valid=valid), features=features))
        gradients = torch.autograd.grad(outcome.loss, [logits, features])
        assert math.isfinite(outcome.loss)
        assert all(gradient.isfinite().all() for gradient in gradients)
    assert outcome.parts["loss_tree"] == 0


def test_bfloat16_under_autocast() -> None:
    logits, features = torch.randn(2, 3, 8, 10).bfloat16(), torch.randn(2, 5, 8, 10).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = build(stride=2).loss(make_step(logits, make_batch(SMALL_POINTS, (8, 10)), features=features)).loss
    plain = (
        build(stride=2)
        .loss(make_step(logits.float(), make_batch(SMALL_POINTS, (8, 10)), features=features.float()))
        .loss
    )
    assert loss.dtype == torch.float32
    assert torch.allclose(loss, plain, rtol=1e-4)
