"""Layers are made beside the event loop, one quick and one full at a time; of each tab only the newest counts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, Literal, TypeVar

Quality = Literal["fast", "full"]

Result = TypeVar("Result")

Wanted = Callable[[], bool]
"""Says whether a layer is still wanted."""


class LayerQueue(Generic[Result]):
    """Two threads: a full layer that takes seconds keeps no quick one waiting."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._newest: dict[tuple[str, Quality], int] = {}
        self._waiting: dict[
            Quality, OrderedDict[str, tuple[int, Callable[[Wanted], Result | None], Future[Result | None]]]
        ] = {
            "fast": OrderedDict(),
            "full": OrderedDict(),
        }
        self._count = 0
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, args=(quality,), name=f"annotator-layer-{quality}", daemon=True)
            for quality in self._waiting
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, client: str, quality: Quality, work: Callable[[Wanted], Result | None]) -> Future[Result | None]:
        """Have a layer made; older requests of the same tab give way.

        A new quick one replaces all older ones; a full one leaves a quick one alone, which comes first anyway.

        Returns:
            A future of what `work` gives, None when a newer request came before it was done.
        """
        future: Future[Result | None] = Future()
        with self._changed:
            self._count += 1
            outdone: list[Quality] = ["fast", "full"] if quality == "fast" else ["full"]
            for lane in outdone:
                self._newest[client, lane] = self._count
                old = self._waiting[lane].pop(client, None)
                if old is not None:
                    old[2].set_result(None)
            self._waiting[quality][client] = (self._count, work, future)
            self._changed.notify_all()
        return future

    def idle(self) -> bool:
        """Whether nothing waits."""
        with self._changed:
            return not any(self._waiting.values())

    def close(self) -> None:
        """End; what waits is not made."""
        with self._changed:
            self._closed = True
            for lane in self._waiting.values():
                for _, _, future in lane.values():
                    future.set_result(None)
                lane.clear()
            self._changed.notify_all()

    def _run(self, quality: Quality) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting[quality])
                if self._closed:
                    return
                client, (number, work, future) = self._waiting[quality].popitem(last=False)

            def wanted(client: str = client, number: int = number) -> bool:
                with self._changed:
                    return self._newest[client, quality] == number and not self._closed

            try:
                result = work(wanted)
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)
