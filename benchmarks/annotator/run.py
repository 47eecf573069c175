"""Measure the annotator on the real command in a process of its own, and write `results/annotator.json`.

    python benchmarks/annotator/run.py                  everything, about three minutes
    python benchmarks/annotator/run.py --only clicks    50 clicks a second from 8 clients for a minute
    python benchmarks/annotator/run.py --only open      a folder of 20,000 images
    python benchmarks/annotator/run.py --only layer     from a click to its first layer
    python benchmarks/annotator/run.py --seconds 5 --images 500 --out quick.json    a quick look

A click's latency runs to the answer, which is given when it is on the disk. Clients send at fixed times, and a late
answer counts from the time its click was due, so that a server that stands still is seen. Memory is the most that the
process has had, libraries included; the engine, which computes the layers, is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from scipy import ndimage

RESULTS = Path(__file__).parent / "results" / "annotator.json"
CLIENTS, RATE = 8, 50.0
TARGETS = {"clicks_p99_ms": 100.0, "open_s": 3.0, "memory_megabytes": 1000.0, "first_layer_ms": 200.0}


class Server:
    """`pointillist annotate` and the address of its page."""

    def __init__(self, data: Path) -> None:
        self.started = time.perf_counter()
        command = [sys.executable, "-m", "pointillist", "annotate", str(data), "--no-browser", "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found = re.search(r"(http://127\.0\.0\.1:\d+)/\?token=(\S+)", line)
            if found:
                self.url, self.token = found[1], found[2]
                return
        raise SystemExit("the annotator did not start")

    def client(self) -> httpx.Client:
        headers = {"x-pointillist": "1", "authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def memory(self) -> dict[str, float]:
        """Megabytes of the server and of its engine: most so far, and what the engine has of its own now.

        Most so far counts the pages of libraries, which all processes share and the system drops when it needs room.
        """
        found = {"server": _memory(self.process.pid, "VmHWM")}
        for child in _children(self.process.pid):
            for name, field in (("engine", "VmHWM"), ("engine_own", "RssAnon")):
                found[name] = max(found.get(name, 0.0), _memory(child, field))
        return found


@contextmanager
def serving(data: Path) -> Iterator[Server]:
    server = Server(data)
    try:
        yield server
    finally:
        server.process.send_signal(signal.SIGINT)
        server.process.communicate()


def _memory(pid: int, field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return round(int(found[1]) * 1024 / 1e6, 1) if found else 0.0


def _children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == pid:
                found.append(int(entry.name))
    return found


def draw(folder: Path, count: int, height: int, width: int) -> None:
    """Pictures with as much detail as photographs; a few different ones, written often."""
    (folder / "images").mkdir(parents=True)
    kinds = []
    for index in range(min(count, 8)):
        rng = np.random.default_rng(index)
        coarse = ndimage.gaussian_filter(rng.standard_normal((height, width, 3)), (12, 12, 0)) * 12
        fine = ndimage.gaussian_filter(rng.standard_normal((height, width, 3)), (1, 1, 0))
        pixels = np.clip((coarse + 0.3 * fine) * 50 + 128, 0, 255).astype(np.uint8)
        file = folder / f"kind{index}.jpg"
        Image.fromarray(pixels).save(file, quality=90)
        kinds.append(file.read_bytes())
        file.unlink()
    for index in range(count):
        (folder / "images" / f"{index:06}.jpg").write_bytes(kinds[index % len(kinds)])


def prepare(client: httpx.Client, classes: int = 3) -> list[str]:
    names = [f"class{number}" for number in range(classes)]
    ops = [{"id": f"make-{n}", "kind": "class-add", "class": f"class-{n}", "name": n} for n in names]
    client.post("/api/ops", json={"client": "tab-first", "ops": ops}).raise_for_status()
    return [entry["id"] for entry in client.get("/api/images").json()["images"]]


def click(number: int, who: str, image: str, x: float, y: float, label: int) -> dict[str, Any]:
    point = f"{who}-point-{number}"
    place = {"image": image, "x": x, "y": y, "class": f"class-class{label}"}
    return {"client": who, "ops": [{"id": f"{who}-op-{number}", "kind": "add", "point": point, **place}]}


def clicks(seconds: float) -> dict[str, Any]:
    """Latency of clicks under the asked load."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        draw(data, 16, 480, 640)
        with serving(data) as server:
            with server.client() as client:
                images = prepare(client)
            latencies: list[float] = []
            guard = threading.Lock()
            begin = time.perf_counter() + 0.5

            def person(number: int) -> None:
                rng = np.random.default_rng(number)
                own = []
                with server.client() as client:
                    for turn in range(int(seconds * RATE / CLIENTS)):
                        due = begin + (turn + number / CLIENTS) * CLIENTS / RATE
                        time.sleep(max(0.0, due - time.perf_counter()))
                        image = images[int(rng.integers(len(images)))]
                        x, y = rng.uniform(0, 640), rng.uniform(0, 480)
                        body = click(turn, f"tab-no-{number}", image, x, y, turn % 3)
                        client.post("/api/ops", json=body).raise_for_status()
                        own.append(time.perf_counter() - due)
                with guard:
                    latencies.extend(own)

            people = [threading.Thread(target=person, args=(number,)) for number in range(CLIENTS)]
            for thread in people:
                thread.start()
            for thread in people:
                thread.join()
            took = time.perf_counter() - begin
            with server.client() as client:
                points = client.get("/api/project").json()["images"]["points"]
            memory = server.memory()["server"]
    if points != len(latencies):
        raise SystemExit(f"{len(latencies)} clicks were acknowledged, {points} are there")
    milliseconds = np.array(latencies) * 1000
    return {
        "clients": CLIENTS,
        "clicks": len(latencies),
        "per_second": round(len(latencies) / took, 1),
        "p50_ms": round(float(np.percentile(milliseconds, 50)), 2),
        "p99_ms": round(float(np.percentile(milliseconds, 99)), 2),
        "max_ms": round(float(milliseconds.max()), 2),
        "server_megabytes": memory,
    }


def opening(count: int, rounds: int = 3) -> dict[str, Any]:
    """From the command to the data of the page: project, first images, first thumbnail."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        draw(data, count, 480, 640)
        times, thumbnails = [], []
        for _ in range(rounds):
            with serving(data) as server, server.client() as client:
                total = client.get("/api/project").json()["images"]["total"]
                listed = client.get("/api/images").json()["images"]
                times.append(time.perf_counter() - server.started)
                client.get(f"/api/images/{listed[0]['id']}/thumbnail").raise_for_status()
                thumbnails.append(time.perf_counter() - server.started)
                for start in range(0, count, max(1, count // 20)):
                    query = {"offset": start, "limit": 200, "order": "next"}
                    client.get("/api/images", params=query).raise_for_status()
                memory = server.memory()
                if total != count:
                    raise SystemExit(f"{count} images were drawn, {total} are there")
    return {
        "images": count,
        "open_s": round(statistics.median(times), 2),
        "first_thumbnail_s": round(statistics.median(thumbnails), 2),
        "rounds_s": [round(value, 2) for value in times],
        "server_megabytes": memory["server"],
    }


def layer(rounds: int = 15) -> dict[str, Any]:
    """From a click to its first layer and to its full one, on a photograph of 12 and on one of 0.3 megapixels."""
    found: dict[str, Any] = {}
    for name, height, width in (("0.3 megapixels", 480, 640), ("12 megapixels", 3000, 4000)):
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder, "data")
            draw(data, 1, height, width)
            with serving(data) as server, server.client() as client:
                (image,) = prepare(client)
                client.get(f"/api/images/{image}/tiles/0/0/0").raise_for_status()
                rng = np.random.default_rng(0)
                first, full = [], []
                for turn in range(rounds + 2):
                    x, y = rng.uniform(0, width), rng.uniform(0, height)
                    begin = time.perf_counter()
                    body = click(turn, "tab-no-1", image, x, y, turn % 3)
                    client.post("/api/ops", json=body).raise_for_status()
                    for quality, times in (("fast", first), ("full", full)):
                        if quality == "full" and turn % 5:
                            continue
                        request = {"client": "tab-no-1", "request": turn, "quality": quality}
                        answer = client.post(f"/api/images/{image}/layer", json=request)
                        answer.raise_for_status()
                        times.append(time.perf_counter() - begin)
                        size = f"{answer.headers['x-layer-width']}x{answer.headers['x-layer-height']}"
                        found.setdefault(name, {})[f"{quality}_size"] = size
                # The first two wait for the engine to start.
                found[name] |= {
                    "first_layer_ms": round(statistics.median(first[2:]) * 1000, 1),
                    "first_layer_max_ms": round(max(first[2:]) * 1000, 1),
                    "full_layer_s": round(statistics.median(full[1:]), 2),
                    "from_start_s": round(first[0], 2),
                    "megabytes": server.memory(),
                }
    return found


def machine() -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    return {
        "processor": model[1] if model else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        "load_before": load,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("clicks", "open", "layer"))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    content: dict[str, Any] = json.loads(chosen.out.read_text()) if chosen.out.is_file() else {}
    content["targets"] = TARGETS
    parts = {"clicks": lambda: clicks(chosen.seconds), "open": lambda: opening(chosen.images), "layer": layer}
    for name, part in parts.items():
        if chosen.only in (None, name):
            before = machine()
            content[name] = {"machine": before, **part()}
            print(name, json.dumps(content[name], indent=1))
    chosen.out.parent.mkdir(exist_ok=True)
    chosen.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
