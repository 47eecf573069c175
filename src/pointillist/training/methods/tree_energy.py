"""Clicks and a tree energy: each prediction shall be the mean of those it is tied to along minimum spanning trees.

Liang et al., *Tree Energy Loss: Towards Sparsely Annotated Semantic Segmentation*, CVPR 2022 (TEL); see docs/methods.md
for what differs from their code.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from torch import Tensor, nn

from pointillist.classes import IGNORE, ClassSet
from pointillist.pseudomask.fields import band_weight
from pointillist.training.losses import masked_mean
from pointillist.training.methods.base import LossOutput, Method, MethodOptions, StepInput
from pointillist.training.methods.cells import cell_clicks, cell_features, cell_means, clicked_images, valid_cells


class TreeEnergyOptions(MethodOptions):
    """Settings of the trees."""

    name: Literal["tree-energy"] = "tree-energy"
    weight: float = Field(default=0.4, ge=0)
    """Weight of the tree energy beside the cross-entropy."""
    sigma: float = Field(default=0.02, gt=0)
    """Squared difference of colours in [0, 1] at which the affinity of two neighbours falls to 1/e."""
    embedding: int = Field(default=256, ge=0)
    """Channels of the learnt embedding in which the second tree is built; 0 leaves that tree out."""
    stride: Literal[1, 2, 4, 8] = 4
    """Pixels per cell: the energy compares predictions at low resolution."""


class TreeEnergy(Method):
    """Cross-entropy on the clicks, and the distance of each prediction from its mean along two spanning trees.

    The trees themselves carry no gradient: which edges a tree has is decided from detached maps. The affinities along
    the tree of colours are constants, those along the tree of embedded features are learnt with the network, and
    nothing is detached on the way from the filtered predictions to the logits.
    """

    name: ClassVar[str] = "tree-energy"
    title: ClassVar[str] = "clicks and the Tree Energy Loss (Liang 2022)"
    Options: ClassVar[type[MethodOptions]] = TreeEnergyOptions

    options: TreeEnergyOptions

    def __init__(self, options: TreeEnergyOptions, classes: ClassSet, feature_channels: int) -> None:
        super().__init__(options, classes, feature_channels)
        self.embed = nn.Conv2d(feature_channels, options.embedding, 1, bias=False) if options.embedding else None

    def loss(self, step: StepInput) -> LossOutput:
        """See `Method.loss`."""
        batch, stride = step.batch, self.options.stride
        probabilities = cell_means(step.output.logits, stride).softmax(1)
        valid = valid_cells(batch.valid, stride)
        weight = band_weight(batch.image.shape[1])
        colors = grid_distances(cell_means(batch.image, stride)) * weight / self.options.sigma
        smooth = tree_filter(probabilities, colors, valid)
        if self.embed is not None:
            smooth = tree_filter(smooth, grid_distances(self._embedded(self.embed, step, valid)), valid)
        size = (valid.shape[-2], valid.shape[-1])
        unlabelled = valid & (cell_clicks(batch.points, size, stride, valid.device) == IGNORE)
        energies = (probabilities - smooth).abs().sum(1) * clicked_images(batch.points, valid.device)[:, None, None]
        energy = masked_mean(energies, unlabelled.to(energies.dtype))
        return self.beside_clicks(step, tree=(self.options.weight, energy))

    def _embedded(self, embed: nn.Conv2d, step: StepInput, valid: Tensor) -> Tensor:
        """B×256×h×w; in float32, because the exponential of a distance has no use for eight bits."""
        image_size = (step.batch.image.shape[-2], step.batch.image.shape[-1])
        size = (valid.shape[-2], valid.shape[-1])
        features = cell_features(step.output.features, image_size, size, self.options.stride)
        with torch.autocast(features.device.type, enabled=False):
            embedded: Tensor = embed(features)
        return embedded


def grid_distances(maps: Tensor) -> Tensor:
    """B×K×h×w → squared distances between 4-neighbours: all to the right, then all below, each in raster order."""
    right = (maps[..., 1:] - maps[..., :-1]).square().sum(1)
    below = (maps[..., 1:, :] - maps[..., :-1, :]).square().sum(1)
    return torch.cat([right.flatten(), below.flatten()])


def tree_filter(maps: Tensor, distances: Tensor, valid: Tensor) -> Tensor:
    """Mean over all cells of an image, weighted with the affinity along its minimum spanning tree.

    The affinity of two cells is the product of exp(−distance) over the edges of the path between them; that of a cell
    with itself is 1. Cells of padding have no part in it and stay as they are.

    Args:
        maps: B×K×h×w; carries gradient.
        distances: Of the grid's edges, see `grid_distances`; carries gradient.
        valid: B×h×w bool, False on padding.

    Returns:
        B×K×h×w.
    """
    tree = spanning_trees(distances.detach(), valid)
    affinities = torch.exp(-distances[tree.edges]) * tree.linked
    rows = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
    # A further column of ones gives the mass by which to divide.
    rows = torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)
    sums: Tensor = _TreeSums.apply(rows, affinities, *_jumps(tree.parents))
    means = sums[:, :-1] / sums[:, -1:]
    return means.view(maps.shape[0], *maps.shape[2:], -1).permute(0, 3, 1, 2)


class SpanningTrees(NamedTuple):
    """A tree per image over all B·h·w cells in raster order.

    Args:
        parents: B·h·w int64; a root, and each cell of padding, is its own parent.
        edges: B·h·w int64, the grid's edge between a cell and its parent; any where there is none.
        linked: B·h·w bool, whether a cell has a parent.
    """

    parents: Tensor
    edges: Tensor
    linked: Tensor


def spanning_trees(distances: Tensor, valid: Tensor) -> SpanningTrees:
    """Minimum spanning trees of the 4-neighbour grids of a batch, on the CPU by SciPy.

    Args:
        distances: Of the grid's edges, see `grid_distances`; no gradient.
        valid: B×h×w bool; the valid cells of an image hang together.
    """
    batch, height, width = valid.shape
    # SciPy before 1.15 takes no other indices here.
    cells = torch.arange(valid.numel(), dtype=torch.int32).view(batch, height, width)
    one = torch.cat([cells[:, :, :-1].flatten(), cells[:, :-1].flatten()]).numpy()
    other = torch.cat([cells[:, :, 1:].flatten(), cells[:, 1:].flatten()]).numpy()
    inside = valid.flatten().cpu().numpy()
    # A zero would be no edge to SciPy. Edges at padding are taken last, so they never join what is valid.
    weights = 1 + distances.cpu().numpy().astype(np.float64)
    wall = 1 + weights.max(initial=1.0)
    weights[~(inside[one] & inside[other])] = wall
    # The corners of all images are joined, so that one search finds every parent; their links count for nothing.
    corners = cells[:, 0, 0].numpy()
    graph = coo_array(
        (
            np.concatenate([weights, np.full(batch - 1, wall)]),
            (np.concatenate([one, np.zeros(batch - 1, dtype=one.dtype)]), np.concatenate([other, corners[1:]])),
        ),
        shape=(valid.numel(), valid.numel()),
    ).tocsr()
    parents = breadth_first_order(minimum_spanning_tree(graph), 0, directed=False)[1].astype(np.int64)
    cell = cells.flatten().numpy()
    parents[corners] = corners
    parents = np.where(inside & inside[parents], parents, cell)
    first, apart = np.minimum(parents, cell), np.abs(parents - cell)
    right, below = np.zeros(valid.numel(), dtype=np.int64), np.zeros(valid.numel(), dtype=np.int64)
    across = batch * height * (width - 1)
    right[one[:across]], below[one[across:]] = np.arange(across), np.arange(across, len(one))
    edges = np.where(apart == width, below[first], right[first])
    return SpanningTrees(*(torch.from_numpy(a).to(valid.device) for a in (parents, edges, parents != cell)))


def _jumps(parents: Tensor) -> list[Tensor]:
    """Ancestors 1, 2, 4, … links up, as far as the deepest cell needs them."""
    jumps = [parents]
    while not torch.equal(further := jumps[-1][jumps[-1]], jumps[-1]):
        jumps.append(further)
    return jumps


class _TreeSums(torch.autograd.Function):
    """Sums over a tree, weighted with the affinities along its paths: once from the leaves to the root, once back.

    Let W hold the affinity of each cell to its parent. From the leaves, a = (I − Wᵀ)⁻¹·x collects every subtree; on the
    way back, y = (I − W)⁻¹·(1 − w²)·a adds what lies outside of it, w·(y_parent − w·a). With W nilpotent,
    (I − W)⁻¹ = (I + W)(I + W²)(I + W⁴)…, so either way takes as many vectorised steps as the depth has binary digits,
    not one per level; trees of some thousand cells are hundreds of levels deep.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, affinities: Tensor, *jumps: Tensor) -> Tensor:
        powers = [affinities[:, None]]
        for jump in jumps[:-1]:
            powers.append(powers[-1] * powers[-1][jump])
        collected = _to_root(rows, powers, jumps)
        sums = _to_leaves((1 - affinities[:, None] ** 2) * collected, powers, jumps)
        ctx.jumps, ctx.powers = jumps, powers
        ctx.save_for_backward(collected, sums)
        return sums

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        collected, sums = ctx.saved_tensors
        parents, affinities = ctx.jumps[0], ctx.powers[0]
        # The sums are a symmetric map of the rows, so the gradient takes the same two ways.
        back = _to_root(gradients[0], ctx.powers, ctx.jumps)
        to_rows = _to_leaves((1 - affinities**2) * back, ctx.powers, ctx.jumps)
        to_affinities = None
        if ctx.needs_input_grad[1]:
            both = back * sums[parents] + collected * to_rows[parents]
            to_affinities = (both - 2 * affinities * back * collected).sum(1)
        return to_rows, to_affinities, *(None for _ in ctx.jumps)


def _to_root(rows: Tensor, powers: list[Tensor], jumps: tuple[Tensor, ...]) -> Tensor:
    for power, jump in zip(powers, jumps, strict=True):
        rows = rows.index_add(0, jump, power * rows)
    return rows


def _to_leaves(rows: Tensor, powers: list[Tensor], jumps: tuple[Tensor, ...]) -> Tensor:
    for power, jump in zip(powers, jumps, strict=True):
        rows = torch.addcmul(rows, power, rows[jump])
    return rows
