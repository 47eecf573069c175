"""Learning on: the model goes on from its present weights with the clicks that were made since."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from pointillist.annotator.model.runs import Run
from pointillist.annotator.model.trainer import Trainer
from pointillist.annotator.session import Session, error_body
from pointillist.errors import PointillistError

CLICKS, REST = 20, 15.0
"""By itself it begins after so many new clicks, when the hand has rested for so many seconds."""

SWITCH = "learn on"
"""Under which name the store keeps whether it begins by itself."""

log = logging.getLogger("pointillist.annotator")


class LearningOn:
    """Counts new clicks, and begins a training by itself where that is wished; never two at once.

    Args:
        session: The opened folder.
        trainer: Runs trainings.
        model: The present model.
        publish: Gets each new `status`.
    """

    def __init__(
        self,
        session: Session,
        trainer: Trainer,
        model: Callable[[], Run | None],
        publish: Callable[[dict[str, Any]], None],
    ) -> None:
        self._session = session
        self._trainer = trainer
        self._model = model
        self._publish = publish
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._rested_at = 0.0
        self._closed = False
        self._problem: dict[str, Any] | None = None

    def status(self) -> dict[str, Any]:
        """`new` clicks that neither the model nor a training that runs knows, whether it begins by `itself` and at how
        many, and `why` not.
        """
        tables = self._session.store.reading()
        model = self._model()
        # A training that ended without a model has learnt nothing that is left.
        known = self._trainer.seen if model is None or self._trainer.running else model.seq
        return {
            "new": tables.changed_points(known),
            "needed": CLICKS,
            "itself": tables.metadata(SWITCH) == "1",
            "why": self._trainer.why_not_on(model),
            "problem": self._problem,
        }

    def switch(self, itself: bool) -> dict[str, Any]:
        """Say whether it shall begin by itself; that is kept with the folder.

        Raises:
            PointillistError: The store cannot be written.
        """
        self._session.writer.submit(lambda tables: tables.set_metadata(SWITCH, "1" if itself else "")).result()
        self.changed()
        return self.status()

    def start(self) -> dict[str, Any]:
        """Learn on now; gives the status of the training.

        Raises:
            RunError: A training runs already, or there is no model to go on from.
            ConfigError: The classes have changed since the model was trained.
        """
        return self._trainer.learn_on(self._model())

    def changed(self) -> None:
        """Clicks, the model or the switch have changed: wait until the hand rests."""
        with self._lock:
            self._rested_at = time.monotonic() + REST
            if self._timer is None:
                self._wait(REST)
        self._publish(self.status())

    def close(self) -> None:
        """Begin nothing any more."""
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()

    def _wait(self, seconds: float) -> None:
        """Look again after so many seconds; the lock is held."""
        if self._closed:
            return
        self._timer = threading.Timer(seconds, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        with self._lock:
            self._timer = None
            left = self._rested_at - time.monotonic()
            if left > 0:
                self._wait(left)
                return
        try:
            status = self.status()
            # What one training failed at, the same clicks do not begin again.
            untried = self._session.store.reading().changed_points(self._trainer.seen)
            if not status["itself"] or untried < CLICKS or status["why"] is not None or self._trainer.running:
                return
            self._problem = None
            self.start()
        except PointillistError as error:
            # Told once; the next click tries again.
            log.warning("learning on failed: %s", error)
            self._problem = error_body(error)
            self._publish(self.status())
