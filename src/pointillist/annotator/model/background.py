"""All images predicted in the background, once somebody wants to see them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from pointillist.annotator.engine.queue import EngineQueue
from pointillist.annotator.model.prediction_cache import About, PredictionCache
from pointillist.annotator.model.predictions import Predictions
from pointillist.annotator.session import Session
from pointillist.errors import ImageError, PointillistError

TOLD = 20
"""So many more predictions are worth telling the pages."""

log = logging.getLogger("pointillist.annotator")


class Background:
    """Has the model look at one image after another; `on_progress` is called with each new `status`."""

    def __init__(
        self,
        session: Session,
        queue: EngineQueue,
        predictions: Predictions,
        on_progress: Callable[[dict[str, Any]], None],
    ) -> None:
        self._session = session
        self._queue = queue
        self._predictions = predictions
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._of = ""
        self._failed: set[str] = set()
        self._urgent: list[str] = []
        self._due: list[str] = []
        self._stale = True
        self._wanted = False
        self._asked = False

    def changed(self) -> None:
        """Say that the model or points have changed: other clicks may be contradicted."""
        with self._lock:
            self._stale = True
            new = self._of != self._predictions.key
            if new:
                self._of = self._predictions.key
                self._failed.clear()
                self._due.clear()
        if new:
            self._on_progress(self.status())
        self._ask()

    def want(self, first: Sequence[str] = ()) -> None:
        """Have all images predicted, some before the others."""
        about = self.about()
        with self._lock:
            self._wanted = True
            self._stale |= not self._due
            self._urgent = [name for name in first if name not in about and name not in self._failed]
        self._ask()

    def about(self) -> dict[str, About]:
        """What is known of each image that is predicted."""
        return dict(self._predictions.present()[1].about) if self._predictions.key else {}

    def status(self) -> dict[str, Any]:
        """See `Predictions.status`; with how many images could not be predicted, of how many."""
        with self._lock:
            failed = len(self._failed)
        return {**self._predictions.status(), "failed": failed, "total": len(self._session.catalogue)}

    def _ask(self) -> None:
        """Have the next image predicted, unless one is."""
        with self._lock:
            if self._asked or not self._wanted or not self._predictions.key:
                return
            self._asked = True
        self._queue.submit("uncertainty", self._next).add_done_callback(self._did)

    def _did(self, answer: Future[bool | None]) -> None:
        with self._lock:
            self._asked = False
        if answer.exception() is not None:
            log.error("predicting images failed", exc_info=answer.exception())
        elif answer.result():
            self._ask()
        elif answer.result() is False:
            self._on_progress(self.status())

    def _next(self, answer: Future[bool | None]) -> bool:
        """Predict the next image; False when there was none."""
        model, cache = self._predictions.present()
        with self._lock:
            stale, self._stale = self._stale, False
        if stale:
            self._due = self._find_due(cache)
        with self._lock:
            name = self._urgent.pop(0) if self._urgent else self._due.pop(0) if self._due else None
        if name is None:
            return False
        before = len(cache.about)
        try:
            known = cache.about.get(name)
            content = cache.find(self._predictions.place(name))
            if known is not None and content is not None and known.stamp == self._session.catalogue.stamp(name):
                self._predictions.count_clicks(known, content, model, cache)
            else:
                self._predictions.predict(name, model, cache, "uncertainty", answer)
        except PointillistError:
            # Its own page says what is wrong with it; the others are predicted all the same.
            if self._predictions.key == self._of:
                self._failed.add(name)
        if len(cache.about) > before and len(cache.about) % TOLD == 0:
            self._on_progress(self.status())
        return True

    def _find_due(self, cache: PredictionCache) -> list[str]:
        """Images that are not predicted, or have changed, then those whose points have."""
        versions = self._session.store.reading().points_versions()
        first, then = [], []
        for name in self._session.catalogue.names:
            if name in self._failed:
                continue
            known = cache.about.get(name)
            try:
                if known is None or known.stamp != self._session.catalogue.stamp(name):
                    first.append(name)
                elif known.seen != versions.get(name, 0):
                    then.append(name)
            except ImageError:
                self._failed.add(name)
        return [*first, *then]
