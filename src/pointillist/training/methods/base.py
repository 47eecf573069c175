"""What all ways to learn share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from pointillist.classes import ClassSet
from pointillist.data.pieces import PlanesOf
from pointillist.data.samples import Batch, ClickedImages
from pointillist.pseudomask import rasterise_points
from pointillist.schema import Strict
from pointillist.training.losses import ClassFrequencies, sparse_cross_entropy
from pointillist.training.network_settings import NetworkSettings


class MethodOptions(Strict):
    """Base of a method's settings; the name is one of them, so that a saved config is complete."""

    name: str
    class_balance: float = Field(default=0.5, ge=0, le=1)
    """Class-balance exponent of every cross-entropy: 0 counts every label the same, 1 every class."""

    def network(self) -> NetworkSettings | None:
        """The network that the method brings; None where it trains whatever the settings say."""
        return None


class NetworkOutput(NamedTuple):
    """What a network says about a batch.

    Attributes:
        logits: B×C×H×W.
        features: B×F×H'×W' decoder features that the logits were made from.
    """

    logits: Tensor
    features: Tensor


@dataclass(frozen=True)
class StepInput:
    """What a method sees of one training step.

    Attributes:
        output: The network's answer to `batch.augmented`.
        batch: Images and their labels.
        progress: Share of the training that is done, in [0, 1).
    """

    output: NetworkOutput
    batch: Batch
    progress: float

    def probabilities(self) -> Tensor:
        """B×C×H×W probabilities of the network, detached."""
        return self.output.logits.detach().float().softmax(1)

    @cached_property
    def clicks(self) -> Tensor:
        """B×H×W label map of the clicked pixels, 255 elsewhere."""
        logits = self.output.logits
        return rasterise_points(self.batch.points, (logits.shape[-2], logits.shape[-1]), logits.device)

    @cached_property
    def given(self) -> Tensor:
        """B×H×W labels that people gave to a method that learns from points: the clicked pixels, or the mask of an
        image whose mask it learns; 255 elsewhere."""
        return self.with_masks(self.clicks)

    def with_masks(self, labels: Tensor) -> Tensor:
        """B×H×W labels, in whose place stands the mask of an image whose mask is learnt."""
        mask, learnt = self.batch.mask, self.batch.mask_learnt
        if mask is None or learnt is None:
            return labels
        return torch.where(learnt[:, None, None], mask, labels)


@dataclass(frozen=True)
class LossOutput:
    """What one step of a method gives.

    Attributes:
        loss: Scalar to be minimised.
        parts: Its parts by name, to log: they reach `metrics.csv`, progress, report and annotator by themselves.
        pseudo_labels: B×H×W labels that the method made itself, 255 = ignore; None where there are none.
    """

    loss: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    pseudo_labels: Tensor | None = None


class Method(nn.Module, ABC):
    """One way to learn a network from labels; its own parameters, if any, are trained along.

    Attributes:
        name: What the user types.
        title: One line for listings.
        supervision: What it learns from. A method that learns from `points` never receives a mask.
        in_steps: Whether it learns in steps of an optimiser. Without them, all is done by `prepare`.
        Options: Its settings.

    Args:
        options: An instance of `Options`.
        classes: Classes of the data set.
        feature_channels: F of the network's features.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    supervision: ClassVar[Literal["points", "masks"]] = "points"
    in_steps: ClassVar[bool] = True
    Options: ClassVar[type[MethodOptions]]

    def __init__(self, options: MethodOptions, classes: ClassSet, feature_channels: int) -> None:
        super().__init__()
        self.options = options
        self.classes = classes
        self.frequencies = ClassFrequencies(len(classes), options.class_balance)
        """Of the clicks, or of the masks' pixels for a method that learns from masks."""

    def distances_of(self) -> PlanesOf | None:
        """Makes the distances that the method needs, once for each piece; None when it needs none."""
        return None

    def evidence_of(self) -> PlanesOf | None:
        """Makes the evidence that it needs, in the same way; asked after `prepare`."""
        return None

    def prepare(self, clicked: ClickedImages, network: nn.Module) -> None:
        """Learn at once from all clicks, before the first step and again when a run goes on.

        What comes of it must follow from the clicks and the seed (`torch.initial_seed()`) alone: every process of a
        training calls it by itself.

        Args:
            clicked: `clicked(None)` goes through every image, or piece of a large one, that has a click: once, not
                transformed, without its mask; `clicked(400)` through as many as have 400 clicks of each class. Each
                is read when its turn comes.
            network: The network, which gives a `NetworkOutput`; on the CPU.

        Raises:
            PointsError: No click lies on a pixel with data.
            ImageError: An image cannot be read.
        """

    def pseudo_labels(self, step: StepInput) -> Tensor | None:
        """B×H×W int64 labels that this step would teach, 255 = ignore; None for a method that makes none.

        Changes nothing, so that pictures, benchmarks and the annotator may ask at any time.
        """
        return None

    @abstractmethod
    def loss(self, step: StepInput) -> LossOutput:
        """The loss of one batch; finite, and 0 where nothing is labelled. Changes nothing."""

    def update_class_frequencies(self, step: StepInput, output: LossOutput) -> None:
        """Count what a step has taught; the training calls it once after each loss.

        Clicks alone count, not masks that are learnt beside them: a mask has a thousand times as many pixels, and the
        share of a class among clicks is what the prior correction takes out again.
        """
        self.frequencies.update(step.clicks)

    def class_prior(self) -> Tensor | None:
        """How much of each class (C, sum 1) the network was taught so far; None where nobody asks for it."""
        return None

    def click_loss(self, step: StepInput) -> Tensor:
        """Cross-entropy on what people gave, what every method that learns from points has in common."""
        return sparse_cross_entropy(step.output.logits, step.given, self.frequencies.weights)

    def beside_clicks(self, step: StepInput, **terms: tuple[float, Tensor]) -> LossOutput:
        """`click_loss` and, by name, further terms times their weights; each is logged as `loss_` and its name."""
        total = on_clicks = self.click_loss(step)
        parts = {"loss_clicks": on_clicks.detach()}
        for name, (weight, term) in terms.items():
            total = total + weight * term
            parts[f"loss_{name}"] = term.detach()
        return LossOutput(total, parts)
