"""Fixtures of the tensor tests: devices, dtypes, and the formulas in float64, far from the engine's code."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import settings
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

settings.register_profile("pseudomask", max_examples=25, deadline=None)
settings.load_profile("pseudomask")

Array = np.ndarray
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU"))]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


@pytest.fixture(params=[torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


def _shifted(maps: Array, dilations: Sequence[int]) -> Array:
    """48×K×H×W copies of K×H×W maps."""
    height, width = maps.shape[1:]
    ys, xs = np.arange(height), np.arange(width)
    copies = []
    for d in dilations:
        for dy in (-d, 0, d):
            for dx in (-d, 0, d):
                if dy or dx:
                    rows, columns = np.clip(ys + dy, 0, height - 1), np.clip(xs + dx, 0, width - 1)
                    copies.append(maps[:, rows][:, :, columns])
    return np.stack(copies)


def _refine(image: Tensor, masks: Tensor, dilations: Sequence[int], iterations: int) -> Tensor:
    results = []
    for colours, planes in zip(image.double().cpu().numpy(), masks.double().cpu().numpy(), strict=True):
        neighbours = _shifted(colours, dilations)
        pooled = np.concatenate([neighbours, np.stack([colours] * len(dilations))])
        sigma = pooled.std(axis=0, ddof=1)
        logits = -(np.abs(neighbours - colours) / (1e-8 + 0.1 * sigma)).mean(axis=1)
        weights = np.exp(logits - logits.max(axis=0))
        weights /= weights.sum(axis=0)
        for _ in range(iterations):
            planes = (weights[:, None] * _shifted(planes, dilations)).sum(axis=0)
        results.append(planes)
    return torch.from_numpy(np.stack(results))


@pytest.fixture(scope="session")
def literal_refine() -> Callable[..., Tensor]:
    """METHOD in NumPy float64 with all 48 shifted copies: (image, masks, dilations, iterations) → masks."""
    return _refine


def _geodesic(points: Array, image: Array, gamma: float) -> Array:
    """H×W distance to the nearest of N×2 points: SciPy's Dijkstra from one more node per point."""
    height, width = image.shape[1:]
    index = np.arange(height * width).reshape(height, width)
    heads, tails, lengths = [], [], []
    for dy, dx in ((0, 1), (1, -1), (1, 0), (1, 1)):
        here = index[: height - dy, max(0, -dx) : width - max(0, dx)]
        there = index[dy:, max(0, dx) : width + min(0, dx)]
        flat = image.reshape(len(image), -1)
        colour = 3 * ((flat[:, here.ravel()] - flat[:, there.ravel()]) ** 2).mean(axis=0)
        heads.append(here.ravel())
        tails.append(there.ravel())
        lengths.append(np.sqrt(dy * dy + dx * dx + gamma * gamma * colour))
    nodes = height * width
    for x, y in points:
        column, row = min(max(math.floor(x), 0), width - 1), min(max(math.floor(y), 0), height - 1)
        doors = {(row, column)}
        doors |= {(r, column) for r in range(height)} if not 0 <= x < width else set()
        doors |= {(row, c) for c in range(width)} if not 0 <= y < height else set()
        for r, c in doors:
            heads.append(np.array([nodes]))
            tails.append(np.array([index[r, c]]))
            # SciPy reads a length of 0 as "no edge".
            lengths.append(np.array([max(math.hypot(c + 0.5 - x, r + 0.5 - y), 1e-300)]))
        nodes += 1
    graph = csr_matrix((np.concatenate(lengths), (np.concatenate(heads), np.concatenate(tails))), shape=(nodes, nodes))
    starts = np.arange(height * width, nodes)
    # A click's own node is a door for no other path: edges from it are directed, those among pixels go both ways.
    pixels = graph[: height * width, : height * width]
    both = csr_matrix((nodes, nodes))
    both = graph + csr_matrix(
        (pixels.T.tocoo().data, (pixels.T.tocoo().row, pixels.T.tocoo().col)), shape=(nodes, nodes)
    )
    return dijkstra(both, directed=True, indices=starts).min(axis=0)[: height * width].reshape(height, width)


@pytest.fixture(scope="session")
def dijkstra_field() -> Callable[[Array, Array, float], Array]:
    """(N×2 points, K×H×W float64 image, γ) → H×W float64 distances."""
    return _geodesic
