"""The engine's process: everything that needs torch, away from the server and its labels."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from pointillist.annotator.engine import jobs
from pointillist.annotator.engine.layer import layer_labels
from pointillist.annotator.engine.memory import return_freed_memory
from pointillist.annotator.engine.uncertain_region import uncertain_region
from pointillist.annotator.images.pictures import labels_png
from pointillist.data.pixels import Pixels
from pointillist.errors import ConfigError, PointillistError, RunError

if TYPE_CHECKING:
    from pointillist.annotator.engine.loaded_model import LoadedModel


ATTEMPTS = 5
"""Looks at a model that is being replaced."""


class Engine:
    """Answers jobs from a connection until it ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._loading = threading.Lock()
        self._dropped: set[int] = set()
        self._models: dict[Path, tuple[tuple[int, int] | None, LoadedModel]] = {}
        self._lanes = {lane: ThreadPoolExecutor(1) for lane in get_args(jobs.Lane)}

    def serve(self) -> None:
        """Work until the server closes the connection, or is killed."""
        while True:
            try:
                number, job = self._connection.recv()
            except (EOFError, OSError):
                return
            if job == jobs.DROP:
                self._dropped.add(number)
            else:
                self._lanes[job.lane].submit(self._answer, number, job)

    def _answer(self, number: int, job: jobs.Job) -> None:
        try:
            result: Any = self._do(number, job)
        except PointillistError as error:
            result = jobs.Failure(error.found, error.hint, error.field if isinstance(error, ConfigError) else None)
        except Exception as error:
            traceback.print_exc()
            result = jobs.Failure(
                f"the engine failed ({type(error).__name__}: {error}).", "Report this; the labels are safe."
            )
        self._dropped.discard(number)
        with self._sending:
            self._connection.send((number, result))

    def _do(self, number: int, job: jobs.Job) -> Any:
        match job:
            case jobs.LayerJob():
                return self._layer(number, job)
            case jobs.UncertaintyJob():
                uncertainty = self._model(job.run).uncertainty(Pixels(job.pixels, shrunk_from=job.size)).numpy()
                return uncertain_region(uncertainty, job.points, job.size)
            case jobs.PredictionJob():
                return None if number in self._dropped else self._model(job.run).predicted(job)
            case jobs.OutputsJob():
                from pointillist.annotator.engine.outputs import describe_outputs

                return describe_outputs(self._model(job.run).classes)
            case jobs.LabelsJob():
                return self._model(job.run).said(Pixels(job.pixels, shrunk_from=job.size), job.points)
            case jobs.MethodsJob():
                from pointillist.annotator.engine.methods import describe_methods

                return describe_methods()
            case jobs.SettingsJob():
                from pointillist.annotator.engine.methods import page_config

                page_config(job.settings)
                return True

    def _layer(self, number: int, job: jobs.LayerJob) -> bytes | None:
        if number in self._dropped:
            return None
        pixels = Pixels(job.pixels, shrunk_from=job.size)
        output = None if job.run is None else self._model(job.run).output(job.key, pixels, job.outputs)
        labels = layer_labels(
            job.bands.scaled(pixels).values, job.clicks, job.size, output, lambda: number not in self._dropped
        )
        return None if labels is None else labels_png(labels, job.colors)

    def _model(self, run: Path) -> LoadedModel:
        """The model of a run as it is now: while it learns its folder is replaced, whole, again and again."""
        with self._loading:
            for attempt in range(ATTEMPTS):
                try:
                    stamp = _stamp(run)
                    if run not in self._models or self._models[run][0] != stamp:
                        # Imported with the first model: networks take seconds and memory that clicks do not need.
                        from pointillist.annotator.engine.loaded_model import LoadedModel

                        self._models.pop(run, None)
                        while len(self._models) > 1:  # while one learns, where-next still asks the one before
                            self._models.pop(next(iter(self._models)))
                        self._models[run] = (stamp, LoadedModel(run))
                    return self._models[run][1]
                except RunError:
                    # It was replaced between two looks at it; one that stays as it is will fail again.
                    if attempt + 1 == ATTEMPTS:
                        raise
                    time.sleep(0.1)
            raise AssertionError("unreachable")


def _stamp(run: Path) -> tuple[int, int] | None:
    """Another one for each model of a run; None while it has none."""
    try:
        found = (run / "model" / "model.json").stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def main(connection: Connection) -> None:
    """Entry of the process."""
    # Ctrl-C is for the server, which then closes the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return_freed_memory()
    # The first layer compiles its kernels; do it before a person waits for it.
    clicks = jobs.Clicks(np.array([[1.5, 1.5, 0.0], [30.5, 30.5, 1.0]]), 2, 0)
    layer_labels(np.zeros((32, 32, 3), np.uint8), clicks, (32, 32))
    Engine(connection).serve()
    # Work that nobody waits for any more is not finished.
    os._exit(0)
