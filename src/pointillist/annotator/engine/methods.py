"""What the page may say about a training: which methods there are, and which settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pointillist.errors import ConfigError, nearest
from pointillist.training.config import Config, make_config
from pointillist.training.methods import methods
from pointillist.training.start import SLOWER

ALLOWED = ("method.name", "data.size", "trainer.epochs", "trainer.minutes", "trainer.seed", "trainer.device")
"""Settings that a page may choose; all others have their usual values."""


def describe_methods() -> list[dict[str, Any]]:
    """The methods that learn from points, as the page reads them; the usual one first."""
    usual = make_config().method.name
    offered = {name: kind for name, kind in methods().items() if kind.supervision == "points"}
    return [{"name": name, "title": offered[name].title} for name in sorted(offered, key=lambda name: name != usual)]


def page_config(settings: Mapping[str, Any]) -> Config:
    """The whole configuration of a training that was started by a page, from settings by dotted name.

    Raises:
        ConfigError: A value is impossible, or a setting differs from its usual value that a page may not choose.
    """
    config = make_config(None, settings)
    check_page_config(config)
    return config


def check_page_config(config: Config, *, begun: bool = False, learning_on: bool = False) -> None:
    """Refuse a configuration that no page can have asked for.

    Args:
        config: What is to be done.
        begun: It is that of a training that began: the program has said whose masks are learnt.
        learning_on: It is that of a training that learns on: that has another learning rate.

    Raises:
        ConfigError: The method does not learn from points, or a setting differs from its usual value.
    """
    offered = [method["name"] for method in describe_methods()]
    if config.method.name not in offered:
        found = f"{config.method.name!r} does not learn from points."
        raise ConfigError(found, field="method", hint=nearest(config.method.name, offered))
    # What was merged and parsed counts, not what was written: nothing of a page may name files or other machines.
    usual = dict(_leaves(make_config(None, {"method": config.method.name}).to_dict()))
    allowed = (*ALLOWED, *(("data.learn_masks",) if begun else ()), *(("optimizer.lr",) if learning_on else ()))
    for name, value in _leaves(config.to_dict()):
        if name not in allowed and (name not in usual or usual[name] != value):
            raise ConfigError("this setting cannot be made here.", field=name, hint="Leave it out.")


def slower(config: Config) -> Config:
    """The same with the learning rate of a training that goes on from a model."""
    lower = config.optimizer.model_copy(update={"lr": SLOWER * config.optimizer.lr})
    return config.model_copy(update={"optimizer": lower})


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
