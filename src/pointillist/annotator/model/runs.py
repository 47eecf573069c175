"""The trainings of a folder: run directories inside it, each with a record of how it went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AllowInfNan, TypeAdapter, ValidationError

from pointillist.annotator.folder import DataFolder
from pointillist.errors import RunError
from pointillist.files import read_text
from pointillist.sealed import read_sealed, write_sealed

State = Literal["starting", "running", "stopping", "done", "stopped", "failed"]

Seconds = Annotated[float, AllowInfNan(False)]

ENDED: tuple[State, ...] = ("done", "stopped", "failed")


@dataclass(frozen=True)
class Run:
    """One training, numbered from 1; `home` is the folder of all runs, `settings` is what the page asked for.

    It was `started` so many seconds after the beginning of 1970, and took `seconds` (None while it runs). The classes
    are those at its start, by id and by what they were called then, in the order of the model's outputs. `error` is
    why it failed, as the page reads it. `seq` is the last operation whose `clicks` it learns from, `masks` the images
    whose mask had been accepted by then, and `base` the run whose model it goes on from ("" from scratch).
    """

    number: int
    home: Path
    started: Seconds
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    settings: Mapping[str, Any]
    state: State = "starting"
    error: Mapping[str, Any] | None = None
    seconds: Seconds | None = None
    seq: int = 0
    clicks: int = 0
    base: str = ""
    masks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.number:04d}"

    @property
    def folder(self) -> Path:
        """Its run directory."""
        return self.home / self.name

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.home / f"{self.name}.log"

    @property
    def labels(self) -> Path:
        """The points it learns from, as they were when it began: they are needed to continue it exactly."""
        return self.home / f"{self.name}.labels" / "points.csv"

    @property
    def model_file(self) -> Path:
        """There as soon as it has a model, and another file with each new one."""
        return self.folder / "model" / "model.json"

    def model_facts(self) -> tuple[str, int] | None:
        """Hash of the weights of its model, and the steps it has taken; None while it has none, or a damaged one."""
        for _ in range(3):  # the folder may be replaced this instant
            if self.model_file.is_file():
                with suppress(RunError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
                    content = json.loads(read_text(self.model_file, RunError, max_bytes=2**24))
                    return str(content["sha256"]), int(content["protocol"]["steps"])
        return None

    @property
    def failure(self) -> Path:
        """Where the training leaves the error that ended it."""
        return self.home / f"{self.name}.error.json"

    def save(self) -> None:
        """Write the file this is kept in."""
        content = {name: value for name, value in vars(self).items() if name != "home"}
        write_sealed(self.home / f"{self.name}.json", content)


RUN = TypeAdapter(Run)


def find_runs(folder: DataFolder) -> list[Run]:
    """All runs of a folder, oldest first."""
    home = folder.below("runs")
    found = []
    for path in sorted(home.glob("????.json")):
        mend = "Remove this file; the labels do not depend on it."
        content = read_sealed(path, RunError, mend)
        try:
            run = RUN.validate_python({"class_ids": (), "class_names": (), **content, "home": home})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"]))
            raise RunError(f"is damaged ({first['msg']}).", where=path, field=field, hint=mend) from error
        if run.name != path.stem:
            raise RunError(f"is not the file of number {run.number}.", where=path, field="number", hint=mend)
        found.append(run)
    return found
