"""Scribbles, erasures and the brush on the real process: killed amid them, and on a full disk."""

from __future__ import annotations

import io
import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from pointillist.annotator.labels.painting import paint
from pointillist.points.formats.native import NativeCsv
from tests.annotator.conftest import HEIGHT, WIDTH
from tests.annotator.processes import Annotator, annotator

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked at through /proc"),
]

CLASSES = ("class-soil", "class-berry")
MASK = "mask-0001"


def prepare(client: httpx.Client) -> str:
    """Classes, two clicks, and their layer accepted as the mask of the first image; gives its id."""
    image = str(client.get("/api/images").json()["images"][0]["id"])
    ops: list[dict[str, Any]] = [
        {"id": f"make-{c}", "kind": "class-add", "class": c, "name": c.removeprefix("class-")} for c in CLASSES
    ]
    for number, label in enumerate(CLASSES):
        click = {"id": f"op-first-{number}", "kind": "add", "point": f"point-first-{number}", "image": image}
        ops.append({**click, "x": 5 + 20 * number, "y": 5 + 10 * number, "class": label})
    assert client.post("/api/ops", json={"client": "tab-first", "ops": ops}).status_code == 200
    asked = {"client": "tab-first", "request": 1, "quality": "full"}
    layer = client.post(f"/api/images/{image}/layer", json=asked).headers["x-layer-token"]
    op = {"id": "op-mask-01", "kind": "mask", "mask": MASK, "image": image, "layer": layer}
    (result,) = client.post("/api/ops", json={"client": "tab-first", "ops": [op]}).json()["results"]
    assert result["status"] == "done", result
    return image


@dataclass
class Tab:
    """A person who scribbles, erases, paints and takes strokes back; knows what has to be there."""

    name: str
    image: str
    seed: int
    points: set[str] = field(default_factory=set)
    strokes: list[str] = field(default_factory=list)
    went: list[str] = field(default_factory=list)
    sent: dict[str, Any] | None = None
    answered: int = 0
    count: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def operation(self) -> dict[str, Any]:
        """The next one, and what it does to what has to be there."""
        self.count += 1
        op: dict[str, Any] = {"id": f"{self.name}-op-{self.count:05}"}
        near = self._random
        kind = near.choice(("scribble", "scribble", "erase", "stroke", "stroke", "take-back", "bring-back"))
        if kind == "erase" and self.points:
            gone = near.sample(sorted(self.points), min(len(self.points), 7))
            self.points -= set(gone)
            return {**op, "kind": "erase", "points": [{"point": point} for point in gone]}
        if kind == "take-back" and self.strokes:
            self.went.append(self.strokes.pop(near.randrange(len(self.strokes))))
            return {**op, "kind": "take-back", "item": self.went[-1]}
        if kind == "bring-back" and self.went:
            self.strokes.append(self.went.pop())
            return {**op, "kind": "bring-back", "item": self.strokes[-1]}
        if kind == "stroke":
            self.strokes.append(f"{self.name}-s{self.count:05}")
            path = [near.uniform(0, limit) for _ in range(6) for limit in (WIDTH, HEIGHT)]
            label = near.choice((*CLASSES, None))
            more = {"mask": MASK, "class": label, "radius": near.uniform(0.75, 4), "path": path}
            return {**op, "kind": "stroke", "stroke": self.strokes[-1], **more}
        points = [f"{self.name}-p{self.count:05}-{i}" for i in range(near.randint(2, 40))]
        self.points |= set(points)
        places = [
            {"point": point, "x": near.uniform(0, WIDTH - 0.01), "y": near.uniform(0, HEIGHT - 0.01)}
            for point in points
        ]
        return {**op, "kind": "scribble", "image": self.image, "class": near.choice(CLASSES), "points": places}

    def work(self, client: httpx.Client, until: threading.Event) -> None:
        """Send until told to stop, or until the server is gone or its disk is full; then one is unanswered."""
        while not until.is_set():
            self.sent = self.sent or self.operation()
            try:
                answer = client.post("/api/ops", json={"client": self.name, "ops": [self.sent]})
            except httpx.TransportError:
                return
            if answer.status_code == 507:
                return
            assert answer.status_code == 200, answer.text
            (result,) = answer.json()["results"]
            assert result["status"] in ("done", "repeated"), result
            self.answered += 1
            self.sent = None


class Answered(threading.Event):
    """Set as soon as a tab has its answer."""

    def __init__(self, tab: Tab) -> None:
        super().__init__()
        self._tab = tab

    def is_set(self) -> bool:
        return self._tab.sent is None


def at_work(server: Annotator, tabs: list[Tab], seconds: float, *, kill: bool = False) -> None:
    until = threading.Event()
    threads = [threading.Thread(target=tab.work, args=(server.client(), until)) for tab in tabs]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and any(thread.is_alive() for thread in threads):
        time.sleep(0.05)
    if kill:
        server.kill()
    until.set()
    for thread in threads:
        thread.join()


def check(client: httpx.Client, data: Path, tabs: list[Tab]) -> None:
    """All that was answered is there, nothing else, and the files say the same."""
    image = tabs[0].image
    expected = {"point-first-0", "point-first-1"}.union(*(tab.points for tab in tabs))
    points = client.get(f"/api/images/{image}/points").json()["points"]
    assert {point["id"] for point in points} == expected
    for _ in range(600):
        told = client.get(f"/api/images/{image}/mask").json()
        if told["written"]:
            break
        time.sleep(0.1)
    assert told["written"], told["problem"]
    assert {stroke["id"] for stroke in told["strokes"]} == {one for tab in tabs for one in tab.strokes}
    shown = client.get(f"/api/images/{image}/mask/{MASK}").content
    with Image.open(io.BytesIO(shown)) as picture:
        labels = np.array(picture)
    for stroke in told["strokes"]:
        paint(
            labels, stroke["path"], stroke["radius"], 255 if stroke["class"] is None else CLASSES.index(stroke["class"])
        )
    with Image.open(data / "masks" / "i0.png") as picture:
        assert (np.array(picture) == labels).all()


def test_a_killed_server_loses_no_stroke(data: Path) -> None:
    tabs: list[Tab] = []
    for turn in range(3):
        with annotator(data) as server:
            client = server.client()
            if not tabs:
                image = prepare(client)
                tabs = [Tab(f"tab-hand-{number}", image, number) for number in range(3)]
            # Who got no answer sends the same again.
            at_work(server, tabs, 1.5, kill=turn < 2)
            if turn == 2:
                for tab in tabs:
                    if tab.sent is not None:
                        tab.work(server.client(), Answered(tab))
                check(client, data, tabs)
                server.end()
    assert sum(tab.answered for tab in tabs) > 60
    assert len(NativeCsv().read(data / "points.csv")) == 2 + sum(len(tab.points) for tab in tabs)


def test_a_full_disk_loses_no_stroke(data: Path) -> None:
    with annotator(data) as server:
        image = prepare(server.client())
        server.end()
    with annotator(data, file_bytes=700_000) as server:
        tabs = [Tab(f"tab-hand-{number}", image, 10 + number) for number in range(2)]
        at_work(server, tabs, 60)
        assert all(tab.sent is not None for tab in tabs), "the disk was never full"
        server.kill()
    with annotator(data) as server:
        for tab in tabs:
            tab.work(server.client(), Answered(tab))
        check(server.client(), data, tabs)
