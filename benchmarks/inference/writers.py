"""Measure what writing a large prediction costs, and write `results/writers.json`.

    python benchmarks/inference/writers.py                  all outputs for GIS, 20,000×20,000 pixels
    python benchmarks/inference/writers.py --side 5000 --only geojson,cog

Labels and maps lie in files, as those of large images do. Each writer has a process of its own: seconds, and peak
memory beyond what was resident before (the pages of the maps that are looked at count). The map is noise of some size,
with specks of single pixels.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RESULTS = Path(__file__).parent / "results" / "writers.json"
CLASSES, BLOB, SPECKS, ROWS = 5, 60, 2e-5, 500
GIS = ("geotiff", "cog", "geotiff-confidence", "geotiff-uncertainty", "geojson", "geopackage", "flatgeobuf")


def draw(folder: Path, side: int) -> None:
    """`labels` (uint8), `confidence` and `uncertainty` (float16), side×side."""
    rng = np.random.default_rng(0)
    coarse = [Image.fromarray(rng.random((side // BLOB + 2,) * 2, np.float32)) for _ in range(CLASSES)]
    with (folder / "labels").open("wb") as labels, (folder / "confidence").open("wb") as values:
        for top in range(0, side, ROWS):
            rows = min(ROWS, side - top)
            box = (0.0, top / BLOB, side / BLOB, (top + rows) / BLOB)
            fields = np.stack([np.asarray(one.resize((side, rows), Image.Resampling.BICUBIC, box)) for one in coarse])
            best = fields.argmax(0).astype(np.uint8)
            specks = rng.random(best.shape, np.float32) < SPECKS
            best[specks] = rng.integers(0, CLASSES, int(specks.sum()))
            best.tofile(labels)
            fields.max(0).clip(0, 1).astype(np.float16).tofile(values)
    (folder / "uncertainty").hardlink_to(folder / "confidence")


def no_picture(top: int, bottom: int) -> NDArray[np.uint8]:
    raise NotImplementedError


def resident(field: str) -> float:
    """Megabytes of this process."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1e3 if found else float("nan")


def measure(name: str, folder: Path, side: int) -> dict[str, Any]:
    """One writer, in this process."""
    from rasterio.crs import CRS

    from pointillist.classes import ClassSet
    from pointillist.data.places import Place
    from pointillist.inference.prediction import Prediction
    from pointillist.inference.writers import get_writer
    from pointillist.inference.writers.base import Result

    def result(side: int) -> Result:
        maps = {
            key: np.memmap(folder / key, np.uint8 if key == "labels" else np.float16, "r", shape=(side, side))
            for key in ("labels", "confidence", "uncertainty")
        }
        place = Place(CRS.from_epsg(32632).to_wkt(), (0.2, 0.0, 600000.0, 0.0, -0.2, 5300000.0))
        classes = ClassSet.create([f"class {index}" for index in range(CLASSES)])
        return Result("map.tif", Prediction(**maps), classes, place, no_picture)

    writer = get_writer(name)
    writer.write(result(64), folder / f"first{writer.suffix}")  # loads libraries
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
    before, begun = resident("VmRSS"), time.perf_counter()
    file = folder / f"map{writer.suffix}"
    writer.write(result(side), file)
    row: dict[str, Any] = {
        "writer": name,
        "seconds": round(time.perf_counter() - begun, 1),
        "peak_megabytes": round(resident("VmHWM") - before),
        "file_megabytes": round(file.stat().st_size / 1e6, 1),
    }
    if writer.suffix in (".geojson", ".gpkg", ".fgb"):
        from pyogrio import read_info

        row["polygons"] = read_info(file)["features"]
    return row


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--only", default=",".join(GIS))
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.only, arguments.one, arguments.side)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), arguments.side)
        for name in arguments.only.split(","):
            command = [sys.executable, __file__, "--one", folder, "--only", name, "--side", str(arguments.side)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(rows[-1], flush=True)
    content = {
        "what": "writing a prediction of side×side pixels from files; one process each; megabytes beyond those before",
        "side": arguments.side,
        "machine": {
            "processor": platform.machine(),
            "processors": os.cpu_count(),
            "system": platform.system(),
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "rasterio", "shapely", "pyogrio", "pyproj")},
        },
        "rows": rows,
    }
    if arguments.only == ",".join(GIS):
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
