"""The stages between presence and selection, one file each, found by name."""

from __future__ import annotations

from functools import cache

from pointillist.pseudomask.stages.base import Stage, StageInput
from pointillist.registry import discover

__all__ = ["Stage", "StageInput", "stages"]


@cache
def stages() -> dict[str, type[Stage]]:
    """All stages by name."""
    return discover(__name__, Stage)  # type: ignore[type-abstract]
