"""What a Python program brings to a training itself: a network, an optimiser, loggers. None of it is kept in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pointillist.errors import ConfigError, TensorError
from pointillist.training.methods import NetworkOutput
from pointillist.training.network_settings import OWN
from pointillist.training.networks.base import Network

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

OwnModule: TypeAlias = nn.Module | Callable[[int, int], nn.Module]
"""A module that takes B×K×H×W images of K bands in [0, 1] and gives B×C×H×W logits, or `NetworkOutput`; or a function
of C and K that makes one."""

OwnOptimizer: TypeAlias = Callable[[list[nn.Parameter]], Optimizer | tuple[Optimizer, LRScheduler]]
"""A function of the weights that makes an optimiser, for example `functools.partial(torch.optim.SGD, lr=0.1)`; with a
schedule of its own, which moves on with each step, or else with the warm-up and cosine of this package."""

STRIDE = 32
"""Sides that a module of others sees are multiples of this: most encoders halve an image five times."""


@dataclass(frozen=True)
class Own:
    """What a program hands over.

    Args:
        network: In place of `network.architecture`.
        optimizer: In place of AdamW.
        loggers: Beside those that `trainer.logger` names.
    """

    network: OwnModule | None = None
    optimizer: OwnOptimizer | None = None
    loggers: Sequence[Logger] = ()

    def check(self, architecture: str, optimizer: str) -> None:
        """Compare with what the settings say.

        Raises:
            ConfigError: Something is missing or too much.
        """
        parts = (("network", self.network, architecture), ("optimizer", self.optimizer, optimizer))
        for name, given, said in parts:
            if said == OWN and given is None:
                raise missing(name)
            if said != OWN and given is not None:
                found = f"is handed over, and the settings name '{said}'."
                raise ConfigError(found, field=name, hint=f"Leave one of them out: {name}=…, or the setting.")


NOTHING = Own()


def missing(name: str) -> ConfigError:
    """What to say where something of a program's own is not there."""
    found = "was a program's own, which no file of a run holds."
    return ConfigError(found, field=name, hint=f"Hand the same over again, in Python: {name}=….")


class OwnNetwork(Network):
    """A module of somebody else as a network. It is a copy: the module itself stays as it is.

    Images are padded to multiples of `STRIDE`.

    Args:
        own: The module, or what makes it.
        num_classes: C.
        bands: K.

    Raises:
        ConfigError: It makes no module.
        TensorError: It does not give C logits per pixel.
    """

    has_graph = False

    def __init__(self, own: OwnModule, num_classes: int, bands: int) -> None:
        super().__init__()
        made = deepcopy(own) if isinstance(own, nn.Module) else own(num_classes, bands)
        if not isinstance(made, nn.Module):
            hint = "Hand over a torch.nn.Module, or a function of the numbers of classes and bands that makes one."
            raise ConfigError(f"{type(made).__name__} is no network.", field="network", hint=hint)
        self.module = made
        self.num_classes = num_classes
        before = [(part, part.training) for part in made.modules()]
        with torch.no_grad():
            self.eval()
            self.feature_channels = self(torch.zeros(1, bands, 2 * STRIDE, 2 * STRIDE)).features.shape[1]
        for part, training in before:
            part.training = training
        self.training = True

    def forward(self, images: Tensor) -> NetworkOutput:
        """See `Network.forward`."""
        height, width = images.shape[-2:]
        x = F.pad(images, (0, -width % STRIDE, 0, -height % STRIDE), value=0.5)
        output = self.module(x)
        logits, features = output if isinstance(output, NetworkOutput) else (output, output)
        if not isinstance(logits, Tensor) or logits.shape != (len(x), self.num_classes, *x.shape[-2:]):
            given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            found = f"gives {given} for images of {tuple(x.shape)}."
            hint = f"It must give B×{self.num_classes}×H×W logits, or NetworkOutput(logits, features)."
            raise TensorError(found, field="network", hint=hint)
        return NetworkOutput(logits[..., :height, :width].contiguous(), features)


def own_optimizer(make: OwnOptimizer, weights: Iterable[nn.Parameter]) -> tuple[Optimizer, LRScheduler | None]:
    """An optimiser of somebody else, and its schedule if it brings one.

    Raises:
        ConfigError: It is none.
    """
    made = make(list(weights))
    optimizer, schedule = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(optimizer, Optimizer) or not isinstance(schedule, LRScheduler | None):
        hint = "The function must give a torch.optim.Optimizer, or one and a torch.optim.lr_scheduler.LRScheduler."
        raise ConfigError(f"{type(made).__name__} is no optimiser.", field="optimizer", hint=hint)
    return optimizer, schedule


def parted_loggers(given: str | Logger | Sequence[str | Logger] | None) -> tuple[list[str] | str | None, list[Logger]]:
    """Names for the settings, None where nothing was said; and the others."""
    if given is None or isinstance(given, str):
        return given, []
    several = given if isinstance(given, Sequence) else [given]
    return [one for one in several if isinstance(one, str)], [one for one in several if not isinstance(one, str)]
