"""What was written of predictions of the whole folder: numbered folders beside the images, each with a record."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from pointillist.annotator.folder import DataFolder, contains
from pointillist.data.outputs import MANIFEST, predicted
from pointillist.errors import DatasetError, RunError
from pointillist.sealed import read_sealed, write_sealed

State = Literal["running", "pausing", "paused", "cancelling", "cancelled", "done", "failed"]

RESULTS = "predictions"
"""Folder of all results in the data folder. Each folder in it has a manifest, by which nobody takes it for images."""


@dataclass(frozen=True)
class Batch:
    """One prediction of the whole folder, numbered from 1; `home` is the annotator's folder of all records.

    `run` is the number of the training whose model it is, `model` its `Predictions.key`, `write` the outputs. `done`
    and `failed` count images, `total` all. `seconds` is how long it has run. `together` are files of all images.
    """

    number: int
    home: Path
    root: Path
    run: int
    model: str
    write: tuple[str, ...]
    started: float
    total: int
    state: State = "running"
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    together: tuple[str, ...] = ()
    error: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.number:04d}"

    @property
    def out(self) -> Path:
        """Folder of the results."""
        return self.root / RESULTS / self.name

    @property
    def log(self) -> Path:
        """What its process printed."""
        return self.home / f"{self.name}.log"

    def save(self) -> None:
        """Write the file this is kept in."""
        content = {name: value for name, value in vars(self).items() if name not in ("home", "root")}
        write_sealed(self.home / f"{self.name}.json", content)

    def files(self) -> Iterator[tuple[str, Path]]:
        """Results that are there, by name: those that its manifest names, and no others."""
        found = predicted(self.out)
        names = [] if found is None else [*found.results(), *self.together]
        for name in [*sorted(names), MANIFEST]:
            path = self.out / name
            if path.is_file() and contains(self.root, path):
                yield name, path

    def remove(self) -> None:
        """Remove the results, and no file that somebody else put there."""
        found = predicted(self.out)
        for path in [*(path for _, path in self.files()), *(() if found is None else found.files)]:
            path.unlink(missing_ok=True)
        for folder, _, _ in os.walk(self.out, topdown=False):
            if not os.listdir(folder):  # noqa: PTH208 - a folder that is as good as empty is not large
                Path(folder).rmdir()


def find_batches(folder: DataFolder) -> list[Batch]:
    """All batches of a folder, oldest first."""
    home = folder.below("predicted")
    found = []
    names = {field.name for field in fields(Batch)} - {"home", "root"}
    for path in sorted(home.glob("????.json")):
        mend = "Remove this file; labels and results do not depend on it."
        content = read_sealed(path, RunError, mend)
        try:
            listed = {key: tuple(content[key]) for key in ("write", "together")}
            given = {name: content[name] for name in names} | listed
            found.append(Batch(home=home, root=folder.root, **given))
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"is damaged ({error}).", where=path, hint=mend) from error
    return found


def free_number(folder: DataFolder) -> int:
    """A number that no batch and no other folder of results has.

    Raises:
        DatasetError: The place for results is no folder of this data folder.
    """
    results = folder.root / RESULTS
    if results.is_symlink() or (results.exists() and not results.is_dir()):
        raise DatasetError("is no folder.", where=results, hint="Remove it: results of predictions are written there.")
    taken = [path.name for path in results.iterdir()] if results.is_dir() else []
    taken += [batch.name for batch in find_batches(folder)]
    return max((int(name) for name in taken if name.isdecimal() and len(name) <= 9), default=0) + 1
