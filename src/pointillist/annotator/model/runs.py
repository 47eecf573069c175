"""The trainings of a folder: run directories inside it, each with a record of how it went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pointillist.annotator.folder import DataFolder
from pointillist.errors import RunError
from pointillist.files import read_text, write_text

State = Literal["starting", "running", "stopping", "done", "stopped", "failed"]

ENDED: tuple[State, ...] = ("done", "stopped", "failed")


@dataclass(frozen=True)
class Run:
    """One training, numbered from 1; `home` is the folder of all runs, `settings` is what the page asked for.

    It was `started` so many seconds after the beginning of 1970, and took `seconds` (None while it runs). The classes
    are those at its start, by id and by what they were called then, in the order of the model's outputs. `error` is
    why it failed, as the page reads it.
    """

    number: int
    home: Path
    started: float
    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    settings: Mapping[str, Any]
    state: State = "starting"
    error: Mapping[str, Any] | None = None
    seconds: float | None = None

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
    def failure(self) -> Path:
        """Where the training leaves the error that ended it."""
        return self.home / f"{self.name}.error.json"

    def save(self) -> None:
        """Write the file this is kept in."""
        content = {name: value for name, value in vars(self).items() if name != "home"}
        write_text(self.home / f"{self.name}.json", json.dumps(content, indent=1) + "\n")


def find_runs(folder: DataFolder) -> list[Run]:
    """All runs of a folder, oldest first."""
    home = folder.below("runs")
    found = []
    for path in sorted(home.glob("????.json")):
        try:
            content = json.loads(read_text(path, RunError))
            listed = {key: tuple(content[key]) for key in ("class_ids", "class_names")}
            found.append(Run(**{**content, "home": home, **listed}))
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"is damaged ({error}).", where=path, hint="Remove this file; the labels do not depend on it."
            ) from error
    return found
