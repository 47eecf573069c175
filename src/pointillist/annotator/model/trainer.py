"""Starts, watches and stops trainings; what they do to their own process hurts no label."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pointillist.annotator.engine.client import EngineClient
from pointillist.annotator.engine.jobs import MethodsJob, SettingsJob
from pointillist.annotator.model.runs import ENDED, Run, State, find_runs
from pointillist.annotator.model.settings import PageSettings
from pointillist.annotator.session import Session, error_body
from pointillist.errors import ConfigError, RunError, SaveError
from pointillist.files import read_text, read_yaml

INTERVAL = 1.0
"""Seconds between two looks at a running training."""

PATIENCE = 20.0
"""Seconds a training has to stop before it is ended."""


NOTE, NOTES_WITHIN = "note ", 2**14
"""How a line of the log begins that is about the labels, and in how many of its first bytes they are looked for."""


class Trainer:
    """At most one training at a time; `on_status` gets each new status, `on_finish` each run that ended well."""

    def __init__(
        self,
        session: Session,
        engine: EngineClient,
        on_status: Callable[[dict[str, Any]], None],
        on_finish: Callable[[Run], None],
    ) -> None:
        self._session = session
        self._engine = engine
        self._on_status = on_status
        self._on_finish = on_finish
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None
        runs = find_runs(session.folder)
        self._run = runs[-1] if runs else None
        if self._run is not None and self._run.state not in ENDED:
            # It ended with the annotator that started it.
            self._run = replace(self._run, state="stopped")
            self._run.save()

    def start(self, settings: PageSettings) -> dict[str, Any]:
        """Start a training.

        Raises:
            RunError: One runs already, or the folder is not ready for one.
            ConfigError: A setting is impossible, or may not be made here.
            PointillistError: The label files cannot be written.
        """
        with self._lock:
            if self._process is not None:
                raise RunError("a training runs already.", hint="Stop it first, or wait for it.")
            state = self._session.project()["can_train"]
            if not state["ok"]:
                raise ConfigError(state["why"], field="labels", hint="Click some points of at least two classes.")
            self._engine.run(SettingsJob(settings.dotted()))
            self._session.files.flush()
            last = self._run.number if self._run is not None else 0
            classes = self._session.store.reading().classes()
            run = Run(
                last + 1,
                self._session.folder.below("runs"),
                time.time(),
                tuple(row.id for row in classes),
                tuple(row.name for row in classes),
                settings.dotted(),
            )
            run.save()
            try:
                with run.log.open("wb") as log:
                    self._process = subprocess.Popen(
                        [
                            *(sys.executable, "-m", "pointillist.annotator.model.training_process"),
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
                target=self._watch, args=(self._process, run), name="annotator-trainer", daemon=True
            )
            self._watcher.start()
        self._on_status(self.status())
        return self.status()

    def methods(self) -> Any:
        """Methods that the page may choose; the engine knows them, since they need torch."""
        return self._engine.run(MethodsJob())

    def stop(self) -> dict[str, Any]:
        """Ask the running training to stop; it can be resumed on the command line."""
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

    def _watch(self, process: subprocess.Popen[bytes], run: Run) -> None:
        while True:
            try:
                code = process.wait(INTERVAL)
                break
            except subprocess.TimeoutExpired:
                self._on_status(self.status())
        with self._lock:
            stopping = self._run is not None and self._run.state == "stopping"
            state: State = "done" if code == 0 else "stopped" if stopping else "failed"
            error = None if state != "failed" else _failure(run, code)
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
        if state == "done":
            self._on_finish(ended)

    def status(self) -> dict[str, Any]:
        """How far the last training is."""
        run = self._run
        if run is None:
            unknown = dict.fromkeys(("run", "started", "epochs", "eta", "latest", "error"))
            nothing = dict.fromkeys(("seconds", "epoch", "progress", "snapshots"), 0)
            return {"state": "idle", **unknown, **nothing, "settings": {}, "notes": []}
        rows = _rows(run)
        epochs = _epochs(run)
        epoch = int(rows[-1]["epoch"]) if rows else 0
        seconds = time.time() - run.started if run.seconds is None else run.seconds
        state: str = run.state if run.state != "starting" or not rows else "running"
        trained = float(rows[-1]["seconds"]) if rows else 0.0
        left = trained / epoch * (epochs - epoch) if epoch and epochs and state == "running" else None
        latest = {name: float(value) for name, value in rows[-1].items() if value} if rows else None
        return {
            **{"state": state, "run": run.name, "started": run.started, "seconds": round(seconds, 1)},
            **{"epoch": epoch, "epochs": epochs},
            "progress": 1.0 if state == "done" else epoch / epochs if epochs else 0.0,
            "eta": None if left is None else round(left, 1),
            "latest": latest,
            "snapshots": len(self.snapshots()),
            "error": run.error,
            "settings": dict(run.settings),
            "notes": _notes(run),
        }

    def curves(self) -> dict[str, Any]:
        """The table of metrics of the last training."""
        rows = [] if self._run is None else _rows(self._run)
        columns = list(rows[0]) if rows else []
        values = [[float(row[name]) if row.get(name) else None for name in columns] for row in rows]
        return {"columns": columns, "rows": values}

    def snapshots(self) -> list[Path]:
        """Pictures of the last training, oldest first."""
        return [] if self._run is None else sorted((self._run.folder / "snapshots").glob("epoch_*.png"))

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


def _rows(run: Run) -> list[dict[str, str]]:
    """Lines of the run's metrics.csv; read here, because the code that writes it takes seconds to import."""
    path = run.folder / "metrics.csv"
    return list(csv.DictReader(io.StringIO(read_text(path, RunError), newline=""))) if path.is_file() else []


def _notes(run: Run) -> list[str]:
    """What the run says about its labels, at the beginning of its log: a line each."""
    if not run.log.is_file():
        return []
    with run.log.open("rb") as stream:
        lines = stream.read(NOTES_WITHIN).decode("utf-8", "replace").splitlines()
    return [line.removeprefix(NOTE) for line in lines if line.startswith(NOTE)]


def _epochs(run: Run) -> int | None:
    """Number of epochs the run was planned for; None until it has begun."""
    path = run.folder / "config.yaml"
    return int(read_yaml(path, RunError)["trainer"]["epochs"]) if path.is_file() else None


def _failure(run: Run, code: int) -> dict[str, Any]:
    """Why a training ended, in its own words where it left some."""
    if run.failure.is_file():
        content: dict[str, Any] = json.loads(read_text(run.failure, RunError))
        return content
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return error_body(RunError(f"the training ended with {how}.", hint="See its log; the labels are safe."))
