"""Networks by name, randomly initialised: one file per source of them, found by name.

A new source is one new module here with a subclass of `NetworkFamily`.
"""

from __future__ import annotations

import torch

from pointillist.errors import ConfigError, nearest
from pointillist.registry import Registry
from pointillist.training.config import NetworkSettings
from pointillist.training.networks.base import Network, NetworkFamily, check_options

__all__ = ["Network", "NetworkFamily", "architectures", "build_network", "check_options", "families"]


FAMILIES: Registry[NetworkFamily] = Registry(
    "source of networks",
    __name__,
    NetworkFamily,  # type: ignore[type-abstract]
    "network.architecture",
)


def families() -> dict[str, type[NetworkFamily]]:
    """All sources of networks by name."""
    return FAMILIES.all()


def architectures() -> dict[str, type[NetworkFamily]]:
    """Whose each architecture is.

    Raises:
        ConfigError: Two families offer the same; neither may take the other's place in silence.
    """
    found: dict[str, type[NetworkFamily]] = {}
    for family in families().values():
        for name in family.architectures:
            if name in found:
                raise ConfigError(
                    f"{name!r} is offered by {found[name].name} and by {family.name}.",
                    field="network.architecture",
                    hint="Rename one of them.",
                )
            found[name] = family
    return found


def build_network(settings: NetworkSettings, num_classes: int) -> Network:
    """A network in channels-last order; see `NetworkFamily.build`."""
    known = architectures()
    if settings.architecture not in known:
        raise ConfigError(
            f"{settings.architecture!r} is no architecture.",
            field="network.architecture",
            hint=nearest(settings.architecture, known),
        )
    network = known[settings.architecture].build(settings, num_classes)
    return network.to(memory_format=torch.channels_last)
