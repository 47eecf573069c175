"""Ways to learn: one small file each, found by name.

A new method is one new module here with a subclass of `Method`.
"""

from __future__ import annotations

from functools import cache

from pointillist.errors import ConfigError, nearest
from pointillist.registry import discover
from pointillist.training.methods.base import LossOutput, Method, MethodOptions, NetworkOutput, StepInput

__all__ = ["LossOutput", "Method", "MethodOptions", "NetworkOutput", "StepInput", "get_method", "methods"]


@cache
def methods() -> dict[str, type[Method]]:
    """All methods by name."""
    return discover(__name__, Method)  # type: ignore[type-abstract]


def get_method(name: str) -> type[Method]:
    """A method by name.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in methods():
        raise ConfigError(f"{name!r} is no method.", field="method.name", hint=nearest(name, methods()))
    return methods()[name]
