"""Everything that goes on around a session: layers, trainings, the order of the images."""

from __future__ import annotations

from typing import Any

from pointillist.annotator.engine.client import EngineClient
from pointillist.annotator.engine.queue import EngineQueue
from pointillist.annotator.files.transfer import describe_formats
from pointillist.annotator.model.next_images import NextImages
from pointillist.annotator.model.runs import Run, find_runs
from pointillist.annotator.model.trainer import Trainer
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
        self.trainer = Trainer(session, self.engine, lambda status: self.hub.publish("training", status), self._use)
        session.publish = self.hub.publish
        session.publish("csv", session.csv_state())
        session.after_change = self.following.changed

    def start(self) -> None:
        """Take the model of the last training that ended well."""
        done = [run for run in find_runs(self.session.folder) if run.state == "done"]
        model = next((run for run in reversed(done) if (run.folder / "model" / "model.json").is_file()), None)
        self.live.model = model
        self.following.use(model)

    def close(self) -> None:
        """Stop what runs, write the label files, let go of the folder."""
        self.queue.close()
        self.engine.close()
        self.trainer.close()
        self.session.close()

    def _use(self, run: Run) -> None:
        self.live.model = run
        self.following.use(run)
        self.hub.publish("model", self.model())

    def model(self) -> dict[str, Any] | None:
        """The model that the layers are made with, as the page reads it."""
        run = self.live.model
        if run is None:
            return None
        tables = self.session.store.reading()
        classes = tables.classes()
        known = {tables.class_id(given) for given in run.class_ids}
        return {
            "run": run.name,
            "classes": [row.name for row in classes if row.id in known],
            "stale": {row.id for row in classes} != known,
        }

    def project(self) -> dict[str, Any]:
        """All that a page needs to begin."""
        body = self.session.project()
        return {
            **body,
            "training": self.trainer.status(),
            "model": self.model(),
            "formats": describe_formats(),
            "limits": {**body["limits"], "import_bytes": FILE_BYTES},
        }
