"""What ilastik, Labkit, Trainable Weka Segmentation and convpaint do: a forest of trees on filters, from the clicks.

No network learns here: extremely randomised trees (Geurts et al. 2006) classify a pixel by its multiscale features.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from pointillist.data.samples import ClickedImages
from pointillist.training.filter_bank import clicked_features, filter_bank
from pointillist.training.losses import as_prior
from pointillist.training.methods.base import LossOutput, Method, MethodOptions, StepInput
from pointillist.training.network_settings import NetworkSettings
from pointillist.training.networks.forest import ForestNetwork, ForestOptions, Tree


class ForestMethodOptions(ForestOptions, MethodOptions):
    """Settings of the trees and of what they look at."""

    name: Literal["forest"] = "forest"
    prior_correction: float = Field(default=0.6, ge=0, le=1)
    """How far the class prior of the clicks is taken out of the probabilities: 0 not at all, 1 wholly."""

    def network(self) -> NetworkSettings:
        """See `MethodOptions.network`."""
        sizes = ForestOptions.model_fields
        options = {name: value for name, value in self.model_dump(mode="json").items() if name in sizes}
        return NetworkSettings(architecture="forest", encoder="", options=options)


class Forest(Method):
    """Extremely randomised trees on intensity, edges and texture at several scales, made of all clicks at once."""

    name: ClassVar[str] = "forest"
    title: ClassVar[str] = "trees on filters, without a neural network, in seconds (as ilastik, Labkit, Weka do)"
    in_steps: ClassVar[bool] = False
    Options: ClassVar[type[MethodOptions]] = ForestMethodOptions

    options: ForestMethodOptions

    def prepare(self, clicked: ClickedImages, network: nn.Module) -> None:
        """See `Method.prepare`."""
        if not isinstance(network, ForestNetwork):
            raise TypeError("the method 'forest' trains a ForestNetwork")
        features, labels = clicked_features(clicked(None), partial(filter_bank, sigmas=self.options.sigmas))
        self.frequencies.update(labels)
        trees = grow(features, labels, self.frequencies.weights, self.options, seed=torch.initial_seed() % 2**32)
        prior = as_prior(self.frequencies.weighted) ** self.options.prior_correction
        network.plant([Tree(one.feature, one.threshold, one.child, one.shares / prior) for one in trees])

    def loss(self, step: StepInput) -> LossOutput:
        """See `Method.loss`; nothing is minimised."""
        return LossOutput(self.click_loss(step))


def grow(features: Tensor, labels: Tensor, weights: Tensor, options: ForestMethodOptions, seed: int) -> list[Tree]:
    """Extremely randomised trees.

    Args:
        features: n×F.
        labels: n classes, below C.
        weights: Weight of a label by its class (C).
        options: How many trees of what size.
        seed: Seed of their random thresholds.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(
        options.trees,
        max_depth=options.max_depth,
        max_leaf_nodes=options.max_leaves,
        max_features=None,  # all: on images held out 0.006 to 0.018 of mIoU better than the usual √F
        n_jobs=torch.get_num_threads(),
        random_state=seed,
    )
    forest.fit(features.numpy(), labels.numpy(), sample_weight=weights[labels].numpy())
    return [_converted(one.tree_, forest.classes_, len(weights)) for one in forest.estimators_]


def _converted(tree: Any, classes: NDArray[np.int64], num_classes: int) -> Tree:
    """A tree of scikit-learn, which knows the classes alone that have a click."""
    left, right = tree.children_left, tree.children_right
    leaf = left < 0
    own = np.arange(len(left))
    child = np.stack([np.where(leaf, own, left), np.where(leaf, own, right)], 1)
    # Features are float32: rounded down, a threshold parts them as before.
    near = tree.threshold.astype(np.float32)
    threshold = np.where(near > tree.threshold, np.nextafter(near, np.float32(-np.inf)), near)
    shares = np.zeros((len(left), num_classes), np.float32)
    shares[:, classes] = tree.value[:, 0] / tree.value[:, 0].sum(1, keepdims=True)
    parts = (np.where(leaf, 0, tree.feature), np.where(leaf, np.float32(np.inf), threshold), child, shares)
    return Tree(*map(torch.from_numpy, parts))
