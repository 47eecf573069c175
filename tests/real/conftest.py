from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "POINTILLIST_REAL_DATA"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real data sets; skipped when none is named, failed when the named one is missing."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(f"{VARIABLE} is not set to a folder of real data")
    folder = Path(named).resolve()
    if not folder.is_dir():
        pytest.fail(f"{VARIABLE} is {named}, which is no folder")
    return folder
