"""Clicks that contradict everything else and objects without a click, as a list to be walked through."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointillist.annotator.model.runs import Run
from pointillist.annotator.model.work import Work
from pointillist.annotator.session import Session
from pointillist.errors import RunError
from pointillist.sealed import read_sealed, write_sealed

SHOWN = 50
"""Overlooked objects that are listed, those with the most to gain: only the top is worth a look."""


@dataclass(frozen=True)
class ClickChecks:
    """The two lists of `pointillist points check --audit`; `model` gives the run of the present model."""

    session: Session
    work: Work
    model: Callable[[], Run | None]

    @property
    def _file(self) -> Path:
        return self.session.folder.own / "clicks.audit.json"

    def start(self) -> dict[str, Any]:
        """Make the lists anew.

        Raises:
            RunError: There is no model, or something else is being worked out.
            PointillistError: The label files cannot be written.
        """
        run = self.model()
        if run is None:
            raise RunError("there is no model that could look at the clicks.", hint="Train one first.")

        def finish(result: Any) -> None:
            write_sealed(self._file, {**result, "run": run.name})

        wishes = {"run": run.number, "points": str(self.session.folder.points_file)}
        return self.work.start("clicks", wishes, finish)

    def listed(self) -> dict[str, Any]:
        """The entries as the page reads them, the most urgent first; those that nothing is left of are left out.

        A contradicting click is there as long as it is a click of that class at that place; `settled` says what a
        person has decided already.
        """
        if not self._file.is_file():
            return {"run": None, "clicks": 0, "expected": 0, "entries": []}
        content = read_sealed(self._file, RunError, "Remove it, and look at the clicks again.")
        tables = self.session.store.reading()
        ids = {row.name: row.id for row in tables.classes()}
        entries = []

        def settled(entry: str) -> bool:
            return bool(tables.metadata(f"verdict {entry}"))

        for kind in ("contradicting", "overlooked"):
            for one in content[kind][: SHOWN if kind == "overlooked" else None]:
                image = self.session.catalogue.find_id(one["image"])
                label = ids.get(one["others"] if kind == "contradicting" else one["class"])
                if image is None or label is None:
                    continue
                place = (content["run"], kind, one["image"], one["x"], one["y"], one["class"])
                entry = hashlib.blake2b(json.dumps(place).encode(), digest_size=12).hexdigest()
                body = {"id": entry, "kind": kind, "image": image, "name": one["image"], "x": one["x"], "y": one["y"]}
                body |= {"class": label, "settled": settled(entry)}
                if kind == "contradicting":
                    clicked = ids.get(one["class"])
                    point = next(
                        (
                            row
                            for row in tables.points_of(one["image"])
                            if not row.question and (row.x, row.y) == (one["x"], one["y"]) and row.label == clicked
                        ),
                        None,
                    )
                    if point is None and not body["settled"]:
                        continue  # somebody has changed it meanwhile
                    body |= {"point": None if point is None else point.id, "clicked": clicked}
                    body["probability"] = one["probability"]
                else:
                    body["area"] = one["area"]
                entries.append(body)
        return {
            "run": content["run"],
            "clicks": content["clicks"],
            "expected": content["listed_expected_wrong"],
            "entries": entries,
        }
