"""What a network is, and what a source of networks must offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import ClassVar

from torch import Tensor, nn

from pointillist.errors import ConfigError, nearest
from pointillist.training.methods import NetworkOutput
from pointillist.training.network_settings import NetworkSettings


class Network(nn.Module, ABC):
    """A segmentation network that takes plain images.

    Normalisation and padding happen inside, so that a saved model needs no instructions.
    """

    has_graph: ClassVar[bool] = True
    """Whether its graph can be exported: other programs then give the same to rounding."""

    feature_channels: int
    """F of `NetworkOutput.features`."""

    @abstractmethod
    def forward(self, images: Tensor) -> NetworkOutput:
        """Predict B×K×H×W images of K bands in [0, 1], of any size; the logits have the size of the images."""


class NetworkFamily(ABC):
    """A source of networks: one file in this package.

    Settings may come from a stranger's model file: a family looks names up in lists of its own, and opens no file and
    no address that they name, but `weights`, which are None wherever the settings come from a run or a model.
    """

    name: ClassVar[str]
    architectures: ClassVar[Collection[str]]
    """The values of `network.architecture` that are its."""

    @classmethod
    @abstractmethod
    def build(cls, settings: NetworkSettings, num_classes: int, bands: int) -> Network:
        """A new network for C classes and images of K bands; its weights depend on torch's random state alone.

        Raises:
            ConfigError: No such encoder or option, or they do not go together, or not with so many bands.
        """


def check_options(settings: NetworkSettings, known: Collection[str]) -> None:
    """Raise a ConfigError at an option that is not on the list."""
    for name in settings.options:
        if name not in known:
            found = f"{settings.architecture} with {settings.encoder} has no option {name!r}."
            raise ConfigError(found, field="network.options", hint=nearest(name, known))
