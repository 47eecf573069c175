"""What all ways to learn share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field
from torch import Tensor, nn

from pointillist.classes import ClassSet
from pointillist.data.samples import Batch, FieldsOf
from pointillist.schema import Strict
from pointillist.training.losses import BalancedCrossEntropy, click_labels


class MethodOptions(Strict):
    """Base of a method's options; the name is one of them, so that a saved config is complete.

    Args:
        balance: Class balance of every cross-entropy, see `BalancedCrossEntropy`: 0 counts every label the same, 1
            every class.
    """

    name: str
    balance: float = Field(default=0.5, ge=0, le=1)


class Prediction(NamedTuple):
    """What a network says about a batch.

    Args:
        logits: B×C×H×W.
        features: B×F×H'×W' decoder features that the logits were made from.
    """

    logits: Tensor
    features: Tensor


@dataclass(frozen=True)
class Step:
    """What a method sees of one training step.

    Args:
        prediction: The network's answer to `batch.view`.
        batch: Images and their labels.
        progress: Share of the training that is done, in [0, 1).
        guide: Gives B×C×H×W detached probabilities to make pseudo-masks from: the network's own, or its moving
            average's where there is one. Called only by methods that need them.
    """

    prediction: Prediction
    batch: Batch
    progress: float
    guide: Callable[[], Tensor]


@dataclass(frozen=True)
class Outcome:
    """What one step of a method gives.

    Args:
        loss: Scalar to be minimised.
        labels: B×H×W labels learnt from, 255 = ignore; None for methods without pseudo-masks.
        parts: Named scalars to log.
    """

    loss: Tensor
    labels: Tensor | None = None
    parts: Mapping[str, Tensor] = field(default_factory=dict)


class Method(nn.Module, ABC):
    """One way to learn a network from labels; its own parameters, if any, are trained along.

    Attributes:
        name: What the user types.
        title: One line for listings.
        supervision: What it learns from. A method that learns from `points` never receives a mask.
        Options: Its settings.

    Args:
        options: An instance of `Options`.
        classes: Classes of the data set.
        feature_channels: F of the network's features.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    supervision: ClassVar[Literal["points", "masks"]] = "points"
    Options: ClassVar[type[MethodOptions]]

    def __init__(self, options: MethodOptions, classes: ClassSet, feature_channels: int) -> None:
        super().__init__()
        self.classes = classes
        self.on_clicks = BalancedCrossEntropy(len(classes), options.balance)

    def fields_of(self) -> FieldsOf | None:
        """Distance fields to be made once on each whole image, or None when the method needs none."""
        return None

    def click_loss(self, step: Step) -> Tensor:
        """Cross-entropy on the clicked pixels, what every method that learns from points has in common."""
        return self.on_clicks.sparse(step.prediction.logits, self.clicks(step))

    def clicks(self, step: Step) -> Tensor:
        """Label map of the batch that holds the clicks and nothing else, see `click_labels`."""
        logits = step.prediction.logits
        return click_labels(step.batch.points, (logits.shape[-2], logits.shape[-1]), logits.device)

    def expected(self) -> Tensor | None:
        """What probabilities are divided by before they make pseudo-masks (C), None where nothing is."""
        return None

    @abstractmethod
    def loss(self, step: Step) -> Outcome:
        """The loss of one batch; finite, and 0 where nothing is labelled."""
