"""What a prediction is written to: one small file per output, found by name.

A new output is one new module here with a subclass of `Writer`.
"""

from __future__ import annotations

from pointillist.inference.writers.base import Writer
from pointillist.registry import Registry

STANDARD = ("labels", "overlay")
"""What is written when nothing is chosen."""

UNLISTED = "labels"
"""Named for each image of a manifest, but not among its `results`: version 0.1 always wrote it."""

WRITERS: Registry[Writer] = Registry("output", __name__, Writer, "write")  # type: ignore[type-abstract]
writers = WRITERS.all


def get_writer(name: str) -> Writer:
    """A writer by name.

    Raises:
        ConfigError: There is none of this name.
    """
    return WRITERS.get(name)()
