"""The engine's process: everything that needs torch, away from the server and its labels."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pointillist.annotator.engine import jobs
from pointillist.annotator.engine.layer import layer_labels, layer_png
from pointillist.annotator.engine.methods import describe_methods, page_config
from pointillist.annotator.engine.uncertain_region import uncertain_region
from pointillist.data.pixels import Pixels
from pointillist.errors import ConfigError, PointillistError

if TYPE_CHECKING:
    from pointillist.annotator.engine.loaded_model import LoadedModel


class Engine:
    """Answers jobs from a connection until it ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._loading = threading.Lock()
        self._dropped: set[int] = set()
        self._models: dict[Path, LoadedModel] = {}
        self._lanes = {lane: ThreadPoolExecutor(1) for lane in ("fast", "full", "uncertainty")}

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
            case jobs.MethodsJob():
                return describe_methods()
            case jobs.SettingsJob():
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
        return None if labels is None else layer_png(labels, job.colors)

    def _model(self, run: Path) -> LoadedModel:
        with self._loading:
            if run not in self._models:
                # Imported with the first model: networks take seconds and memory that clicks alone do not need.
                from pointillist.annotator.engine.loaded_model import LoadedModel

                self._models.clear()  # only the present one is ever asked
                self._models[run] = LoadedModel(run)
            return self._models[run]


def main(connection: Connection) -> None:
    """Entry of the process."""
    # Ctrl-C is for the server, which then closes the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The first layer compiles its kernels; do it before a person waits for it.
    clicks = jobs.Clicks(np.array([[1.5, 1.5, 0.0], [30.5, 30.5, 1.0]]), 2, 0)
    layer_labels(np.zeros((32, 32, 3), np.uint8), clicks, (32, 32))
    Engine(connection).serve()
    # Work that nobody waits for any more is not finished.
    os._exit(0)
