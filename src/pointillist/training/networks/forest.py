"""A forest of decision trees on multiscale features, as a network: arithmetic on tensors, saved like one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from pointillist.errors import ConfigError
from pointillist.schema import Strict, parse
from pointillist.training.filter_bank import PER_BAND, SIGMAS, filter_bank, reach
from pointillist.training.methods import NetworkOutput
from pointillist.training.network_settings import NetworkSettings
from pointillist.training.networks.base import Network, NetworkFamily, check_options

CHUNK = 4096
"""Pixels that go through all trees together: what they need stays in the cache of a CPU."""

MOST = 2**27
"""Values of features, and of what trees say, that are held at once; larger images and forests go through in parts."""

LEAST = 1e-4
"""Least share of a class before the logarithm: a class that no tree names is improbable, not impossible."""


class ForestOptions(Strict):
    """Sizes of a forest; all its trees have room for as many nodes, so that the settings say how large a model is."""

    trees: int = Field(default=100, ge=1, le=1000)
    """Number of trees."""
    max_depth: int = Field(default=16, ge=1, le=32)
    """Most decisions on the way to a leaf."""
    max_leaves: int = Field(default=1024, ge=2, le=4096)
    """Most leaves of a tree."""
    sigmas: tuple[Annotated[float, Field(ge=0.1, le=64)], ...] = Field(default=SIGMAS, min_length=1, max_length=16)
    """Standard deviations of the Gaussians of the features, pixels at the learnt scale."""


@dataclass(frozen=True)
class Tree:
    """A decision tree of n nodes, the first of them its root.

    Args:
        feature: n, which feature a node looks at.
        threshold: n, up to which value the way leads to the first child; +inf at a leaf.
        child: n×2, where the way leads; a leaf leads to itself.
        shares: n×C, what a leaf says.
    """

    feature: Tensor
    threshold: Tensor
    child: Tensor
    shares: Tensor


class ForestNetwork(Network):
    """Features, then trees: logits are logarithms of the mean of what the trees' leaves say.

    Nothing in it learns from gradients; `plant` fills it. Before that, all classes are equally probable.

    Args:
        options: Sizes.
        num_classes: C.
        bands: K.
    """

    # Resizing elsewhere changes the last digits of a pixel, which then may lie on the other side of a threshold.
    has_graph = False

    feature: Tensor
    threshold: Tensor
    child: Tensor
    shares: Tensor

    def __init__(self, options: ForestOptions, num_classes: int, bands: int) -> None:
        super().__init__()
        self.options = options
        self.feature_channels = num_classes
        self.filters = PER_BAND * len(options.sigmas) * bands
        size = (options.trees, 2 * options.max_leaves - 1)
        self.register_buffer("feature", torch.zeros(size, dtype=torch.int32))
        self.register_buffer("threshold", torch.zeros(size))
        self.register_buffer("child", torch.zeros(*size, 2, dtype=torch.int32))
        self.register_buffer("shares", torch.zeros(*size, num_classes))
        self.register_load_state_dict_post_hook(_check)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def plant(self, trees: Sequence[Tree]) -> None:
        """Put trees in the place of those that are there; a ValueError if they do not fit in number or size."""
        count, room = self.feature.shape
        if len(trees) != count or any(len(tree.feature) > room for tree in trees):
            raise ValueError(f"a forest of {count} trees of up to {room} nodes holds no others")
        for name in ("feature", "threshold", "child", "shares"):
            buffer: Tensor = getattr(self, name)
            buffer.zero_()
            for place, tree in zip(buffer, trees, strict=True):
                values: Tensor = getattr(tree, name)
                place[: len(values)] = values

    def forward(self, images: Tensor) -> NetworkOutput:
        """See `Network.forward`; its features are the means of the trees' shares."""
        height, margin = images.shape[2], reach(self.options.sigmas)
        rows = max(1, MOST // (self.filters * images[:, 0, 0].numel()))
        found = []
        for top in range(0, height, rows):
            start, bottom = max(0, top - margin), min(height, top + rows)
            filters = filter_bank(images[:, :, start : bottom + margin], self.options.sigmas)
            found.append(self.classify(filters[:, :, top - start : bottom - start]))
        shares = torch.cat(found, 2)
        return NetworkOutput(shares.clamp(min=LEAST).log(), shares)

    def classify(self, filters: Tensor) -> Tensor:
        """Mean of the trees' shares: B×F×H×W features → B×C×H×W."""
        count, room = self.feature.shape
        # A pixel's value of a feature lies at feature · pixels + pixel.
        flat = filters.transpose(0, 1).flatten(1)
        values, pixels = flat.flatten(), torch.arange(flat.shape[1], dtype=torch.int32, device=flat.device)
        roots = torch.arange(0, count * room, room, dtype=torch.int32, device=flat.device)
        feature, threshold = self.feature.flatten() * flat.shape[1], self.threshold.flatten()
        child = (self.child + roots[:, None, None]).flatten()
        shares = self.shares.flatten(0, 1)
        found = []
        for chunk in torch.split(pixels, min(CHUNK, max(1, MOST // (count * shares.shape[1])))):
            node = roots[:, None].expand(-1, len(chunk)).flatten()
            pixel = chunk.expand(count, -1).flatten()
            for _ in range(self.options.max_depth):
                value = values.index_select(0, feature.index_select(0, node) + pixel)
                node = child.index_select(0, 2 * node + (value > threshold.index_select(0, node)))
            found.append(shares.index_select(0, node).view(count, len(chunk), -1).mean(0))
        images, _, height, width = filters.shape
        return torch.cat(found).view(images, height, width, -1).permute(0, 3, 1, 2).contiguous()


def _check(network: nn.Module, _: object) -> None:
    """Weights may be a stranger's: no way may lead out of a tree, and what its leaves say is numbers."""
    if not isinstance(network, ForestNetwork):
        return
    room = network.feature.shape[1]
    for name, end in (("feature", network.filters), ("child", room)):
        values: Tensor = getattr(network, name)
        if not bool(((values >= 0) & (values < end)).all()):
            raise RuntimeError(f"'{name}' of this forest holds a number that is not from 0 to {end - 1}")
    if not bool(network.shares.isfinite().all()):
        raise RuntimeError("'shares' of this forest holds a number that is not finite")


class Forests(NetworkFamily):
    """Forests of decision trees."""

    name = "forest"
    architectures = ("forest",)

    @classmethod
    def build(cls, settings: NetworkSettings, num_classes: int, bands: int) -> ForestNetwork:
        """See `NetworkFamily.build`."""
        check_options(settings, ForestOptions.model_fields)
        options = parse(ForestOptions, settings.options, ConfigError, "network.options")
        return ForestNetwork(options, num_classes, bands)
