"""What a prediction is written to: one small file per output, found by name.

A new output is one new module here with a subclass of `Writer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointillist.errors import ConfigError
from pointillist.inference.writers.base import Writer
from pointillist.registry import Registry
from pointillist.schema import parse

STANDARD = ("png", "overlay")
"""What is written when nothing is chosen."""

RENAMED = {"labels": "png"}
"""Earlier names."""

WRITERS: Registry[Writer] = Registry("output", __name__, Writer, "write")  # type: ignore[type-abstract]
writers = WRITERS.all


def get_writer(name: str, options: Mapping[str, Any] | None = None) -> Writer:
    """A writer by name, with its settings.

    Raises:
        ConfigError: There is none of this name, or no such setting.
    """
    kind = WRITERS.get(RENAMED.get(name, name))
    return kind(parse(kind.Options, options or {}, ConfigError, "--set", f"{kind.name}."))
