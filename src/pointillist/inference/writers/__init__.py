"""What a prediction is written to: one small file per output, found by name.

A new output is one new module here with a subclass of `Writer`.
"""

from __future__ import annotations

from functools import cache

from pointillist.errors import ConfigError, nearest
from pointillist.inference.writers.base import Writer
from pointillist.registry import discover

STANDARD = ("labels", "overlay")
"""What is written when nothing is chosen."""

UNLISTED = "labels"
"""Named for each image of a manifest, but not among its `results`: version 0.1 always wrote it."""


@cache
def writers() -> dict[str, type[Writer]]:
    """All writers by name."""
    return discover(__name__, Writer)  # type: ignore[type-abstract]


def get_writer(name: str) -> Writer:
    """A writer by name.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in writers():
        raise ConfigError(f"{name!r} is no output.", field="write", hint=nearest(name, writers()))
    return writers()[name]()
