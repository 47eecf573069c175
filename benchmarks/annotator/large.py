"""Measure the annotator on images of 400 megapixels, and write `results/large.json`.

    python benchmarks/annotator/large.py                          six GeoTIFFs, one after another, about eight minutes
    python benchmarks/annotator/large.py --side 5000 --out quick.json    a quick look
    python benchmarks/annotator/large.py --only 'striped, lzw'    one of them

Each file is drawn into a temporary folder (up to 3.3 GB), served by the real command, and asked for as the page does:
the project (which starts the engine), the image's thumbnail and the tiles of the whole image, then other tiles, and a
layer after two clicks. `exact_s` is when the coarse levels were made, from the first request. Memory is the most that
each process has had, by VmHWM. The file was just written, so that much of it is in the system's memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.windows import Window
from run import click, machine, prepare, serving
from scipy import ndimage

RESULTS = Path(__file__).parent / "results" / "large.json"
TARGETS = {"memory_megabytes": 2000.0, "first_thumbnail_s": 5.0}
TILED = {"tiled": True, "blockxsize": 512, "blockysize": 512}
KINDS: dict[str, dict[str, Any]] = {
    "tiled, deflate, overviews": {**TILED, "compress": "deflate", "overviews": True},
    "tiled, deflate": {**TILED, "compress": "deflate"},
    "tiled": TILED,
    "striped": {"blockysize": 1},
    "striped, lzw": {"blockysize": 16, "compress": "lzw", "predictor": 2},
    "tiled, deflate, 4 bands of 16 bits": {**TILED, "compress": "deflate", "count": 4, "dtype": "uint16"},
}


def draw(path: Path, side: int, options: dict[str, Any]) -> None:
    """A GeoTIFF with as much detail as an aerial photograph: one patch, many times, brighter and darker."""
    options = {"count": 3, "dtype": "uint8", "interleave": "pixel", "BIGTIFF": "IF_SAFER", **options}
    overviews = options.pop("overviews", False)
    if options.get("compress") == "deflate":
        options["zlevel"] = 1
    rng = np.random.default_rng(0)
    patch = np.stack([ndimage.gaussian_filter(rng.standard_normal((1024, 1024)), 1.5) for _ in range(options["count"])])
    top = 255 if options["dtype"] == "uint8" else 10_000
    shape = {"driver": "GTiff", "width": side, "height": side, "transform": rasterio.Affine.scale(0.2)}
    places = rng.uniform(0.2, 0.8, (-(-side // 1024), -(-side // 1024)))
    with rasterio.open(path, "w", **shape, **options) as file:
        for row, values in enumerate(places):
            height = min(1024, side - row * 1024)
            band = np.concatenate([patch * 0.1 + value for value in values], axis=2)[:, :height, :side]
            file.write((band.clip(0, 1) * top).astype(options["dtype"]), window=Window(0, row * 1024, side, height))
    if overviews:
        with rasterio.open(path, "r+") as file:
            file.build_overviews([2, 4, 8, 16, 32], Resampling.average)


def measure(side: int, options: dict[str, Any]) -> dict[str, Any]:
    """Open one file, look at it, click on it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data", "images", "large.tif")
        path.parent.mkdir(parents=True)
        os.environ["XDG_CACHE_HOME"] = str(Path(folder, "cache"))
        draw(path, side, options)
        found: dict[str, Any] = {"file_megabytes": round(path.stat().st_size / 1e6, 1), "load": os.getloadavg()[0]}
        with serving(Path(folder, "data")) as server, server.client() as client:
            client.timeout = httpx.Timeout(600)
            client.get("/api/project").raise_for_status()
            (entry,) = client.get("/api/images").json()["images"]
            address = f"/api/images/{entry['id']}"
            begin = time.perf_counter()
            exact = "x-picture" not in client.get(f"{address}/thumbnail").raise_for_status().headers
            found["first_thumbnail_s"] = round(time.perf_counter() - begin, 2)
            about = client.get(address).raise_for_status().json()
            levels = about["levels"]
            whole = next(level for level in levels if max(level["width"], level["height"]) <= 1600)
            timed(client, address, whole["level"], [(0, 0)])
            found["first_tile_s"] = round(time.perf_counter() - begin, 2)
            (image,) = prepare(client)
            rng = np.random.default_rng(0)
            for turn in range(2):
                x, y = rng.uniform(0, side, 2)
                client.post("/api/ops", json=click(turn, "tab-no-1", image, x, y, turn)).raise_for_status()
            for level in levels[: min(4, whole["level"])]:
                tiles = [(int(rng.integers(level["columns"])), int(rng.integers(level["rows"]))) for _ in range(12)]
                found[f"tile_level_{level['level']}_ms"] = timed(client, address, level["level"], tiles)
            while not exact:
                time.sleep(0.25)
                exact = "x-picture" not in client.get(f"{address}/thumbnail").raise_for_status().headers
            found["exact_s"] = round(time.perf_counter() - begin, 2)
            for quality in ("fast", "full"):
                began = time.perf_counter()
                request = {"client": "tab-no-1", "request": 1, "quality": quality}
                client.post(f"{address}/layer", json=request).raise_for_status()
                found[f"{quality}_layer_s"] = round(time.perf_counter() - began, 2)
            found["peak_megabytes"] = server.memory()
            cache = Path(os.environ["XDG_CACHE_HOME"])
            found["cache_megabytes"] = round(sum(f.stat().st_size for f in cache.rglob("*") if f.is_file()) / 1e6, 1)
    return found


def timed(client: httpx.Client, address: str, level: int, tiles: list[tuple[int, int]]) -> float:
    """Median milliseconds of some tiles, one after another."""
    times = []
    for column, row in tiles:
        begin = time.perf_counter()
        client.get(f"{address}/tiles/{level}/{column}/{row}").raise_for_status()
        times.append(time.perf_counter() - begin)
    return round(statistics.median(times) * 1000, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    content: dict[str, Any] = json.loads(chosen.out.read_text()) if chosen.out.is_file() else {}
    content |= {"targets": TARGETS, "machine": machine(), "megapixels": chosen.side**2 / 1e6}
    for name, options in KINDS.items():
        if chosen.only in (None, name):
            content[name] = measure(chosen.side, dict(options))
            print(name, json.dumps(content[name], indent=1), flush=True)
            chosen.out.parent.mkdir(exist_ok=True)
            chosen.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
