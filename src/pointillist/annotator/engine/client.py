"""The engine as the server sees it: jobs in, results out; when its process dies, the next job starts another."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from pointillist.annotator.engine.jobs import DROP, Failure, Job
from pointillist.annotator.engine.queue import settle
from pointillist.errors import RunError


def _main(connection: Connection) -> None:
    # Imported there, not here: torch takes seconds and hundreds of megabytes, which the server must not wait for.
    from pointillist.annotator.engine.process import main

    main(connection)


class EngineClient:
    """Starts the engine's process, and gives it jobs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._pending: dict[int, Future[Any]] = {}
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._closed = False

    def start(self) -> None:
        """Start the process if it does not run, so that the first job does not wait for it."""
        with self._lock:
            self._ensure()

    def run(self, job: Job, answer: Future[Any] | None = None) -> Any:
        """Have a job done, and wait for its result: None where the job was dropped.

        As soon as `answer`, of the queue, is done, the waiting ends and the engine is told to drop the job.

        Raises:
            RunError: The job failed, or the engine's process died.
            ConfigError: The job asked for settings that cannot be.
        """
        future: Future[Any] = Future()
        with self._lock:
            connection = self._ensure()
            number = next(self._numbers)
            pending = self._pending
            pending[number] = future
            try:
                connection.send((number, job))
            except OSError as error:
                pending.pop(number, None)
                raise _DIED.error() from error
        if answer is not None:
            answer.add_done_callback(lambda _: settle(future, DROP))
        result = future.result()
        if result == DROP:
            with self._lock:
                # A process that has just ended answers nothing, and the next one never heard of this job.
                if pending.pop(number, None) is not None and self._connection is connection:
                    with suppress(OSError):
                        connection.send((number, DROP))
            return None
        if isinstance(result, Failure):
            raise result.error()
        return result

    def close(self) -> None:
        """End the process; it keeps nothing that could be lost."""
        with self._lock:
            self._closed = True
            process = self._process
        if process is not None:
            process.kill()
            process.join()

    def _ensure(self) -> Connection:
        if self._closed:
            raise RunError("the annotator is closing.", hint="Start it again.")
        if self._connection is None or self._process is None or not self._process.is_alive():
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            process = context.Process(target=_main, args=(theirs,), name="annotator-engine", daemon=True)
            process.start()
            theirs.close()
            # Jobs of the process before are its listener's business, which may still have to notice its end.
            self._process, self._connection, self._pending = process, ours, {}
            listener = threading.Thread(
                target=self._listen, args=(ours, self._pending), name="annotator-engine", daemon=True
            )
            listener.start()
        return self._connection

    def _listen(self, connection: Connection, pending: dict[int, Future[Any]]) -> None:
        while True:
            try:
                number, result = connection.recv()
            except (EOFError, OSError):
                break
            with self._lock:
                future = pending.pop(number, None)
            if future is not None:
                settle(future, result)
        with self._lock:
            if self._connection is connection:
                self._connection = None
            left = list(pending.values())
            pending.clear()
        for future in left:
            settle(future, _DIED)


_DIED = Failure("the process that makes the layers ended.", "Try again; the labels are safe.")
