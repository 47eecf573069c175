"""The one thread that changes the store: what waits at the same moment shares one flush to the disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from pointillist.annotator.labels.store import Store
from pointillist.annotator.labels.tables import Tables
from pointillist.errors import SaveError

Result = TypeVar("Result")

LARGEST_GROUP = 64
"""Requests that share a transaction."""


@dataclass(frozen=True)
class _Job:
    work: Callable[[Tables], Any]
    future: Future[Any]


class Writer:
    """Runs changes one after another; a future is done when its change is on the disk, never before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="annotator-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Tables], Result]) -> Future[Result]:
        """Have a change made; an exception in it undoes it alone."""
        future: Future[Result] = Future()
        if self._closed.is_set():
            raise SaveError("the annotator is closing.", hint="Start it again.")
        self._jobs.put(_Job(work, future))
        return future

    def close(self) -> None:
        """Make the changes that wait, then end."""
        self._closed.set()
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            group: list[_Job] = []
            ending = job is None
            if job is not None:
                group.append(job)
            while not ending and len(group) < LARGEST_GROUP:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    ending = True
                else:
                    group.append(job)
            if group:
                self._write(group)
            if ending:
                return

    def _write(self, group: list[_Job]) -> None:
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with self._store.writing() as tables:
                for job in group:
                    outcomes.append((job.future, *self._one(tables, job.work)))
        except Exception as error:
            for job in group:
                job.future.set_exception(error)
            return
        for future, result, problem in outcomes:
            if problem is None:
                future.set_result(result)
            else:
                future.set_exception(problem)

    @staticmethod
    def _one(tables: Tables, work: Callable[[Tables], Any]) -> tuple[Any, BaseException | None]:
        try:
            with tables.savepoint():
                return work(tables), None
        except Exception as error:
            # A full disk ends the whole transaction; anything else is this change's own affair.
            if not tables.writable:
                raise
            return None, error
