"""What the folder's model says about its images."""

from __future__ import annotations

import hashlib
import io
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointillist.annotator.engine.client import EngineClient
from pointillist.annotator.engine.jobs import STEPS, Lane, Predicted, PredictionJob
from pointillist.annotator.engine.queue import EngineQueue, settle
from pointillist.annotator.images.pictures import SIDE, labels_png
from pointillist.annotator.labels.shown import ShownLabels
from pointillist.annotator.model.prediction_cache import About, PredictionCache, labels_of, pack
from pointillist.annotator.model.runs import Run
from pointillist.annotator.session import Session
from pointillist.classes import IGNORE
from pointillist.errors import ImageError, PointillistError, RunError, SaveError

WHOLE = 2_100_000
"""Pixels of an image that is predicted at its own size; of larger ones, a picture of that size is."""

WINDOW, AROUND = 1024, 384
"""Side of a window of a large image, and how much around it the model is shown, in pixels of the image."""


class _Counts(TypedDict):
    clicks: int
    against: int
    seen: int


class Predictions:
    """Predictions of the present model, kept in `cache/predictions`."""

    def __init__(self, session: Session, engine: EngineClient, queue: EngineQueue) -> None:
        self._session = session
        self._engine = engine
        self._queue = queue
        self._lock = threading.Lock()
        self._model: Run | None = None
        self.key = ""
        self._cache: PredictionCache | None = None
        self._warmed = ""

    def use(self, model: Run | None) -> None:
        """Take another model, or the same one that has learnt on."""
        with self._lock:
            self._model = model
            self.key = "" if model is None else _key(model)
            home = self._session.folder.below("cache", "predictions")
            self._cache = None if model is None else PredictionCache(home, self.key)

    def status(self) -> dict[str, Any]:
        """Which model it is, what its outputs mean (ids of classes, None for one that is gone), and what is there."""
        with self._lock:
            model, cache = self._model, self._cache
        tables = self._session.store.reading()
        return {
            "key": self.key,
            "run": None if model is None else model.name,
            "outputs": [] if model is None else [tables.class_id(given) for given in model.class_ids],
            "steps": STEPS,
            "window": WINDOW,
            "done": 0 if cache is None else len(cache.about),
        }

    # One image

    def of(self, name: str, client: str, window: tuple[int, int] | None = None) -> Future[bytes | None]:
        """What the model says about an image, or about the window in a row and a column of windows; see `pack`.

        A newer request of a client takes the place of its older ones; those without one wait until nobody else does.

        Returns:
            A future of the packed prediction, None where a newer request of the client came first.

        Raises:
            RunError: There is no model yet.
            ImageError: There is no such window.
        """
        model, cache = self.present()
        if window is not None:
            height, width = self._session.catalogue.size(name)
            if not (0 <= window[0] * WINDOW < height and 0 <= window[1] * WINDOW < width):
                raise ImageError("has no such window.", where=name, hint="Load the image again.")
        found = cache.find(self.place(name, window))
        if found is not None:
            answer: Future[bytes | None] = Future()
            settle(answer, found)
            return answer
        lane: Lane = "prediction" if client else "uncertainty"
        return self._queue.submit(lane, lambda answer: self.predict(name, model, cache, lane, answer, window), client)

    def thumbnail(self, name: str) -> bytes:
        """A small indexed PNG of the labels in the colours of the classes.

        Raises:
            RunError: The image is not predicted yet.
        """
        model, cache = self.present()
        path = cache.find_small(self.place(name))
        if path is None:
            raise RunError("this image is not predicted yet.", hint="Wait for it.")
        tables = self._session.store.reading()
        colors = {row.id: row.color for row in tables.classes()}
        outputs = [tables.class_id(given) for given in model.class_ids]
        with Image.open(path) as image:
            return labels_png(np.asarray(image), [colors.get(given or "", "#808080") for given in outputs])

    def shown(self, name: str, content: bytes) -> str:
        """Keep the packed prediction of a whole image as labels that a page is shown; gives their token."""
        model, _ = self.present()
        stream = io.BytesIO()
        Image.fromarray(labels_of(content)).save(stream, format="PNG", compress_level=1)
        return self._session.shown.keep(ShownLabels(name, stream.getvalue(), model.class_ids))

    def warm(self) -> None:
        """Have the engine load the model, so that nobody waits for it."""
        with self._lock:
            model, warmed, self._warmed = self._model, self._warmed, self.key
        if model is None or warmed == self.key:
            return
        name = self._session.catalogue.names[0]

        def load(answer: Future[Any]) -> None:
            with suppress(PointillistError):
                pixels = self._session.pyramids.reduced(name, SIDE * SIDE).values
                self._engine.run(PredictionJob("uncertainty", pixels, pixels.shape[:2], model.folder), answer)

        self._queue.submit("uncertainty", load)

    def present(self) -> tuple[Run, PredictionCache]:
        """The model and what it said.

        Raises:
            RunError: There is none yet.
        """
        with self._lock:
            if self._model is None or self._cache is None:
                raise RunError("there is no model yet.", hint="Train one in the tab Train.")
            return self._model, self._cache

    def place(self, name: str, window: tuple[int, int] | None = None) -> str:
        """Name under which the prediction of an image, as its file is now, is kept."""
        catalogue = self._session.catalogue
        rest = "" if window is None else f"-{window[0]}-{window[1]}"
        return f"{catalogue.id(name)}-{catalogue.stamp(name)}{rest}"

    def predict(
        self,
        name: str,
        model: Run,
        cache: PredictionCache,
        lane: Lane,
        answer: Future[Any],
        window: tuple[int, int] | None = None,
    ) -> bytes | None:
        """Have an image or a window predicted, and keep what is said; None once `answer` is done."""
        place, size, pyramids = self.place(name, window), self._session.catalogue.size(name), self._session.pyramids
        inner = None
        if window is None:
            # Of an image on show the decoded pixels are at hand, and stay so.
            part = (pyramids.fitted if lane == "prediction" else pyramids.reduced)(name, WHOLE)
        else:
            top, left = window[0] * WINDOW, window[1] * WINDOW
            first = max(0, top - AROUND), max(0, left - AROUND)
            last = top + WINDOW + AROUND, left + WINDOW + AROUND
            part = pyramids.window(name, *first, last[0] - first[0], last[1] - first[1])
            high, wide = min(WINDOW, size[0] - top), min(WINDOW, size[1] - left)
            inner = (top - first[0], left - first[1], high, wide)
        said: Predicted | None = self._engine.run(PredictionJob(lane, part.values, size, model.folder, inner), answer)
        if said is None:
            return None
        content = pack(said, first_look=not part.exact)
        if part.exact:
            # A full disk takes the memory of predictions, not the prediction itself.
            with suppress(SaveError):
                cache.keep(place, content)
                if window is None:
                    cache.keep_small(place, _small(said.labels))
                    self._note(name, said, model, cache)
        return content

    def _note(self, name: str, said: Predicted, model: Run, cache: PredictionCache) -> None:
        counts = np.bincount(said.labels.reshape(-1), minlength=256)
        known = max(1, int(counts.sum() - counts[IGNORE]))
        about = About(
            image=name,
            stamp=self._session.catalogue.stamp(name),
            uncertainty=float(said.uncertainty[said.labels != IGNORE].sum() / known / STEPS),
            shares=tuple(float(count) / known for count in counts[: len(model.class_ids)]),
            **self._clicks(name, said.labels, model),
        )
        cache.note(about)

    def count_clicks(self, known: About, content: bytes, model: Run, cache: PredictionCache) -> None:
        """Compare the clicks on an image with its packed prediction again."""
        counts = self._clicks(known.image, labels_of(content), model)
        cache.note(replace(known, **counts))

    def _clicks(self, name: str, labels: NDArray[np.uint8], model: Run) -> _Counts:
        """How many clicks there are on classes that the model knows, and how many it contradicts."""
        tables = self._session.store.reading()
        seen, outputs = tables.points_version(name), [tables.class_id(given) for given in model.class_ids]
        height, width = self._session.catalogue.size(name)
        rows, columns = labels.shape
        clicks = against = 0
        for point in tables.points_of(name):
            row, column = int(point.y * rows / height), int(point.x * columns / width)
            label = int(labels[min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)])
            if point.label in outputs and label != IGNORE:
                clicks += 1
                against += outputs[label] != point.label
        return {"clicks": clicks, "against": against, "seen": seen}


def _key(model: Run) -> str:
    """Name of a model as it is now: another one when it has learnt on."""
    files = sorted((model.folder / "model").glob("*"))
    states = [(path.name, status.st_size, status.st_mtime_ns) for path in files for status in [path.stat()]]
    return f"{model.name}-{hashlib.sha256(repr(states).encode()).hexdigest()[:12]}"


def _small(labels: NDArray[np.uint8]) -> bytes:
    """The labels with a longer side of at most `SIDE`."""
    step = max(1, -(-max(labels.shape) // SIDE))
    rows, columns = (slice(min(step // 2, side - 1), None, step) for side in labels.shape)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(labels[rows, columns])).save(stream, format="PNG")
    return stream.getvalue()
