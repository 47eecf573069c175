"""Models as other programs take them: one file per target, found by name.

A new target is one new module here with a subclass of `Target`.
"""

from __future__ import annotations

from pointillist.inference.exports.base import Target
from pointillist.registry import Registry

TARGETS: Registry[Target] = Registry("export target", __name__, Target, "--to")  # type: ignore[type-abstract]
targets = TARGETS.all
