"""The way of every question to the engine: a lane each for quick layers, full layers and uncertainty."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pointillist.annotator.engine.jobs import Lane

Result = TypeVar("Result")


def settle(future: Future[Any], result: Any) -> None:
    """Give a future its result, unless it has one or was cancelled."""
    with suppress(InvalidStateError):
        future.set_result(result)


@dataclass(frozen=True)
class _Request:
    lane: Lane
    client: str
    work: Callable[[Future[Any]], Any]
    answer: Future[Any]


class EngineQueue:
    """One thread for each lane: a full layer that takes seconds keeps no quick one waiting.

    A newer request of a client answers its older ones with None. Who works on one of those is woken by that answer. A
    look at uncertainty begins only while no layer waits or is being made.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[_Request] = []
        self._running: dict[Lane, _Request] = {}
        self._closed = False
        for lane in get_args(Lane):
            threading.Thread(target=self._run, args=(lane,), name=f"annotator-{lane}", daemon=True).start()

    def submit(
        self, lane: Lane, work: Callable[[Future[Result | None]], Result | None], client: str = ""
    ) -> Future[Result | None]:
        """Have something done; older requests of the same client give way.

        A new quick layer replaces all older ones; a full one leaves a quick one alone, which comes first anyway.
        Requests without a client replace none. `work` gets the future that is returned here; once that is done, its
        result is not wanted any more.

        Returns:
            A future of what `work` gives; None when a newer request came first, or the queue is closed.
        """
        answer: Future[Result | None] = Future()
        replaced = ("fast", "full") if lane == "fast" else (lane,)
        with self._changed:
            known = [*self._waiting, *self._running.values()]
            old = [r.answer for r in known if client and r.client == client and r.lane in replaced]
            closed = self._closed
            if not closed:
                self._waiting.append(_Request(lane, client, work, answer))
            self._changed.notify_all()
        for given_up in [*old, *([answer] if closed else [])]:
            settle(given_up, None)
        return answer

    def close(self) -> None:
        """End; what waits or runs is answered with None."""
        with self._changed:
            self._closed = True
            left = [*self._waiting, *self._running.values()]
            self._waiting.clear()
            self._changed.notify_all()
        for request in left:
            settle(request.answer, None)

    def _take(self, lane: Lane) -> _Request | None:
        self._waiting = [request for request in self._waiting if not request.answer.done()]
        if lane == "uncertainty" and (self._running or any(request.lane != lane for request in self._waiting)):
            return None  # people come first
        found = next((request for request in self._waiting if request.lane == lane), None)
        if found is not None:
            self._waiting.remove(found)
            self._running[lane] = found
        return found

    def _run(self, lane: Lane) -> None:
        while True:
            with self._changed:
                while (request := self._take(lane)) is None:
                    if self._closed:
                        return
                    self._changed.wait()
            try:
                settle(request.answer, request.work(request.answer))
            except Exception as error:
                with suppress(InvalidStateError):
                    request.answer.set_exception(error)
            with self._changed:
                del self._running[lane]
                self._changed.notify_all()
