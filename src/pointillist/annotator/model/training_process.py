"""The training as a process of its own: python -m pointillist.annotator.model.training_process FOLDER NUMBER.

It ends, resumable, when its standard input closes: when the annotator is closed, or killed.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path

from rich.console import Console

from pointillist.annotator.engine.methods import check_page_config, page_config, slower
from pointillist.annotator.folder import open_folder
from pointillist.annotator.model.child_process import begin, named, only_inside
from pointillist.annotator.model.runs import find_runs
from pointillist.annotator.session import error_body
from pointillist.api import train_config
from pointillist.data.dataset import Dataset
from pointillist.data.layouts import open_dataset
from pointillist.errors import RunError
from pointillist.files import write_text
from pointillist.training.config import Config
from pointillist.training.live_model import Stop
from pointillist.training.run_directory import RunDirectory
from pointillist.training.start import Start

HEARD_WITHIN = 10.0
"""Seconds a step may take before the training is ended within it; its model is then that of the last checkpoint."""

INTERRUPTED = 130
"""Exit code of a training that was stopped."""


def main(data: Path, number: int) -> int:
    """Train as the record of the run says; gives the exit code."""
    stop = Stop()

    def end() -> None:
        if not stop.ask(HEARD_WITHIN):
            signal.raise_signal(signal.SIGINT)

    begin(5, end)
    folder = open_folder(data)
    runs = {run.number: run for run in find_runs(folder)}
    run = runs[number]
    # Lines of a file, not the width of a terminal that nobody sees.
    console = Console(width=120, no_color=True)
    try:
        dataset = only_inside(open_dataset(folder.dataset_file), set(folder.images))
        if dataset.classes.names != run.class_names:
            # The page would take the outputs of the model for other classes.
            raise RunError("the classes changed while the training started.", hint="Start it again.")
        dataset = dataset.with_points(run.labels, "csv", strict=False)
        # One that was stopped before it had begun begins anew, with the same clicks.
        resume = RunDirectory(run.folder).config_file.is_file()
        start = None
        if resume:
            config = RunDirectory(run.folder).read()[0]
            check_page_config(config, begun=True, learning_on=bool(run.base))
        else:
            config = _shortened(page_config(run.settings), time.time() - run.started)
            config = _with_masks(config, dataset, run.masks)
            base = next((one for one in runs.values() if one.name == run.base), None)
            if base is not None:
                start, config = Start.read(base.folder / "model"), slower(config)
        train_config(config, dataset, run.folder, resume=resume, console=console, start=start, stop=stop)
    except KeyboardInterrupt:
        print("stopped", flush=True)
        return INTERRUPTED
    except Exception as error:
        problem = named(error, "the training")
        print(f"error: {problem.found} {problem.hint}", flush=True)
        write_text(run.failure, json.dumps(error_body(problem)))
        return 2
    return 0


def _with_masks(config: Config, dataset: Dataset, accepted: Collection[str]) -> Config:
    """What was accepted on the page is learnt, but on images that are held back."""
    there = (item.name for item in dataset.split(dataset.training_split) if item.mask is not None)
    names = tuple(name for name in there if name in accepted)
    if not names:
        return config
    return config.model_copy(update={"data": config.data.model_copy(update={"learn_masks": names})})


def _shortened(config: Config, spent: float) -> Config:
    """A length in minutes counts from the press of the button, not from when the program was there."""
    minutes = config.trainer.minutes
    if minutes is None:
        return config
    left = max(minutes / 10, minutes - spent / 60)
    return config.model_copy(update={"trainer": config.trainer.model_copy(update={"minutes": left})})


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
