"""Networks by name, randomly initialised: one file per source of them, found by name.

A new source is one new module here with a subclass of `NetworkFamily`.
"""

from __future__ import annotations

import inspect
import warnings

import torch

from pointillist.errors import ConfigError, PluginWarning, nearest
from pointillist.registry import Registry
from pointillist.training.network_settings import OWN, NetworkSettings
from pointillist.training.networks.base import Network, NetworkFamily, check_options

__all__ = ["Network", "NetworkFamily", "architectures", "build_network", "check_options", "families"]


FAMILIES: Registry[NetworkFamily] = Registry(
    "source of networks",
    __name__,
    NetworkFamily,  # type: ignore[type-abstract]
    "network.architecture",
)
families = FAMILIES.all


def architectures() -> dict[str, type[NetworkFamily]]:
    """Whose each architecture is. One that two families offer stays with the built-in one, with a `PluginWarning`."""
    found: dict[str, type[NetworkFamily]] = {}
    for family in sorted(families().values(), key=lambda family: not family.__module__.startswith(__name__)):
        for name in family.architectures:
            if name in found:
                text = f"'{name}' of {family.__module__} is left out: {found[name].__module__} has it already."
                warnings.warn(text, PluginWarning, stacklevel=2)
            found.setdefault(name, family)
    return found


def build_network(settings: NetworkSettings, num_classes: int, bands: int = 3) -> Network:
    """A network in channels-last order; see `NetworkFamily.build`."""
    if settings.architecture == OWN:
        found = "the network was a program's own, which no file of a run holds."
        hint = "Hand the same over again, in Python: network=…."
        raise ConfigError(found, field="network.architecture", hint=hint)
    known = architectures()
    if settings.architecture not in known:
        raise ConfigError(
            f"{settings.architecture!r} is no architecture.",
            field="network.architecture",
            hint=nearest(settings.architecture, known),
        )
    build = known[settings.architecture].build
    try:
        inspect.signature(build).bind(settings, num_classes, bands)
    except TypeError as error:
        found = f"{build.__qualname__} of {build.__module__} does not take a number of bands."
        hint = "Give it the arguments settings, num_classes, bands: see docs/plugins.md."
        raise ConfigError(found, field="network.architecture", hint=hint) from error
    network = build(settings, num_classes, bands)
    return network.to(memory_format=torch.channels_last)
