"""What the processes that the server starts have in common."""

from __future__ import annotations

import dataclasses
import os
import threading
import traceback
from collections.abc import Callable

from pointillist.data.dataset import Dataset
from pointillist.errors import PointillistError, RunError


def begin(politeness: int, at_end: Callable[[], object]) -> None:
    """Step back behind the page, and call `at_end` when the standard input closes: when the server ends, however."""

    def watch() -> None:
        # Without Python's buffer, whose lock a thread must not hold when the interpreter ends.
        while os.read(0, 4096):
            pass
        at_end()

    threading.Thread(target=watch, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(politeness)


def named(error: Exception, what: str) -> PointillistError:
    """The error as a page can show it; of one that nobody expected, the traceback goes to the log."""
    if isinstance(error, PointillistError):
        return error
    traceback.print_exception(error)
    return RunError(f"{what} failed ({type(error).__name__}: {error}).", hint="See its log; the labels are safe.")


def only_inside(dataset: Dataset, names: set[str]) -> Dataset:
    """The data set without images that are links out of the folder."""
    items = tuple(item for item in dataset.items if item.name in names)
    splits = {split: tuple(name for name in listed if name in names) for split, listed in dataset.splits.items()}
    return dataclasses.replace(dataset, items=items, splits=splits)
