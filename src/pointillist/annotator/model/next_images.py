"""Which image a click would teach most on: those without points first, then where the model is unsure."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from dataclasses import asdict, astuple
from typing import Any

import numpy as np

from pointillist.annotator.engine.client import EngineClient
from pointillist.annotator.engine.jobs import UncertainRegion, UncertaintyJob
from pointillist.annotator.engine.queue import EngineQueue
from pointillist.annotator.model.runs import Run
from pointillist.annotator.session import Session
from pointillist.errors import PointillistError

PIXELS = 150_000
"""Size at which the model looks at images for this."""

log = logging.getLogger("pointillist.annotator")


class NextImages:
    """Orders the images; after each training it has the model look at all of them, one after another."""

    def __init__(self, session: Session, engine: EngineClient, queue: EngineQueue) -> None:
        self._session = session
        self._engine = engine
        self._queue = queue
        self._lock = threading.Lock()
        self._model: Run | None = None
        self._kept_as = ""
        self._regions: dict[str, UncertainRegion] = {}
        self._seen: dict[str, int] = {}
        self._failed: set[str] = set()
        self._due: list[str] = []
        self._stale = True
        self._asked = False

    def use(self, model: Run | None) -> None:
        """Take another model; what was seen with it before is known still."""
        with self._lock:
            self._model = model
            self._regions.clear()
            self._seen.clear()
            self._failed.clear()
            if model is not None:
                facts = model.model_facts()
                self._kept_as = model.name if facts is None else f"{model.name} {facts[0][:12]}"
                for image, version, values in self._session.store.reading().regions(self._kept_as):
                    self._regions[image] = UncertainRegion(*values)
                    self._seen[image] = version
        self.changed()

    def changed(self) -> None:
        """Say that points or the model have changed: what is most urgent may have, too."""
        with self._lock:
            self._stale = True
        self._ask()

    def region(self, name: str) -> dict[str, Any] | None:
        """The least sure region of an image as the page reads it; None where it is not known."""
        with self._lock:
            region = self._regions.get(name)
        if region is None:
            return None
        center = {"cx": region.x + region.width / 2, "cy": region.y + region.height / 2}
        return {**asdict(region), **center, "score": round(region.score, 4)}

    def entry(self, name: str, points: int) -> dict[str, Any]:
        """An image in a list."""
        return {**self._session.catalogue.about(name), "points": points, "region": self.region(name)}

    def ordered(self) -> list[str]:
        """All images, the most instructive first."""
        counts = self._session.store.reading().counts()
        with self._lock:
            scores = {name: region.score for name, region in self._regions.items()}

        def key(name: str) -> tuple[int, float, int]:
            points = counts.get(name, 0)
            group = 0 if points == 0 else 1 if name in scores else 2
            return group, -scores.get(name, 0.0), points

        return sorted(self._session.catalogue.names, key=key)

    def next(self, after: str | None) -> dict[str, Any]:
        """The most instructive image but the present one, and why."""
        counts = self._session.store.reading().counts()
        name = next((name for name in self.ordered() if name != after), None)
        if name is None:
            return {"image": None, "reason": "none", **self.progress()}
        with self._lock:
            reason = "no-points" if not counts.get(name) else "uncertain" if name in self._regions else "fewest-points"
        return {"image": self.entry(name, counts.get(name, 0)), "reason": reason, **self.progress()}

    def progress(self) -> dict[str, int]:
        """How many images the present model has looked at."""
        with self._lock:
            return {"ready": len(self._regions), "total": len(self._session.catalogue)}

    def _ask(self) -> None:
        """Have the engine look at the most urgent image, unless it does so already."""
        with self._lock:
            if self._asked or self._model is None:
                return
            self._asked = True
        self._queue.submit("uncertainty", self._look_at_next).add_done_callback(self._looked)

    def _looked(self, answer: Future[bool | None]) -> None:
        if answer.cancelled():
            return
        with self._lock:
            self._asked = False
            more = self._stale or bool(self._due)
        if answer.exception() is not None:
            log.error("looking for uncertain images failed", exc_info=answer.exception())
        elif answer.result() is None:
            return  # the queue is closed
        elif more:
            self._ask()
        if not more:
            self._session.publish("next", self.progress())

    def _look_at_next(self, answer: Future[bool | None]) -> bool:
        with self._lock:
            model, stale, self._stale = self._model, self._stale, False
        if stale:
            self._due = self._find_due()
        if model is None or not self._due:
            return True
        name = self._due.pop(0)
        try:
            self._look(name, model, answer)
        except PointillistError:
            # Its own page says what is wrong with it; the others are looked at all the same.
            self._failed.add(name)
        return True

    def _find_due(self) -> list[str]:
        """Images the model has not seen, unlabelled ones first; then those whose points have changed since."""
        with self._lock:
            seen = dict(self._seen)
        versions = self._session.store.reading().points_versions()
        due = [
            name
            for name in self._session.catalogue.names
            if name not in self._failed and seen.get(name, -1) < versions.get(name, 0)
        ]
        return sorted(due, key=lambda name: (name in seen, name in versions))

    def _look(self, name: str, model: Run, answer: Future[bool | None]) -> None:
        tables = self._session.store.reading()
        version = tables.points_version(name)
        points = np.array([(p.x, p.y) for p in tables.points_of(name)], np.float64).reshape(-1, 2)
        size = self._session.catalogue.size(name)
        pixels = self._session.pyramids.reduced(name, PIXELS).values
        job = UncertaintyJob("uncertainty", pixels, points, size, model.folder)
        region: UncertainRegion | None = self._engine.run(job, answer)
        with self._lock:
            if region is None or self._model is not model:
                return
            self._regions[name] = region
            self._seen[name] = version
            ready, kept_as = len(self._regions), self._kept_as
        self._session.writer.submit(lambda tables: tables.keep_region(name, kept_as, version, astuple(region)))
        if ready % 10 == 0:
            self._session.publish("next", self.progress())
