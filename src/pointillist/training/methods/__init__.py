"""Ways to learn: one small file each, found by name.

A new method is one new module here with a subclass of `Method`.
"""

from __future__ import annotations

from pointillist.registry import Registry
from pointillist.training.methods.base import LossOutput, Method, MethodOptions, NetworkOutput, StepInput

__all__ = ["METHODS", "LossOutput", "Method", "MethodOptions", "NetworkOutput", "StepInput", "get_method", "methods"]

METHODS: Registry[Method] = Registry("method", __name__, Method, "method.name")  # type: ignore[type-abstract]

methods = METHODS.all
"""All methods by name."""

get_method = METHODS.get
"""A method by name; a ConfigError if there is none of this name."""
