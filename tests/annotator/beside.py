"""What goes on in a folder beside clicks: label files taken in, classes merged, trainings, another program's edits."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.annotator.conftest import HEIGHT, WIDTH

Row = tuple[str, float, float, str]
"""Id of the image, x, y, id of the class."""

KINDS = ("clicks", "import", "merge", "training", "edit")
CLASS = "class-beside"
"""All that is made beside has it in the end, and nothing else has."""

SIZE = 8 * HEIGHT, 8 * WIDTH
"""Of the images: two clicks of one class on one pixel would be taken in as one."""


@dataclass
class Beside:
    """One at work who remembers what each step was to make, and which steps were answered.

    Args:
        images: Names by id.
        seed: Of the places of its points.
    """

    images: dict[str, str]
    seed: int
    states: list[frozenset[Row]] = field(default_factory=lambda: [frozenset()])
    """Its points: before, and after each step; of a step that was not answered, what it is to make."""
    answered: int = 0
    """Index of the last state that was answered; after it there is one at most."""
    unanswered: list[dict[str, Any]] | None = None
    """Operations that are sent again to the next server."""
    tried: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    count: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._taken: set[tuple[str, int, int]] = set()

    def work(self, kind: str, client: httpx.Client, until: threading.Event) -> None:
        """Go on until told to stop, or until the server is gone."""
        try:
            while not until.is_set():
                self.count += 1
                {"import": self._import, "merge": self._merge, "training": self._train}[kind](client)
        except httpx.TransportError:
            return

    def begin(self, client: httpx.Client) -> None:
        """Make its class."""
        ops = [{"id": "beside-class", "kind": "class-add", "class": CLASS, "name": CLASS[6:]}]
        assert client.post("/api/ops", json={"client": "tab-beside", "ops": ops}).status_code == 200

    def _rows(self, count: int, label: str = CLASS) -> set[Row]:
        """Places on pixels of their own."""
        found: set[Row] = set()
        while len(found) < count:
            image, x, y = self._random.choice(list(self.images)), self._random.random(), self._random.random()
            pixel = image, int(x * SIZE[1]), int(y * SIZE[0])
            if pixel not in self._taken:
                self._taken.add(pixel)
                found.add((image, x * SIZE[1], y * SIZE[0], label))
        return found

    def _ask(self, made: frozenset[Row]) -> None:
        self.states.append(made)

    def _done(self) -> None:
        self.answered = len(self.states) - 1
        self.unanswered = None

    def _as_file(self, rows: set[Row]) -> str:
        return "".join(f"{self.images[image]},{x!r},{y!r},{label[6:]}\n" for image, x, y, label in rows)

    def _import(self, client: httpx.Client) -> None:
        rows = self._rows(40)
        self._ask(self.states[-1] | rows)
        content = "image,x,y,class\n" + self._as_file(rows)
        answer = client.post("/api/import", params={"name": "a.csv"}, content=content.encode())
        assert answer.status_code == 200, answer.text
        self._done()

    def _merge(self, client: httpx.Client) -> None:
        name = f"beside{self.count}"
        rows = self._rows(3, f"class-{name}")
        before = self.states[-1]
        points = [
            {"kind": "add", "point": f"{name}-{number}", "image": image, "x": x, "y": y, "class": label}
            for number, (image, x, y, label) in enumerate(sorted(rows))
        ]
        self._send(client, [{"kind": "class-add", "class": f"class-{name}", "name": name}], before)
        self._send(client, points, before | rows)
        merged = before | {(image, x, y, CLASS) for image, x, y, _ in rows}
        self._send(client, [{"kind": "class-merge", "class": f"class-{name}", "into": CLASS}], merged)
        self._send(client, [{"kind": "delete", "point": point["point"]} for point in points], before)

    def _send(self, client: httpx.Client, ops: list[dict[str, Any]], made: frozenset[Row]) -> None:
        self._ask(made)
        self.unanswered = [{"id": f"beside-{len(self.states)}-{self.count}-{n}"} | op for n, op in enumerate(ops)]
        answer = client.post("/api/ops", json={"client": "tab-beside", "ops": self.unanswered})
        assert {result["status"] for result in answer.json()["results"]} == {"done"}, answer.text
        self._done()

    def _train(self, client: httpx.Client) -> None:
        settings = {"epochs": 100_000, "size": f"{HEIGHT}x{WIDTH}", "device": "cpu"}
        if client.get("/api/training").json()["state"] not in ("starting", "running"):
            answer = client.post("/api/training/start", json=settings)
            assert answer.status_code == 200, answer.text
        time.sleep(0.05)

    def edit(self, points: Path) -> None:
        """Be another program: add rows to `points.csv`, which the next server must have at the latest."""
        rows = self._rows(3)
        other = points.with_name("points.csv.edited")
        other.write_text(points.read_text() + self._as_file(rows))
        other.replace(points)
        self._ask(self.states[-1] | rows)
        self._done()

    def problem(self, found: frozenset[Row], client: httpx.Client) -> str | None:
        """What is wrong with its points after a crash; sends again what was not answered, as the page does."""
        if found not in self.states[self.answered : self.answered + 2]:
            return f"of {len(self.states[self.answered])} points made beside {len(found)} are there"
        if client.get("/api/training").json()["state"] in ("starting", "running"):
            return "a training is said to go on"
        if self.unanswered is not None:
            answer = client.post("/api/ops", json={"client": "tab-beside", "ops": self.unanswered})
            assert {result["status"] for result in answer.json()["results"]} <= {"done", "repeated"}, answer.text
            found = self.states[-1]
        self.states, self.answered, self.unanswered = [found], 0, None
        return None
