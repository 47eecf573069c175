"""Work that needs the model and takes minutes, in a process of its own: no click waits for it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any, Literal

from pointillist.annotator.session import Session, error_body
from pointillist.errors import PointillistError, RunError, SaveError

Kind = Literal["questions", "audit-questions", "audit", "clicks"]
"""What is done, see `work_process`."""

LOG = "work.log"
"""What the last work printed, in the annotator's own folder."""


class Work:
    """One piece of work at a time; `on_status` gets each new status."""

    def __init__(self, session: Session, on_status: Callable[[dict[str, Any]], None]) -> None:
        self._session = session
        self._on_status = on_status
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None
        self._status: dict[str, Any] = {"kind": None, "state": "idle", "done": 0, "total": 0, "error": None}

    def status(self) -> dict[str, Any]:
        """What is done, how it stands (`idle`, `running`, `done`, `stopped`, `failed`) and how much of it is done."""
        with self._lock:
            return dict(self._status)

    def start(self, kind: Kind, wishes: Mapping[str, Any], finish: Callable[[Any], None]) -> dict[str, Any]:
        """Begin; `finish` gets the result, in a thread of its own.

        Raises:
            RunError: Something is being done already.
            PointillistError: The label files cannot be written, or no process be started.
        """
        with self._lock:
            if self._process is not None:
                raise RunError("something else is being worked out.", hint="Wait for it, or stop it.")
            self._session.files.flush()
            command = [sys.executable, "-m", "pointillist.annotator.model.work_process"]
            try:
                with (self._session.folder.own / LOG).open("wb") as log:
                    self._process = process = subprocess.Popen(
                        [*command, str(self._session.folder.dataset_file)],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=log,
                        start_new_session=True,  # Ctrl-C is for the annotator, which then ends it
                    )
                to, _ = _pipes(process)
                to.write(json.dumps({"kind": kind, **wishes}).encode() + b"\n")
                to.flush()
            except OSError as error:
                found = f"no process could be started ({error.strerror or error})."
                raise SaveError(found, hint="Free memory or disk space and try again.") from error
            self._status = {"kind": kind, "state": "running", "done": 0, "total": 0, "error": None}
            self._watcher = threading.Thread(
                target=self._watch, args=(process, finish), name="annotator-work", daemon=True
            )
            self._watcher.start()
        self._on_status(self.status())
        return self.status()

    def stop(self) -> dict[str, Any]:
        """Give up what is being done."""
        with self._lock:
            if self._process is not None:
                self._status["state"] = "stopped"
                self._process.kill()
        return self.status()

    def close(self) -> None:
        """Give up, and wait until that is done."""
        self.stop()
        if self._watcher is not None:
            self._watcher.join()

    def _watch(self, process: subprocess.Popen[bytes], finish: Callable[[Any], None]) -> None:
        to, lines = _pipes(process)
        said: dict[str, Any] = {}
        for line in lines:
            said = json.loads(line)
            if "done" in said:
                with self._lock:
                    self._status |= said
                self._on_status(self.status())
        process.wait()
        to.close()
        lines.close()
        error = said.get("error")
        with self._lock:
            stopped = self._status["state"] == "stopped"
        if not stopped and "result" in said:
            try:
                finish(said["result"])
            except PointillistError as problem:
                error = error_body(problem)
        elif not stopped and error is None:
            hint = "Try again; the labels are safe."
            error = error_body(RunError(f"the work ended with code {process.returncode}.", hint=hint))
        with self._lock:
            self._process = None
            state = "stopped" if stopped else "failed" if error else "done"
            self._status |= {"state": state, "error": None if stopped else error}
        self._on_status(self.status())


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and output of a process.

    Raises:
        RunError: It was started without them.
    """
    if process.stdin is None or process.stdout is None:
        raise RunError("was started without pipes.", hint="Report this; the labels are safe.")
    return process.stdin, process.stdout
