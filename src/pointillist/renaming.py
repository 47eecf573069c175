"""Renaming files in one step, on systems that do it differently."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path


def exchange(one: Path, other: Path) -> bool:
    """Give two files or folders each other's name in one step, where the system can; what came out can be looked at."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    return rename is not None and rename(here, os.fsencode(one), here, os.fsencode(other), swap) == 0


def put(temporary: Path, path: Path) -> None:
    """Rename a new file onto its place."""
    # On Windows nothing is renamed while a virus scanner or an indexer looks at the old file or the new one.
    for pause in (0.05, 0.1, 0.2, 0.4, 0.8) if sys.platform == "win32" else ():
        with suppress(PermissionError):
            temporary.replace(path)
            return
        time.sleep(pause)
    temporary.replace(path)
