"""The packages of other programs, as tests here need them."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest


def peer(module: str, package: str) -> Any:
    """A module of another program; without it the tests of its file skip, or fail where `make peers` has set it up."""
    if os.environ.get("POINTILLIST_PEERS") == "required":
        return importlib.import_module(module)
    return pytest.importorskip(module, reason=f"{package} is not installed: make peers")
