"""Eight tabs at work on one server for half an hour: its memory, open files and threads must not grow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from tests.annotator.beside import SIZE, Beside
from tests.annotator.conftest import write_images
from tests.annotator.kills import Tab, at_work, csv_rows, points_of, prepare
from tests.annotator.processes import Annotator, annotator

TABS, CLICKS_A_SECOND, MOST_POINTS = 8, 50, 200
GROWTH = 1.1
"""Times what it was after a tenth of the time, that memory may be at the end."""


def look(client: httpx.Client, images: list[str], number: int, seq: int) -> int:
    """What a page asks for while somebody works; gives the number of the last change."""
    image = images[number % len(images)]
    for path in ("/api/project", "/api/images", f"/api/images/{image}/points", f"/api/images/{image}/thumbnail"):
        assert client.get(path).status_code == 200
    changes = client.get("/api/changes", params={"after": seq}).json()["changes"]
    return changes[-1]["seq"] if changes else seq


def click(tab: Tab, client: httpx.Client, milliseconds: list[float], until: threading.Event) -> None:
    """One tab: a batch of operations at a time, at its share of the pace; it looks around after every tenth."""
    began, batches, seq = time.monotonic(), 0, 0
    while not until.is_set():
        ops = tab.batch()
        asked = time.perf_counter()
        answer = client.post("/api/ops", json={"client": tab.name, "ops": ops})
        milliseconds.append(1000 * (time.perf_counter() - asked))
        assert {result["status"] for result in answer.json()["results"]} == {"done"}, answer.text
        tab.answered += len(ops)
        batches += 1
        if batches % 10 == 0:
            seq = look(client, tab.images, batches // 10, seq)
        until.wait(max(0.0, began + tab.answered * TABS / CLICKS_A_SECOND - time.monotonic()))


def others(beside: Beside, client: httpx.Client, until: threading.Event) -> None:
    """Every few seconds a class that is merged into another; label files are taken in until a few thousand points."""
    while not until.wait(5):
        pause = threading.Event()
        threading.Timer(0.01, pause.set).start()
        beside.work("import" if len(beside.states[-1]) < 2_000 else "merge", client, pause)


def held(server: Annotator) -> dict[str, int]:
    """What the process has now: kilobytes of memory, open files, threads."""
    process = Path("/proc") / str(server.process.pid)
    return {
        "kilobytes": server.memory("VmRSS") // 1024,
        "files": len(list((process / "fd").iterdir())),
        "threads": len(list((process / "task").iterdir())),
    }


def soak(data: Path, seconds: float, seed: int) -> dict[str, Any]:
    """Let eight tabs work on a server, and look at what it holds.

    Args:
        data: An empty folder.
        seconds: How long.
        seed: Of the clicks.

    Returns:
        `operations`, `p50_ms` and `p99_ms` of the answers to a batch of 1 to 5; `begin` (after a tenth of the time),
        `end` and `most` of what it held; `failures`.
    """
    write_images(data / "images", size=SIZE)
    failures, milliseconds, seen = [], list[float](), list[dict[str, int]]()
    with annotator(data) as server, ExitStack() as clients:
        first = clients.enter_context(server.client())
        images = prepare(first)
        names = {entry["id"]: entry["name"] for entry in first.get("/api/images").json()["images"]}
        tabs = [Tab(f"tab-no-{n}", images, seed + n, most=MOST_POINTS) for n in range(TABS)]
        beside = Beside(names, seed)
        beside.begin(first)
        jobs: list[Callable[[threading.Event], None]] = [
            partial(click, tab, clients.enter_context(server.client()), milliseconds) for tab in tabs
        ]
        jobs.append(partial(others, beside, clients.enter_context(server.client())))
        with at_work(jobs, seconds / 10):
            ends = time.monotonic() + 0.9 * seconds
            while not seen or time.monotonic() < ends:
                seen.append(held(server))
                time.sleep(min(5.0, seconds / 50))
        found = points_of(first, images)
        server.end()
    expected = {point: place for tab in tabs for point, place in tab.points.items()}
    if {point: place for point, place in found.items() if point.startswith("tab-no-")} != expected:
        failures.append("points are lost, or there twice")
    if csv_rows(data) != sorted((names[image], x, y, label) for image, x, y, label in found.values()):
        failures.append("points.csv is not what the store has")
    begin, end = seen[0], seen[-1]
    failures += [f"{what} grew" for what in begin if end[what] > GROWTH * begin[what] + 2]
    return {
        "seconds": round(seconds),
        "tabs": TABS,
        "operations": sum(tab.answered for tab in tabs),
        "points_beside": len(beside.states[-1]),
        "p50_ms": round(float(np.percentile(milliseconds, 50)), 1),
        "p99_ms": round(float(np.percentile(milliseconds, 99)), 1),
        "begin": begin,
        "end": end,
        "most": {what: max(one[what] for one in seen) for what in begin},
        "failures": failures,
    }
