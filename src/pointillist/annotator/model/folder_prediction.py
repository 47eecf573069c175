"""Applies the model to the whole folder: starts, watches, pauses and cancels the process that does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pointillist.annotator.engine.client import EngineClient
from pointillist.annotator.engine.jobs import OutputsJob
from pointillist.annotator.model.batches import RESULTS, Batch, State, find_batches, free_number
from pointillist.annotator.model.predictions import Predictions
from pointillist.annotator.session import Session, error_body
from pointillist.data.images import on_a_map
from pointillist.errors import ConfigError, PointillistError, RunError, SaveError, nearest

PATIENCE = 20.0
"""Seconds that the process has to stop before it is ended."""

LOOKED_BACK = 30.0
"""Seconds of which the present speed is the mean."""

ENDED: tuple[State, ...] = ("cancelled", "done", "failed")


class FolderPrediction:
    """At most one prediction of the whole folder at a time; `on_status` gets each new status."""

    def __init__(
        self,
        session: Session,
        engine: EngineClient,
        predictions: Predictions,
        on_status: Callable[[dict[str, Any]], None],
    ) -> None:
        self._session = session
        self._engine = engine
        self._predictions = predictions
        self._on_status = on_status
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._watcher: threading.Thread | None = None
        self._speed: deque[tuple[float, int]] = deque()
        self._closing = False
        batches = find_batches(session.folder)
        self._batch = batches[-1] if batches else None

    def open(self) -> None:
        """Go on with what ran when the annotator ended, however that ended."""
        batch = self._batch
        if batch is None or batch.state in (*ENDED, "paused"):
            return
        if batch.state == "cancelling":
            self.cancel()
        elif batch.state == "pausing":
            self._become(replace(batch, state="paused"))
        else:
            try:
                self.resume()
            except PointillistError as error:
                # The labels can be opened all the same.
                self._become(replace(batch, state="failed", error=error_body(error)))

    def outputs(self) -> list[dict[str, Any]]:
        """What can be written; the engine knows that, since it needs the model.

        Raises:
            RunError: There is no model yet.
        """
        model, _ = self._predictions.present()
        found: list[dict[str, Any]] = self._engine.run(OutputsJob(model.folder))
        names = self._session.catalogue.names
        lies = on_a_map(self._session.catalogue.path(names[0]))
        return [{**one, "usual": one["usual"] or (lies and one["name"] == "geotiff")} for one in found]

    def start(self, write: Sequence[str]) -> dict[str, Any]:
        """Begin to predict all images of the folder.

        Raises:
            RunError: One runs or waits already, or there is no model yet.
            ConfigError: There is no such output, or it cannot be written here.
            DatasetError, SaveError: There is no place for the results.
        """
        offered = {one["name"]: one["why_not"] for one in self.outputs()}
        for name in write:
            if name not in offered:
                raise ConfigError(f"{name!r} is no output.", field="write", hint=nearest(name, list(offered)))
            if offered[name] is not None:
                raise ConfigError(offered[name], field="write", hint="Leave it out.")
        model, _ = self._predictions.present()
        with self._lock:
            if self._batch is not None and self._batch.state not in ENDED:
                raise RunError("one is there already.", hint="Resume or cancel it first.")
            folder = self._session.folder
            batch = Batch(
                number=free_number(folder),
                home=folder.below("predicted"),
                root=folder.root,
                run=model.number,
                model=self._predictions.key,
                write=tuple(dict.fromkeys(write)),
                started=time.time(),
                total=len(self._session.catalogue),
            )
            batch.log.unlink(missing_ok=True)
            self._launch(batch)
        return self._tell()

    def pause(self) -> dict[str, Any]:
        """Stop after the images at work; what is done stays."""
        with self._lock:
            self._stop("pausing")
        return self._tell()

    def resume(self) -> dict[str, Any]:
        """Go on where it was, also after a failure.

        Raises:
            RunError: There is nothing to go on with, or its model has changed since.
        """
        with self._lock:
            batch = self._batch
            if batch is None or self._process is not None or batch.state in ("cancelled", "done"):
                raise RunError("there is nothing to go on with.", hint="Apply the model to the folder.")
            model = self._predictions.key
            if model.startswith(f"{batch.run:04d}-") and model != batch.model:
                raise RunError(
                    "the model has learnt on since this was begun.", hint="Cancel it, and apply the model as it is now."
                )
            self._launch(replace(batch, state="running", error=None))
        return self._tell()

    def cancel(self) -> dict[str, Any]:
        """Stop, and remove what was written."""
        with self._lock:
            if self._process is not None:
                self._stop("cancelling")
            elif self._batch is not None and self._batch.state not in ("cancelled", "done"):
                self._batch.remove()
                self._become(replace(self._batch, state="cancelled", done=0, error=None))
        return self._tell()

    def close(self) -> None:
        """Stop the process and wait for it; the next start of the annotator goes on with what ran."""
        with self._lock:
            self._closing = True
            self._stop("running")
        if self._watcher is not None:
            self._watcher.join(PATIENCE + 5)

    def done(self, number: int) -> Batch | None:
        """A batch that is done, by its number."""
        found = (batch for batch in find_batches(self._session.folder) if batch.number == number)
        return next((batch for batch in found if batch.state == "done"), None)

    def status(self) -> dict[str, Any]:
        """How far it is, and what is there from earlier ones."""
        with self._lock:
            batch, running = self._batch, self._process is not None
        speed = self._per_second() if running else None
        earlier = [b for b in find_batches(self._session.folder) if b.state == "done" and b.out.is_dir()]
        return {
            **({"state": "idle"} if batch is None else self._about(batch)),
            "speed": speed,
            "eta": None if batch is None or speed is None else (batch.total - batch.done) / speed,
            "results": [self._about(b) for b in reversed(earlier)],
        }

    def _about(self, batch: Batch) -> dict[str, Any]:
        kept = ("number", "state", "done", "failed", "total", "error")
        more = {"folder": f"{RESULTS}/{batch.name}", "run": f"{batch.run:04d}", "write": list(batch.write)}
        return {name: getattr(batch, name) for name in kept} | more | {"seconds": round(batch.seconds, 1)}

    def _per_second(self) -> float | None:
        if len(self._speed) < 2:
            return None
        (begun, first), (now, last) = self._speed[0], self._speed[-1]
        return (last - first) / (now - begun) if now > begun and last > first else None

    def _tell(self) -> dict[str, Any]:
        status = self.status()
        self._on_status(status)
        return status

    def _become(self, batch: Batch) -> None:
        batch.save()
        self._batch = batch

    def _stop(self, state: State) -> None:
        process = self._process
        if process is None or self._batch is None:
            return
        # The end of the annotator leaves it to the next start what a person wanted.
        if state != "running":
            self._become(replace(self._batch, state=state))
        # It ends when nobody is left to talk to; signals would not reach it on every system.
        if process.stdin is not None:
            process.stdin.close()
        patience = threading.Timer(PATIENCE, process.kill)  # does nothing to one that has ended
        patience.daemon = True
        patience.start()

    def _launch(self, batch: Batch) -> None:
        self._become(batch)
        folder = self._session.folder
        data = folder.dataset_file if folder.dataset_file.is_file() else folder.root
        try:
            with batch.log.open("ab") as log:
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "pointillist.annotator.model.batch_process"),
                        *(str(data), str(batch.number)),
                    ],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    encoding="utf-8",
                    env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
                    # Ctrl-C in the terminal is for the annotator, which then ends it in good order.
                    start_new_session=True,
                )
        except OSError as error:
            self._become(replace(batch, state="paused"))
            raise SaveError(
                f"the prediction could not be started ({error.strerror or error}).",
                hint="Free memory or disk space and try again.",
            ) from error
        self._speed.clear()
        self._watcher = threading.Thread(
            target=self._watch, args=(self._process, batch.seconds), name="annotator-folder", daemon=True
        )
        self._watcher.start()

    def _watch(self, process: subprocess.Popen[str], before: float) -> None:
        begun = time.monotonic()
        for line in process.stdout or ():
            with suppress(ValueError, TypeError):
                news = json.loads(line)
                with self._lock:
                    if self._batch is not None:
                        known = {name: news[name] for name in ("done", "total", "failed", "error") if name in news}
                        known["together"] = tuple(news.get("together", self._batch.together))
                        self._batch = replace(self._batch, **known, seconds=before + time.monotonic() - begun)
                        self._speed.append((time.monotonic(), self._batch.done))
                        while self._speed[-1][0] - self._speed[0][0] > LOOKED_BACK:
                            self._speed.popleft()
                self._on_status(self.status())
        code = process.wait()
        with self._lock:
            self._process = None
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.close()
            batch = self._batch
            if batch is not None:
                self._ended(batch, code)
        if not self._closing:
            self._on_status(self.status())

    def _ended(self, batch: Batch, code: int) -> None:
        if batch.state == "cancelling":  # also where it was done before it heard of that
            batch.remove()
            batch = replace(batch, state="cancelled", done=0, error=None)
        elif code == 0:
            batch = replace(batch, state="done")
        elif batch.state == "pausing":
            batch = replace(batch, state="paused", error=None)
        elif not self._closing:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            lost = RunError(f"the prediction ended with {how}.", hint="Press Resume; what is done stays.")
            batch = replace(batch, state="failed", error=batch.error or error_body(lost))
        try:
            self._become(batch)
        except SaveError as problem:
            self._batch = replace(batch, error=error_body(problem))
