"""A server under a stream of clicks, killed at random moments."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from pointillist.points.formats.native import NativeCsv
from tests.annotator.conftest import HEIGHT, WIDTH, write_images
from tests.annotator.processes import Annotator, annotator

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
    """A person at work: keeps unanswered batches, and sends them again until they are answered."""

    name: str
    images: list[str]
    seed: int
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


def at_work(server: Annotator, tabs: list[Tab], seconds: float) -> Iterator[None]:
    """Let tabs work; the moment it yields is somewhere in the middle of it."""
    until = threading.Event()
    clients = [server.client() for _ in tabs]
    threads = [threading.Thread(target=tab.work, args=(c, until)) for tab, c in zip(tabs, clients, strict=True)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    yield
    until.set()
    for thread in threads:
        thread.join(60)
    for client in clients:
        client.close()


def csv_rows(data: Path) -> list[tuple[str, float, float, str]]:
    return sorted((p.image, p.x, p.y, f"class-{p.label}") for p in NativeCsv().read(data / "points.csv"))


def kill_server(data: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill a server with SIGKILL at random moments; unanswered batches are sent again, as the page does.

    Args:
        data: Its folder; gets images where it has none.
        kills: How often.
        seed: Of the moments and the clicks.

    Returns:
        Kills `tried` and `held`: whether the server had all that was acknowledged when it was started again. Operations
        that were `acknowledged`, and `failures`.
    """
    if not (data / "images").is_dir():
        write_images(data / "images")
    moments = random.Random(seed)
    with annotator(data) as server, server.client() as client:
        images = prepare(client)
        names = {entry["id"]: entry["name"] for entry in client.get("/api/images").json()["images"]}
        server.end()
    tabs = [Tab(f"tab-no-{number}", images, number) for number in range(3)]
    failures: list[str] = []
    for number in range(kills):
        with annotator(data) as server:
            for _ in at_work(server, tabs, moments.uniform(0.05, 1.2)):
                server.kill()
        with annotator(data) as server:
            with server.client() as client:
                for tab in tabs:
                    if tab.unanswered:
                        answer = client.post("/api/ops", json={"client": tab.name, "ops": tab.unanswered})
                        assert {result["status"] for result in answer.json()["results"]} <= {"done", "repeated"}
                        tab.unanswered = []
                expected = {k: v for tab in tabs for k, v in tab.points.items()}
                if points_of(client, images) != expected:
                    failures.append(f"kill {number}: points are lost, or there twice")
            server.end()
        if csv_rows(data) != sorted((names[image], x, y, label) for image, x, y, label in expected.values()):
            failures.append(f"kill {number}: points.csv is not what the store has")
    held = kills - len({failure.partition(":")[0] for failure in failures})
    acknowledged = sum(tab.answered for tab in tabs)
    return {"tried": kills, "held": held, "acknowledged": acknowledged, "failures": failures}
