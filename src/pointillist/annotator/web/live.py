"""The live layer of an image, from its acknowledged points and the present model."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pointillist.annotator.engine.client import EngineClient
from pointillist.annotator.engine.jobs import Clicks, LayerJob
from pointillist.annotator.engine.queue import EngineQueue
from pointillist.annotator.images.levels import fitted_size
from pointillist.annotator.labels.shown import ShownLabels
from pointillist.annotator.model.runs import Run
from pointillist.annotator.session import Session

FAST = 60_000
"""Pixels of the quick layer: small enough for an answer while the hand still moves."""

FULL = 2_100_000
"""Pixels of the largest full layer (1920×1080 and a little); larger images get one of this size."""

FULL_PLANES = 12_000_000
"""The same, times the classes in the image: what many classes need in memory and time."""


Quality = Literal["fast", "full"]


@dataclass(frozen=True)
class Layer:
    """A picture of the pseudo-mask; `exact`: of the image's own size, `seq`: the last operation that it knows of.

    `token` is what the session keeps it under, see `Shown`.
    """

    png: bytes
    size: tuple[int, int]
    exact: bool
    seq: int
    source: str
    token: str


@dataclass
class Live:
    """Makes layers: `fast` of at most `FAST` pixels, `full` of the image's own size where that is affordable."""

    session: Session
    engine: EngineClient
    queue: EngineQueue
    model: Run | None = None

    def layer(self, name: str, client: str, quality: Quality) -> Future[Layer | None]:
        """Have a layer made; the future holds None where a newer request of the client came first."""
        return self.queue.submit(quality, lambda answer: self._make(name, quality, answer), client)

    def _make(self, name: str, quality: Quality, answer: Future[Layer | None]) -> Layer | None:
        catalogue, model = self.session.catalogue, self.model
        tables = self.session.store.reading()
        seq, classes, points = tables.seq(), tables.classes(), tables.points_of(name)
        places = {row.id: index for index, row in enumerate(classes)}
        points = [point for point in points if point.label in places]
        background_id, policy = tables.background()
        background = places.get(background_id)
        table = np.array([(p.x, p.y, places[p.label]) for p in points], np.float64).reshape(-1, 3)
        clicks = Clicks(table, len(classes), background, policy == "border")
        present = {places[point.label] for point in points} | ({background} if background is not None else set())
        size = catalogue.size(name)
        goal = fitted_size(size, FAST if quality == "fast" else min(FULL, FULL_PLANES // max(1, len(present))))
        known = [] if model is None else [tables.class_id(given) for given in model.class_ids]
        # Merged classes have several.
        outputs = tuple(tuple(i for i, given in enumerate(known) if given == row.id) for row in classes)
        # A class that was never trained could never win against those that were.
        run = model.folder if model is not None and all(outputs[index] for index in present) else None
        part = self.session.pyramids.fitted(name, goal[0] * goal[1])
        job = LayerJob(
            lane=quality,
            key=(name, catalogue.stamp(name), str(part.exact)),
            pixels=part.values,
            bands=self.session.bands.of(name),
            clicks=clicks,
            size=size,
            colors=tuple(row.color for row in classes),
            run=run,
            outputs=outputs,
        )
        png = self.engine.run(job, answer)
        if png is None:
            return None
        height, width = job.pixels.shape[:2]
        token = self.session.shown.keep(ShownLabels(name, png, tuple(row.id for row in classes)))
        return Layer(png, (height, width), (height, width) == size, seq, "points" if run is None else "model", token)
