"""Tells all open pages that something is new; what it is, each looks up from where it stands."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

MOST_STREAMS = 4
"""Of one browser at a time: it opens six connections to a server at most, and a page needs some for all else."""


class Stream:
    """One page that listens; called on the event loop.

    Attributes:
        news: Set whenever something is new.
        ended: Whether a newer page of the same browser has taken its place.
    """

    def __init__(self, browser: str) -> None:
        self.browser = browser
        self.news = asyncio.Event()
        self.ended = False
        self.loop = asyncio.get_running_loop()


class Hub:
    """Wakes the event streams of the pages, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._topics: dict[str, str] = {}
        self._streams: dict[Stream, None] = {}

    def publish(self, topic: str | None = None, value: Any = None) -> None:
        """Wake all streams; with a topic, keep its present value for them."""
        with self._lock:
            if topic is not None:
                text = json.dumps(value, ensure_ascii=False)
                if self._topics.get(topic) == text:
                    return
                self._topics[topic] = text
            streams = list(self._streams)
        for stream in streams:
            if not stream.loop.is_closed():
                stream.loop.call_soon_threadsafe(stream.news.set)

    def topics(self) -> dict[str, str]:
        """Present values as JSON, by topic."""
        with self._lock:
            return dict(self._topics)

    def join(self, browser: str) -> Stream:
        """Begin a stream; the oldest of this browser ends where it has too many. Called on the event loop."""
        stream = Stream(browser)
        with self._lock:
            self._streams[stream] = None
            own = [one for one in self._streams if one.browser == browser and not one.ended]
        for one in own[:-MOST_STREAMS]:
            one.ended = True
            one.news.set()
        return stream

    def leave(self, stream: Stream) -> None:
        """End what `join` began."""
        with self._lock:
            self._streams.pop(stream, None)
