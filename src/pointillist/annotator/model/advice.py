"""Advice while one clicks: which class is clicked too rarely for what it covers, and which needs no more clicks.

Every figure in it is counted: shares of pixels from answers to questions, or else from what the model predicts; whether
clicks still teach from the clicks that are newer than the model, which it has not learnt from.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from pointillist.annotator.engine.client import EngineClient
from pointillist.annotator.engine.jobs import LabelsJob, Said
from pointillist.annotator.engine.queue import EngineQueue
from pointillist.annotator.labels.rows import PointRow
from pointillist.annotator.model.next_images import PIXELS
from pointillist.annotator.model.runs import Run
from pointillist.annotator.session import Session
from pointillist.errors import PointillistError, RunError
from pointillist.points.click_shares import judge
from pointillist.points.questions import INCLUSION

ANSWERS, IMAGES = 30, 24
"""Answers that are enough to tell shares of pixels, and images on which the model tells them otherwise."""

NEWEST, RIGHT = 20, 0.9
"""A class needs no more clicks where the model, before it learnt them, was right at this share of the newest ones."""

LEAST = 10
"""Fewer new clicks of a class say nothing."""

REST = 3.0
"""Seconds without a click before it is looked at."""

log = logging.getLogger("pointillist.annotator")


class ClickAdvice:
    """Finds advice in the background whenever the hand rests; `publish` gets what has changed.

    Args:
        session: The opened folder.
        engine: Asked for predictions.
        queue: In which these wait for people.
        model: The present model.
        busy: Whether a training needs the machine.
        publish: Gets each new `status`.
    """

    def __init__(
        self,
        session: Session,
        engine: EngineClient,
        queue: EngineQueue,
        model: Callable[[], Run | None],
        busy: Callable[[], bool],
        publish: Callable[[dict[str, Any]], None],
    ) -> None:
        self._session, self._engine, self._queue = session, engine, queue
        self._model, self._busy, self._publish = model, busy, publish
        self._stale = threading.Event()
        self._closed = threading.Event()
        self._found: list[dict[str, Any]] = []
        self._said: dict[tuple[str, str, int], Said] = {}
        self._thread = threading.Thread(target=self._work, name="annotator-advice", daemon=True)
        self._thread.start()

    def status(self) -> dict[str, Any]:
        """`lines`, each with its `kind` (`rare` or `enough`), its `class` and the `text`; and the `run` it is about."""
        run = self._model()
        return {"lines": self._found, "run": None if run is None else run.name}

    def changed(self) -> None:
        """Clicks or the model have changed."""
        self._stale.set()

    def close(self) -> None:
        """End; what is being looked at is given up."""
        self._closed.set()
        self._stale.set()

    def _work(self) -> None:
        while True:
            self._stale.wait()
            self._stale.clear()
            if self._closed.wait(REST):
                return
            if self._stale.is_set() or self._busy():
                continue  # the hand does not rest; a training tells when it has ended
            try:
                found = self.find()
            except PointillistError as error:
                if not self._closed.is_set():
                    log.warning("no advice: %s", error)
                continue
            if found != self._found and not self._closed.is_set():
                self._found = found
                self._publish(self.status())

    def find(self) -> list[dict[str, Any]]:
        """Look now.

        Raises:
            PointillistError: An image cannot be read, or the engine failed.
        """
        tables, run = self._session.store.reading(), self._model()
        classes = tables.classes()
        places = {row.id: place for place, row in enumerate(classes)}
        clicks = {places[given]: count for given, count in tables.clicks_by_class().items() if given in places}
        names = [row.name for row in classes]
        labelled = [name for name in tables.counts() if self._session.catalogue.find_id(name) is not None]
        if not clicks or not labelled:
            return []
        lines = []
        answers = [row for row in tables.questions() if row.label in places]
        shares, source = None, ""
        if len(answers) >= ANSWERS:
            shares, source = _shares(answers, places), f"{len(answers)} answers"
        elif run is not None:
            looked_at = sorted(labelled)[:: max(1, len(labelled) // IMAGES)][:IMAGES]
            shares = self._predicted(run, looked_at, places)
            source = "the model's prediction"
        for advice in [] if shares is None else judge(shares, clicks, len(labelled), names):
            own = clicks[names.index(advice.label)]
            text = (
                f"{advice.label}: {_often(own, advice.images)}, about {100 * advice.pixels:.0f} % of the pixels by "
                f"{source}. With {_often(own + advice.more, advice.images)} it is learnt better."
            )
            lines.append({"kind": "rare", "class": classes[names.index(advice.label)].id, "text": text})
        return lines + ([] if run is None else self._enough(run, places, names))

    def _predicted(self, run: Run, images: list[str], places: dict[str, int]) -> list[float]:
        """Share of the pixels of each class."""
        totals = np.zeros(len(places))
        outputs = self._outputs(run, places)
        for name in images:
            said = self._ask(run, name, [])
            for output, pixels in enumerate(said.pixels):
                if outputs[output] is not None:
                    totals[outputs[output]] += pixels / max(1, sum(said.pixels))
        return (totals / len(images)).tolist()  # type: ignore[no-any-return]

    def _enough(self, run: Run, places: dict[str, int], names: list[str]) -> list[dict[str, Any]]:
        """Classes at whose new clicks the model was right before it learnt them."""
        newest: dict[str, list[PointRow]] = defaultdict(list)
        for row in reversed(self._session.store.reading().points_since(run.seq)):
            known = row.label in places and self._session.catalogue.find_id(row.image) is not None
            if known and len(newest[row.label]) < NEWEST:
                newest[row.label].append(row)
        outputs = self._outputs(run, places)
        judged = {label: rows for label, rows in newest.items() if len(rows) >= LEAST and places[label] in outputs}
        by_image: dict[str, list[PointRow]] = defaultdict(list)
        for rows in judged.values():
            for row in rows:
                by_image[row.image].append(row)
        right: Counter[str] = Counter()
        for name, rows in by_image.items():
            for row, output in zip(rows, self._ask(run, name, rows).at, strict=True):
                right[row.label] += output < len(outputs) and outputs[output] == places[row.label]
        return [
            {
                "kind": "enough",
                "class": label,
                "text": f"{names[places[label]]}: the model was right at {right[label]} of {len(rows)} newest clicks"
                " before it learnt them. More of these teach it little.",
            }
            for label, rows in judged.items()
            if right[label] >= RIGHT * len(rows)
        ]

    def _outputs(self, run: Run, places: dict[str, int]) -> list[int | None]:
        """The class of each output of the model today; None where it is gone."""
        tables = self._session.store.reading()
        return [places.get(tables.class_id(given) or "") for given in run.class_ids]

    def _ask(self, run: Run, name: str, rows: list[PointRow]) -> Said:
        """What the model says about an image, kept until model or points are others."""
        facts = run.model_facts()
        version = self._session.store.reading().points_version(name) if rows else -1
        key = ("" if facts is None else facts[0], name, version)
        if key not in self._said:
            if len(self._said) > 4 * IMAGES:
                self._said.clear()
            points = np.array([(row.x, row.y) for row in rows], np.float64).reshape(-1, 2)
            size = self._session.catalogue.size(name)
            pixels = self._session.pyramids.reduced(name, PIXELS).values
            job = LabelsJob("uncertainty", pixels, points, size, run.folder)
            said = self._queue.submit("uncertainty", lambda answer: self._engine.run(job, answer)).result()
            if said is None:
                raise RunError("the annotator is closing.", hint="Start it again.")
            self._said[key] = said
        return self._said[key]


def _shares(answers: list[PointRow], places: dict[str, int]) -> list[float]:
    """Share of the pixels of each class, each answer with the weight of the pixels that it stands for."""
    weights = np.zeros(len(places))
    for row in answers:
        weights[places[row.label]] += 1 / float(row.extra[INCLUSION])
    return (weights / weights.sum()).tolist()  # type: ignore[no-any-return]


def _often(clicks: int, images: int) -> str:
    each = clicks / images
    if each > 2 / 3:
        return "1 click an image" if round(each) == 1 else f"{each:.0f} clicks an image"
    return f"1 click on every {round(images / clicks)} images"
