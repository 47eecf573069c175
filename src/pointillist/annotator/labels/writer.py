"""The one thread that changes the store: what waits at the same moment shares one flush to the disk."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from pointillist.annotator.labels.store import Store, store_error
from pointillist.annotator.labels.tables import Tables
from pointillist.errors import SaveError

Result = TypeVar("Result")

LARGEST_GROUP = 64
"""Requests that share a transaction."""

_Job = tuple[Callable[[Tables], Any], Future[Any]]


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
        self._jobs.put((work, future))
        return future

    def close(self) -> None:
        """Make the changes that wait, then end."""
        self._closed.set()
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            group = [job]
            with suppress(queue.Empty):
                while len(group) < LARGEST_GROUP:
                    if (job := self._jobs.get_nowait()) is None:
                        self._jobs.put(None)  # the end comes after this group
                        break
                    group.append(job)
            self._write(group)

    def _write(self, group: list[_Job]) -> None:
        outcomes: list[Callable[[], None]] = []
        try:
            with self._store.writing() as tables:
                for work, future in group:
                    try:
                        with tables.savepoint():
                            result = work(tables)
                        outcomes.append(partial(future.set_result, result))
                    except Exception as error:
                        # A full disk ends the whole transaction; anything else is this change's own affair.
                        if not tables.writable:
                            raise
                        told = store_error(error, self._store.path) if isinstance(error, sqlite3.Error) else error
                        outcomes.append(partial(future.set_exception, told))
        except Exception as error:
            outcomes = [partial(future.set_exception, error) for _, future in group]
        for tell in outcomes:
            tell()
