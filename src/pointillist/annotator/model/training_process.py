"""The training as a process of its own: python -m pointillist.annotator.model.training_process FOLDER NUMBER.

It ends, resumable, when its standard input closes: when the annotator is closed, or killed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

from rich.console import Console

from pointillist.annotator.engine.methods import page_config
from pointillist.annotator.folder import open_folder
from pointillist.annotator.model.runs import find_runs
from pointillist.annotator.session import error_body
from pointillist.api import train_config
from pointillist.data.dataset import Dataset
from pointillist.data.layouts import open_dataset
from pointillist.errors import PointillistError, RunError
from pointillist.files import write_text

INTERRUPTED = 130
"""Exit code of a training that was stopped."""


def main(data: Path, number: int) -> int:
    """Train as the record of the run says; gives the exit code."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(5)  # the page comes first
    folder = open_folder(data)
    run = next(run for run in find_runs(folder) if run.number == number)
    # Lines of a file, not the width of a terminal that nobody sees.
    console = Console(width=120, no_color=True)
    try:
        dataset = _only_inside(open_dataset(folder.dataset_file), set(folder.images))
        if dataset.classes.names != run.class_names:
            # The page would take the outputs of the model for other classes.
            raise RunError("the classes changed while the training started.", hint="Start it again.")
        dataset = dataset.with_points(folder.points_file, "csv", strict=False)
        train_config(page_config(run.settings), dataset, run.folder, console=console)
    except KeyboardInterrupt:
        print("stopped", flush=True)
        return INTERRUPTED
    except Exception as error:
        if not isinstance(error, PointillistError):
            traceback.print_exc()
            error = RunError(
                f"the training failed ({type(error).__name__}: {error}).", hint="See its log; the labels are safe."
            )
        print(f"error: {error.found} {error.hint}", flush=True)
        write_text(run.failure, json.dumps(error_body(error)))
        return 2
    return 0


def _only_inside(dataset: Dataset, names: set[str]) -> Dataset:
    """The data set without images that are links out of the folder."""
    items = tuple(item for item in dataset.items if item.name in names)
    splits = {split: tuple(name for name in listed if name in names) for split, listed in dataset.splits.items()}
    return dataclasses.replace(dataset, items=items, splits=splits)


def _end_with_parent() -> None:
    # Without Python's buffer, whose lock a thread must not hold when the interpreter ends.
    while os.read(0, 4096):
        pass
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
