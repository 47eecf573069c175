"""A server under a stream of clicks, killed at random moments."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from pointillist.points.formats.native import NativeCsv
from tests.annotator.beside import KINDS, SIZE, Beside
from tests.annotator.conftest import HEIGHT, WIDTH, write_images
from tests.annotator.processes import annotator, children

CLASSES = ("class-soil", "class-berry")


def prepare(client: httpx.Client) -> list[str]:
    """Make the classes; gives the ids of the images."""
    ops = [{"id": f"make-{c}", "kind": "class-add", "class": c, "name": c.removeprefix("class-")} for c in CLASSES]
    assert client.post("/api/ops", json={"client": "tab-first", "ops": ops}).status_code == 200
    return [entry["id"] for entry in client.get("/api/images").json()["images"]]


def points_of(client: httpx.Client, images: list[str]) -> dict[str, tuple[str, float, float, str]]:
    """All points by id, as the server has them."""
    found = {}
    for image in images:
        for point in client.get(f"/api/images/{image}/points").json()["points"]:
            found[point["id"]] = (image, point["x"], point["y"], point["class"])
    return found


@dataclass
class Tab:
    """A person at work: keeps unanswered batches, and sends them again until they are answered; has so many points."""

    name: str
    images: list[str]
    seed: int
    most: int = 10**9
    points: dict[str, tuple[str, float, float, str]] = field(default_factory=dict)
    unanswered: list[dict[str, Any]] = field(default_factory=list)
    answered: int = 0
    count: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def batch(self) -> list[dict[str, Any]]:
        """Between one and five operations on own points."""
        return [self._operation() for _ in range(self._random.randint(1, 5))]

    def _operation(self) -> dict[str, Any]:
        self.count += 1
        op: dict[str, Any] = {"id": f"{self.name}-op-{self.count}"}
        x, y = self._random.uniform(0, WIDTH - 0.01), self._random.uniform(0, HEIGHT - 0.01)
        kind = self._random.choice(("add", "add", "add", "move", "relabel", "delete")) if self.points else "add"
        if len(self.points) >= self.most:
            kind = "delete"
        if kind == "add":
            point, image, label = f"{self.name}-{self.count}", self._random.choice(self.images), CLASSES[self.count % 2]
            self.points[point] = (image, x, y, label)
            return {**op, "kind": "add", "point": point, "image": image, "x": x, "y": y, "class": label}
        point = self._random.choice(list(self.points))
        image, old_x, old_y, label = self.points[point]
        if kind == "delete":
            del self.points[point]
            return {**op, "kind": "delete", "point": point}
        if kind == "move":
            self.points[point] = (image, x, y, label)
            return {**op, "kind": "move", "point": point, "x": x, "y": y}
        other = CLASSES[CLASSES.index(label) - 1]
        self.points[point] = (image, old_x, old_y, other)
        return {**op, "kind": "relabel", "point": point, "class": other}

    def work(self, client: httpx.Client, until: threading.Event) -> None:
        """Send until told to stop, or until the server is gone."""
        while not until.is_set():
            if not self.unanswered:
                self.unanswered = self.batch()
            try:
                answer = client.post("/api/ops", json={"client": self.name, "ops": self.unanswered})
            except httpx.TransportError:
                return
            if answer.status_code == 507:
                return
            assert answer.status_code == 200, answer.text
            for result in answer.json()["results"]:
                assert result["status"] in ("done", "repeated"), result
            self.answered += len(self.unanswered)
            self.unanswered = []


@contextmanager
def at_work(jobs: Sequence[Callable[[threading.Event], None]], seconds: float) -> Iterator[None]:
    """Let people work; the block begins somewhere in the middle of it, and what failed is raised after it."""
    until = threading.Event()
    with ThreadPoolExecutor(max(1, len(jobs))) as pool:
        working = [pool.submit(job, until) for job in jobs]
        time.sleep(seconds)
        try:
            yield
        finally:
            until.set()
        for one in working:
            one.result(60)


def csv_rows(data: Path) -> list[tuple[str, float, float, str]]:
    return sorted((p.image, p.x, p.y, f"class-{p.label}") for p in NativeCsv().read(data / "points.csv"))


def kill_server(data: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill a server with SIGKILL at random moments; unanswered batches are sent again, as the page does.

    Three tabs click; beside them, in turn, nothing, label files that are taken in, classes that are merged, a training
    that starts, and another program that edits `points.csv`.

    Args:
        data: An empty folder.
        kills: How often.
        seed: Of the moments and the clicks.

    Returns:
        Kills `tried` and `held`: whether the server had all that was acknowledged when it was started again; kills
        `beside` each kind of work. Operations of tabs that were `acknowledged`, `points_beside`, and `failures`.
    """
    write_images(data / "images", size=SIZE)
    moments = random.Random(seed)
    with annotator(data) as server, server.client() as client:
        images = prepare(client)
        names = {entry["id"]: entry["name"] for entry in client.get("/api/images").json()["images"]}
        beside = Beside(names, seed)
        beside.begin(client)
        server.end()
    tabs = [Tab(f"tab-no-{number}", images, number) for number in range(3)]
    failures: list[str] = []
    for number in range(kills):
        kind = KINDS[number % len(KINDS)]
        with annotator(data) as server, ExitStack() as clients:
            jobs: list[Callable[[threading.Event], None]] = [
                partial(tab.work, clients.enter_context(server.client())) for tab in tabs
            ]
            if kind == "edit":
                beside.edit(data / "points.csv")
            elif kind != "clicks":
                jobs.append(partial(beside.work, kind, clients.enter_context(server.client())))
            # A training takes seconds to begin.
            with at_work(jobs, moments.uniform(0.05, 8 if kind == "training" else 1.2)):
                trainings = [pid for pid, line in children(server.process.pid) if "training_process" in line]
                server.kill()
        beside.tried[kind] += 1
        while any((Path("/proc") / str(pid)).exists() for pid in trainings):
            time.sleep(0.1)
        with annotator(data) as server:
            with server.client() as client:
                for tab in tabs:
                    if tab.unanswered:
                        answer = client.post("/api/ops", json={"client": tab.name, "ops": tab.unanswered})
                        assert {result["status"] for result in answer.json()["results"]} <= {"done", "repeated"}
                        tab.unanswered = []
                expected = {k: v for tab in tabs for k, v in tab.points.items()}
                found = points_of(client, images)
                if {k: v for k, v in found.items() if k.startswith("tab-no-")} != expected:
                    failures.append(f"kill {number}: points are lost, or there twice")
                others = frozenset(v for k, v in found.items() if not k.startswith("tab-no-"))
                if problem := beside.problem(others, client):
                    failures.append(f"kill {number}: {problem}")
                stored = points_of(client, images).values()
            server.end()
        if csv_rows(data) != sorted((names[image], x, y, label) for image, x, y, label in stored):
            failures.append(f"kill {number}: points.csv is not what the store has")
    held = kills - len({failure.partition(":")[0] for failure in failures})
    acknowledged = sum(tab.answered for tab in tabs)
    return {
        "tried": kills,
        "held": held,
        "beside": beside.tried,
        "acknowledged": acknowledged,
        "points_beside": len(beside.states[-1]),
        "failures": failures,
    }
