"""Which image a click would teach most on: those without points first, then where the model is unsure."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from pointillist.annotator.engine.client import EngineClient
from pointillist.annotator.engine.jobs import UncertainRegion, UncertaintyJob
from pointillist.annotator.engine.queue import LayerQueue
from pointillist.annotator.images.pyramid import IN_MEMORY, Pixels, read_reduced
from pointillist.annotator.labels.store import Tables
from pointillist.annotator.model.runs import Run
from pointillist.annotator.session import Session
from pointillist.annotator.web.live import Layer
from pointillist.errors import PointillistError

PIXELS = 150_000
"""Size at which the model looks at images for this."""

PAUSE = 0.02
"""Seconds between two images: people come first."""


class NextImages:
    """Orders the images; after each training it has the model look at all of them, in a thread of its own.

    Args:
        session: The folder.
        engine: Where the model is.
        layers: Layers that go first.
    """

    def __init__(self, session: Session, engine: EngineClient, layers: LayerQueue[Layer]) -> None:
        self._session = session
        self._engine = engine
        self._layers = layers
        self._lock = threading.Lock()
        self._model: Run | None = None
        self._regions: dict[str, UncertainRegion] = {}
        self._seen: dict[str, int] = {}
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="annotator-next", daemon=True)

    def start(self, model: Run | None) -> None:
        """Begin with the model of the last training."""
        self.use(model)
        self._thread.start()

    def use(self, model: Run | None) -> None:
        """Take another model; what was seen with it before is known still."""
        with self._lock:
            self._model = model
            self._regions.clear()
            self._seen.clear()
            if model is not None:
                rows = self._session.store.reading().sql.execute(
                    "SELECT image, version, score, x, y, width, height FROM regions WHERE model=?", (model.name,)
                )
                for image, version, *values in rows:
                    self._regions[image] = UncertainRegion(*values)
                    self._seen[image] = version
        self._wake.set()

    def changed(self) -> None:
        """Say that points have changed."""
        self._wake.set()

    def close(self) -> None:
        """End."""
        self._closed = True
        self._wake.set()

    # What a page shows

    def region(self, name: str) -> dict[str, Any] | None:
        """The least sure region of an image as the page reads it; None where it is not known."""
        with self._lock:
            region = self._regions.get(name)
        if region is None:
            return None
        return {
            "x": region.x,
            "y": region.y,
            "width": region.width,
            "height": region.height,
            "cx": region.x + region.width / 2,
            "cy": region.y + region.height / 2,
            "score": round(region.score, 4),
        }

    def entry(self, name: str, points: int) -> dict[str, Any]:
        """An image in a list."""
        return {
            "id": self._session.catalogue.id(name),
            "name": name,
            "index": self._session.catalogue.index(name),
            "points": points,
            "region": self.region(name),
        }

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
        reason = "none"
        if name is not None:
            with self._lock:
                unsure = name in self._regions
            reason = "no-points" if not counts.get(name) else "uncertain" if unsure else "fewest-points"
        entry = None if name is None else self.entry(name, counts.get(name, 0))
        return {"image": entry, "reason": reason, **self.progress()}

    def progress(self) -> dict[str, int]:
        """How many images the present model has looked at."""
        with self._lock:
            return {"ready": len(self._regions), "total": len(self._session.catalogue)}

    # Looking

    def _run(self) -> None:
        failed: set[str] = set()
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            for name in self._due(failed):
                # Points or the model have changed: what is most urgent may have, too.
                if self._closed or self._wake.is_set():
                    break
                try:
                    self._look(name)
                except PointillistError:
                    # Its own page says what is wrong with it; the others are looked at all the same.
                    failed.add(name)
                time.sleep(PAUSE)
            self._session.hub.publish("next", self.progress())

    def _due(self, failed: set[str]) -> list[str]:
        """Images the model has not seen, unlabelled ones first; then those whose points have changed since."""
        with self._lock:
            if self._model is None:
                return []
            seen = dict(self._seen)
        rows = self._session.store.reading().sql.execute("SELECT image, max(version) FROM points GROUP BY image")
        versions = dict(rows)
        due = [
            name
            for name in self._session.catalogue.names
            if name not in failed and seen.get(name, -1) < versions.get(name, 0)
        ]
        return sorted(due, key=lambda name: (name in seen, name in versions))

    def _look(self, name: str) -> None:
        with self._lock:
            model = self._model
        if model is None:
            return
        while not self._layers.idle() and not self._closed:
            time.sleep(PAUSE)
        tables = self._session.store.reading()
        version = tables.points_version(name)
        points = np.array([(p.x, p.y) for p in tables.points_of(name)], np.float64).reshape(-1, 2)
        size = self._session.catalogue.size(name)
        job = UncertaintyJob("uncertainty", self._pixels(name, size), points, size, model.folder)
        region: UncertainRegion = self._engine.run(job)
        with self._lock:
            if self._model is not model:
                return
            self._regions[name] = region
            self._seen[name] = version
            ready = len(self._regions)
        self._session.writer.submit(lambda tables: _keep(tables, name, model.name, version, region))
        if ready % 10 == 0:
            self._session.hub.publish("next", self.progress())

    def _pixels(self, name: str, size: tuple[int, int]) -> Pixels:
        if size[0] * size[1] > IN_MEMORY:
            return self._session.pyramids.fitted(name, PIXELS)
        return read_reduced(name, self._session.catalogue.path(name), size, PIXELS)


def _keep(tables: Tables, name: str, model: str, version: int, region: UncertainRegion) -> None:
    tables.sql.execute(
        "INSERT OR REPLACE INTO regions VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
        (name, model, version, region.score, region.x, region.y, region.width, region.height),
    )
