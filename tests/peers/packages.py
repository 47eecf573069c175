"""The packages of other programs, as tests here need them."""

from __future__ import annotations

import importlib
import os
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

PINNED = dict(
    line.split("==")
    for line in (Path(__file__).parent / "requirements.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)
"""Version by package."""


def peer(module: str, package: str) -> Any:
    """A module of another program, in the pinned version if it has one.

    Without it the tests of its file skip; where `make peers` has set it up, they fail.
    """
    if os.environ.get("POINTILLIST_PEERS") == "required":
        return importlib.import_module(module)
    found = pytest.importorskip(module, reason=f"{package} is not installed: make peers")
    if package in PINNED and (version := metadata.version(package)) != PINNED[package]:
        reason = f"{package} is {version}, and tried in {PINNED[package]}: make peers"
        pytest.skip(reason, allow_module_level=True)
    return found
