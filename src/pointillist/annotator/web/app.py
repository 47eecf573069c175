"""Everything that goes on around a session: layers, trainings, the order of the images."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from pointillist.annotator.engine.client import EngineClient
from pointillist.annotator.engine.queue import EngineQueue
from pointillist.annotator.files.transfer import describe_formats
from pointillist.annotator.model.advice import ClickAdvice
from pointillist.annotator.model.audits import Audits
from pointillist.annotator.model.background import Background
from pointillist.annotator.model.click_checks import ClickChecks
from pointillist.annotator.model.folder_prediction import FolderPrediction
from pointillist.annotator.model.learning_on import LearningOn
from pointillist.annotator.model.next_images import NextImages
from pointillist.annotator.model.predictions import Predictions
from pointillist.annotator.model.questions import Questions
from pointillist.annotator.model.runs import Run, find_runs
from pointillist.annotator.model.trainer import Trainer
from pointillist.annotator.model.work import Work
from pointillist.annotator.session import Session
from pointillist.annotator.web.hub import Hub
from pointillist.annotator.web.live import Live
from pointillist.annotator.web.security import FILE_BYTES


class App:
    """Owns the engine, and tells each part of what the others did."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.hub = Hub()
        self.engine = EngineClient()
        self.queue = EngineQueue()
        self.live = Live(session, self.engine, self.queue)
        self.following = NextImages(session, self.engine, self.queue)
        self.predictions = Predictions(session, self.engine, self.queue)
        self.background = Background(
            session, self.queue, self.predictions, lambda status: self.hub.publish("predictions", status)
        )
        self.applying = FolderPrediction(
            session, self.engine, self.predictions, lambda status: self.hub.publish("applying", status)
        )
        self.trainer = Trainer(
            session, self.engine, lambda status: self.hub.publish("training", status), self._follow, self._ended
        )
        self.learning = LearningOn(
            session, self.trainer, lambda: self.live.model, lambda status: self.hub.publish("learning", status)
        )
        self.advice = ClickAdvice(
            *(session, self.engine, self.queue, lambda: self.live.model, lambda: self.trainer.running),
            lambda status: self.hub.publish("advice", status),
        )
        session.publish = self.hub.publish
        session.publish("csv", session.csv_state())
        self.work = Work(session, lambda status: self.hub.publish("work", status))
        self.questions = Questions(session, self.work, lambda: self.live.model)
        self.audits = Audits(session, self.work, lambda: self.live.model)
        self.checks = ClickChecks(session, self.work, lambda: self.live.model)
        session.after_change = self._changed

    def start(self) -> None:
        """Take the model of the last training that has one."""
        model = next((run for run in reversed(find_runs(self.session.folder)) if run.model_file.is_file()), None)
        self.live.model = model
        self.following.use(model)
        self.predictions.use(model)
        self.background.changed()
        self.applying.open()
        self.audits.open()
        self.advice.changed()

    def close(self) -> None:
        """Stop what runs, write the label files, let go of the folder; what fails keeps nothing else from its end."""
        with ExitStack() as ends:  # the last of them first
            for one in (self.session, self.audits, self.work, self.applying, self.trainer, self.engine, self.queue):
                ends.callback(one.close)
            ends.callback(self.advice.close)
            ends.callback(self.learning.close)

    def _changed(self) -> None:
        self.following.changed()
        self.background.changed()
        self.audits.changed()
        self.learning.changed()
        self.advice.changed()

    def _follow(self, run: Run) -> None:
        """Use a model that goes on learning; looking at all images with it waits until it has ended."""
        self.live.model = run
        self.predictions.use(run)
        self.hub.publish("predictions", self.background.status())
        self.hub.publish("model", self.model())

    def _ended(self, run: Run) -> None:
        if run.model_file.is_file():
            self._follow(run)
            self.following.use(run)
            self.background.changed()
        self.learning.changed()
        self.advice.changed()

    def model(self) -> dict[str, Any] | None:
        """The model that the layers are made with, as the page reads it."""
        run = self.live.model
        if run is None:
            return None
        tables = self.session.store.reading()
        classes = tables.classes()
        facts = run.model_facts()
        known = {tables.class_id(given) for given in run.class_ids}
        return {
            "run": run.name,
            "steps": None if facts is None else facts[1],
            "classes": [row.name for row in classes if row.id in known],
            "stale": {row.id for row in classes} != known,
        }

    def project(self) -> dict[str, Any]:
        """All that a page needs to begin."""
        body = self.session.project()
        return {
            **body,
            "training": self.trainer.status(),
            "work": self.work.status(),
            "model": self.model(),
            "predictions": self.background.status(),
            "applying": self.applying.status(),
            "learning": self.learning.status(),
            "advice": self.advice.status(),
            "formats": describe_formats(),
            "limits": {**body["limits"], "import_bytes": FILE_BYTES},
        }
