"""The stages between presence and selection, one file each, found by name."""

from __future__ import annotations

from pointillist.pseudomask.stages.base import Stage, StageInput
from pointillist.registry import Registry

__all__ = ["STAGES", "Stage", "StageInput"]


STAGES: Registry[Stage] = Registry("stage", __name__, Stage, "stages")  # type: ignore[type-abstract]
