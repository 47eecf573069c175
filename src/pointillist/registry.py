"""Finding the classes of a room: a new format, layout or method is one new file, and nothing else to edit."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, TypeVar

T = TypeVar("T")


def discover(package: str, base: type[T]) -> dict[str, type[T]]:
    """Classes with a `name` below `base` that the modules of `package` define, by that name, sorted.

    Args:
        package: Dotted name of a package; all its modules are imported.
        base: Their common base class.
    """
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        for thing in vars(importlib.import_module(module.name)).values():
            if isinstance(thing, type) and issubclass(thing, base) and thing.__module__ == module.name:
                name = thing.__dict__.get("name")
                if isinstance(name, str):
                    found[name] = thing
    return dict(sorted(found.items()))
