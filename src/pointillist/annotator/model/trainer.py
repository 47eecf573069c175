"""Starts, watches and stops trainings; what they do to their own process hurts no label."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pointillist.annotator.engine.client import EngineClient
from pointillist.annotator.engine.jobs import MethodsJob, SettingsJob
from pointillist.annotator.model import progress
from pointillist.annotator.model.runs import ENDED, Run, State, find_runs
from pointillist.annotator.model.settings import PageSettings
from pointillist.annotator.session import Session, error_body
from pointillist.errors import ConfigError, RunError, SaveError
from pointillist.files import make_folder, replacing

PROGRAM = (sys.executable, "-m", "pointillist.annotator.model.training_process")
"""What trains; it is told the folder and the number of the run."""

INTERVAL = 1.0
"""Seconds between two looks at a running training."""

PATIENCE = 20.0
"""Seconds a training has to stop before it is ended."""


def _busy() -> RunError:
    return RunError("a training runs already.", hint="Stop it first, or wait for it.")


LEARN_ON_MINUTES = 0.6
"""Length of a training that learns on, start and all: the model is to be there within a minute."""


class Trainer:
    """At most one training at a time.

    `on_status` gets each new status, `on_model` a run each time it has another model while it learns, `on_end` each
    run that has ended, with a model or without.
    """

    def __init__(
        self,
        session: Session,
        engine: EngineClient,
        on_status: Callable[[dict[str, Any]], None],
        on_model: Callable[[Run], None],
        on_end: Callable[[Run], None],
    ) -> None:
        self._session = session
        self._engine = engine
        self._on_status = on_status
        self._on_model = on_model
        self._on_end = on_end
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None
        runs = find_runs(session.folder)
        self._run = runs[-1] if runs else None
        if self._run is not None and self._run.state not in ENDED:
            # It ended with the annotator that started it.
            self._run = replace(self._run, state="stopped")
            self._run.save()

    @property
    def running(self) -> bool:
        """Whether a training runs."""
        return self._process is not None

    @property
    def seen(self) -> int:
        """The last operation that the last training knew of; 0 before any."""
        return 0 if self._run is None else self._run.seq

    def start(self, settings: PageSettings) -> dict[str, Any]:
        """Start a training from scratch.

        Raises:
            RunError: One runs already, or the folder is not ready for one.
            ConfigError: A setting is impossible, or may not be made here.
            PointillistError: The label files cannot be written.
        """
        return self._start(settings.dotted(), None)

    def learn_on(self, base: Run | None) -> dict[str, Any]:
        """Start a training that goes on from the model of a run.

        Raises:
            RunError: One runs already, or there is no model.
            ConfigError: The classes have changed since the model was trained.
            PointillistError: The label files cannot be written.
        """
        why = self.why_not_on(base)
        if base is None or why is not None:
            raise ConfigError(why or "there is no model.", field="classes", hint="Train anew.")
        kept = {name: value for name, value in base.settings.items() if name != "trainer.epochs"}
        return self._start({**kept, "trainer.minutes": LEARN_ON_MINUTES}, base)

    def why_not_on(self, base: Run | None) -> str | None:
        """Why nothing can go on from the model of a run; None where it can."""
        if base is None:
            return "There is no model yet."
        classes = [(row.id, row.name) for row in self._session.store.reading().classes()]
        same = classes == list(zip(base.class_ids, base.class_names, strict=True))
        return None if same else "The classes have changed since the model was trained."

    def resume(self) -> dict[str, Any]:
        """Continue the last run where it stopped, with the clicks that it began with: exactly as if it had not.

        Raises:
            RunError: One runs already, or there is nothing to continue.
        """
        with self._lock:
            if self._process is not None:
                raise _busy()
            run = self._run
            if run is None or not self._can_continue(run):
                raise RunError("there is no training to continue.", hint="Start a new one.")
            run.failure.unlink(missing_ok=True)
            begun = time.time() - (run.seconds or 0.0)
            self._begin(replace(run, state="starting", error=None, seconds=None, started=begun))
        self._on_status(self.status())
        return self.status()

    def _can_continue(self, run: Run) -> bool:
        stopped = run.state == "stopped" or (run.state == "failed" and run.model_file.is_file())
        return stopped and run.labels.is_file()

    def _start(self, settings: Mapping[str, Any], base: Run | None) -> dict[str, Any]:
        with self._lock:
            if self._process is not None:
                raise _busy()
            state = self._session.project()["can_train"]
            if not state["ok"]:
                raise ConfigError(state["why"], field="labels", hint="Click some points of at least two classes.")
            self._engine.run(SettingsJob(settings))
            tables = self._session.store.reading()
            seq = tables.seq()
            self._session.files.flush()
            classes = tables.classes()
            run = Run(
                (self._run.number if self._run is not None else 0) + 1,
                self._session.folder.below("runs"),
                time.time(),
                tuple(row.id for row in classes),
                tuple(row.name for row in classes),
                settings,
                seq=seq,
                clicks=sum(tables.counts().values()),
                masks=tables.masked(),
                base="" if base is None else base.name,
            )
            make_folder(run.labels.parent)
            with replacing(run.labels) as file:
                shutil.copyfile(self._session.folder.points_file, file)
            self._begin(run)
        self._on_status(self.status())
        return self.status()

    def _begin(self, run: Run) -> None:
        """Start the process of a run; the lock is held."""
        run.save()
        shown = progress.stamp(run)
        try:
            with run.log.open("ab") as log:
                self._process = subprocess.Popen(
                    [
                        *PROGRAM,
                        *(str(self._session.folder.dataset_file), str(run.number)),
                    ],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C in the terminal is for the annotator, which then ends the training in good order.
                    start_new_session=True,
                )
        except OSError as error:
            raise SaveError(
                f"the training could not be started ({error.strerror or error}).",
                hint="Free memory or disk space and try again.",
            ) from error
        self._run = run
        self._watcher = threading.Thread(
            target=self._watch, args=(self._process, run, shown), name="annotator-trainer", daemon=True
        )
        self._watcher.start()

    def methods(self) -> Any:
        """Methods that the page may choose; the engine knows them, since they need torch."""
        return self._engine.run(MethodsJob())

    def stop(self) -> dict[str, Any]:
        """Ask the running training to stop; it leaves a model, and can be continued."""
        with self._lock:
            process = self._process
            if process is not None and self._run is not None and self._run.state != "stopping":
                self._run = replace(self._run, state="stopping")
                # It ends when nobody is left to talk to; signals would not reach it on every system.
                if process.stdin is not None:
                    process.stdin.close()
                patience = threading.Timer(PATIENCE, process.kill)  # does nothing to one that has ended
                patience.daemon = True
                patience.start()
        self._on_status(self.status())
        return self.status()

    def close(self) -> None:
        """Stop a running training and wait for it."""
        self.stop()
        if self._watcher is not None:
            self._watcher.join(PATIENCE + 5)

    def _watch(self, process: subprocess.Popen[bytes], run: Run, shown: tuple[int, int] | None) -> None:
        while True:
            try:
                code = process.wait(INTERVAL)
                break
            except subprocess.TimeoutExpired:
                self._on_status(self.status())
                if (stamp := progress.stamp(run)) not in (shown, None):
                    shown = stamp
                    self._on_model(run)
        with self._lock:
            stopping = self._run is not None and self._run.state == "stopping"
            state: State = "done" if code == 0 else "stopped" if stopping else "failed"
            error = None if state != "failed" else progress.failure(run, code)
            self._run = replace(run, state=state, error=error, seconds=time.time() - run.started)
            self._process = None
            ended = self._run
        try:
            ended.save()
        except SaveError as problem:
            self._run = replace(ended, error=error_body(problem))
        if process.stdin is not None:
            process.stdin.close()  # a second time does nothing
        self._on_status(self.status())
        self._on_end(ended)

    def status(self) -> dict[str, Any]:
        """How far the last training is."""
        run = self._run
        if run is None:
            return progress.idle()
        return progress.status(run, can_continue=self._can_continue(run))

    def curves(self) -> dict[str, Any]:
        """The table of metrics of the last training."""
        rows = [] if self._run is None else progress.rows_of(self._run)
        columns = list(rows[0]) if rows else []
        values = [[float(row[name]) if row.get(name) else None for name in columns] for row in rows]
        return {"columns": columns, "rows": values}

    def snapshots(self) -> list[Path]:
        """Pictures of the last training, oldest first."""
        return [] if self._run is None else progress.snapshots(self._run)

    def log(self, after: int, most: int) -> dict[str, Any]:
        """What the last training printed, from a byte on."""
        if self._run is None or not self._run.log.is_file():
            return {"text": "", "next": 0, "size": 0}
        with self._run.log.open("rb") as stream:
            size = stream.seek(0, 2)
            start = min(after, size)
            stream.seek(start)
            data = stream.read(most)
        home = str(self._session.folder.root)
        return {"text": data.decode("utf-8", "replace").replace(home, "…"), "next": start + len(data), "size": size}
