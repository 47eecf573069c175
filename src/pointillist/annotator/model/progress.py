"""How far a training is, as its run directory tells; read without what writes it, which takes seconds to import."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from pointillist.annotator.model.runs import Run
from pointillist.annotator.session import error_body
from pointillist.errors import RunError
from pointillist.files import read_text, read_yaml
from pointillist.sealed import read_sealed_figures

NOTE, NOTES_WITHIN = "note ", 2**14
"""How a line of the log begins that is about the labels, and in how many of its first bytes they are looked for."""


def idle() -> dict[str, Any]:
    """The status before any training."""
    unknown = dict.fromkeys(("run", "started", "epochs", "eta", "latest", "error"))
    nothing = dict.fromkeys(("seconds", "epoch", "progress", "snapshots"), 0)
    more = {"settings": {}, "notes": [], "base": "", "clicks": 0, "can_continue": False}
    return {"state": "idle", **unknown, **nothing, **more}


def status(run: Run, *, can_continue: bool) -> dict[str, Any]:
    """How far a run is, as the page reads it."""
    rows = rows_of(run)
    epochs = _epochs(run)
    epoch = int(rows[-1]["epoch"]) if rows else 0
    seconds = time.time() - run.started if run.seconds is None else run.seconds
    state: str = run.state if run.state != "starting" or not rows else "running"
    trained = float(rows[-1]["seconds"]) if rows else 0.0
    left = trained / epoch * (epochs - epoch) if epoch and epochs and state == "running" else None
    if left is None and not rows and state in ("starting", "running"):
        # Before the first epoch there is nothing but what was asked for.
        asked = run.settings.get("trainer.minutes")
        left = None if asked is None else max(0.0, 60.0 * float(asked) - seconds)
    latest = {name: float(value) for name, value in rows[-1].items() if value} if rows else None
    return {
        **{"state": state, "run": run.name, "started": run.started, "seconds": round(seconds, 1)},
        **{"epoch": epoch, "epochs": epochs},
        "progress": 1.0 if state == "done" else epoch / epochs if epochs else 0.0,
        "eta": None if left is None else round(left, 1),
        "latest": latest,
        "snapshots": len(snapshots(run)),
        "error": run.error,
        "settings": dict(run.settings),
        "notes": _notes(run),
        "base": run.base,
        "clicks": run.clicks,
        "can_continue": can_continue,
    }


def snapshots(run: Run) -> list[Path]:
    """Pictures of a run, oldest first."""
    return sorted((run.folder / "snapshots").glob("epoch_*.png"))


def stamp(run: Run) -> tuple[int, int] | None:
    """Another one for each model that the run had; None without one, or while it is replaced."""
    try:
        found = run.model_file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def rows_of(run: Run) -> list[dict[str, str]]:
    """Lines of the run's metrics.csv; read here, because the code that writes it takes seconds to import."""
    return read_sealed_figures(run.folder / "metrics.csv", RunError)


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


def failure(run: Run, code: int) -> dict[str, Any]:
    """Why a training ended, in its own words where it left some."""
    if run.failure.is_file():
        content: dict[str, Any] = json.loads(read_text(run.failure, RunError))
        return content
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return error_body(RunError(f"the training ended with {how}.", hint="See its log; the labels are safe."))
