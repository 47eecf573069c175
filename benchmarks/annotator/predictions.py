"""Measure predictions of the annotator, and write `results/predictions.json`.

    python benchmarks/annotator/predictions.py            60 drawn images of a megapixel, and the usual network
    python benchmarks/annotator/predictions.py FOLDER     a folder that has a model

The image on show, the gallery, memory, and the whole folder beside the command line.

An image's time runs from the request to the last byte, as the page asks: the first one right after the server has
started, others with the model loaded, and again from the cache. The cache of predictions is removed before.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parent))
from drawn import USUAL, draw_folder
from run import serving

RESULTS = Path(__file__).parent / "results" / "predictions.json"
IMAGES = 12


def timed(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def on_show(client: httpx.Client) -> dict[str, Any]:
    """Milliseconds of predictions of opened images."""

    def ask(image: str) -> None:
        answer = client.post(f"/api/images/{image}/prediction", json={"client": "tab-one-0"})
        assert answer.status_code == 200, answer.text

    client.get("/api/project")  # the page opens: the engine starts, and loads the model
    images = [entry["id"] for entry in client.get("/api/images", params={"limit": IMAGES}).json()["images"]]
    about = client.get(f"/api/images/{images[0]}").json()
    cold = timed(lambda: ask(images[0]))
    opened = [timed(lambda image=image: ask(image)) for image in images[1:]]
    again = [timed(lambda image=image: ask(image)) for image in images]
    return {
        "megapixels": round(about["width"] * about["height"] / 1e6, 2),
        "first_after_start_ms": round(cold),
        "model_loaded_median_ms": round(statistics.median(opened)),
        "model_loaded_most_ms": round(max(opened)),
        "cached_median_ms": round(statistics.median(again)),
    }


def gallery(client: httpx.Client) -> dict[str, Any]:
    """Milliseconds of a page of the gallery, in each order."""
    found: dict[str, Any] = {"images": client.get("/api/predictions").json()["total"]}
    for by in ("name", "uncertainty", "against"):
        found[f"{by}_ms"] = round(timed(lambda by=by: client.get("/api/predictions", params={"by": by})), 1)
    return found


def applied(client: httpx.Client, folder: Path) -> dict[str, Any]:
    """Images a second, start and all, here and on the command line."""
    begun = time.perf_counter()
    client.post("/api/applying/start", json={"write": ["png", "overlay"]}).raise_for_status()
    while (status := client.get("/api/applying").json())["state"] == "running":
        time.sleep(0.1)
    assert status["state"] == "done", status
    here = status["total"] / (time.perf_counter() - begun)
    run = folder / ".pointillist" / "runs" / status["run"]
    images = folder / "images" if (folder / "images").is_dir() else folder
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "pointillist", "predict", str(run), str(images), "--out", f"{out}/out"]
        begun = time.perf_counter()
        subprocess.run([*command, "--write", "png,overlay", "--quiet"], check=True)
        there = status["total"] / (time.perf_counter() - begun)
    shutil.rmtree(folder / status["folder"])
    rates = {"annotator_images_per_s": here, "command_line_images_per_s": there, "ratio": here / there}
    return {name: round(rate, 2) for name, rate in rates.items()}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    found: dict[str, Any] = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory() as home:
        folder = given.folder or draw_folder(Path(home) / "village", 60, 7, **USUAL)
        shutil.rmtree(folder / ".pointillist" / "cache" / "predictions", ignore_errors=True)
        with serving(folder) as server, server.client() as client:
            found["image_on_show"] = on_show(client)
            found["gallery"] = gallery(client)
            found["memory_megabytes"] = {name: round(value) for name, value in server.memory().items()}
            # The gallery goes on with the images that it has not yet.
            found["folder_beside_the_gallery"] = applied(client, folder)
        shutil.rmtree(folder / ".pointillist" / "cache" / "predictions", ignore_errors=True)
        with serving(folder) as server, server.client() as client:
            found["folder"] = applied(client, folder)
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
