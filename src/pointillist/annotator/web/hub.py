"""Tells all open pages that something is new; what it is, each looks up from where it stands."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any


class Hub:
    """Wakes the event streams of the pages, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._topics: dict[str, str] = {}
        self._streams: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    def publish(self, topic: str | None = None, value: Any = None) -> None:
        """Wake all streams; with a topic, keep its present value for them."""
        with self._lock:
            if topic is not None:
                text = json.dumps(value, ensure_ascii=False)
                if self._topics.get(topic) == text:
                    return
                self._topics[topic] = text
            streams = list(self._streams.items())
        for event, loop in streams:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def topics(self) -> dict[str, str]:
        """Present values as JSON, by topic."""
        with self._lock:
            return dict(self._topics)

    def join(self) -> asyncio.Event:
        """An event that is set whenever something is new; called on the event loop."""
        event = asyncio.Event()
        with self._lock:
            self._streams[event] = asyncio.get_running_loop()
        return event

    def leave(self, event: asyncio.Event) -> None:
        """End what `join` began."""
        with self._lock:
            self._streams.pop(event, None)
