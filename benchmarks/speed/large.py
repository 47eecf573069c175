"""Measure what the size of an image costs a training, and write `results/large.json`.

    python benchmarks/speed/large.py               GeoTIFFs of 0.07, 1, 16 and 400 megapixels, each with 300 clicks
    python benchmarks/speed/large.py --steps 200   shorter

One image is a data set. Each size is trained in a process of its own: peak memory, and processor time per step, which
other work on the machine does not change. The images are drawn in a temporary folder: tiles of 256×256, deflated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import measure
import numpy as np
import rasterio
import yaml
from rasterio.windows import Window
from scipy import ndimage

RESULTS = Path(__file__).parent / "results" / "large.json"
SIDES, BLOCK, CLICKS, TARGET = (256, 1024, 4096, 20_000), 1000, 300, 1.3

PROBE = """
import json, pathlib, re, sys, time
import torch
from pointillist.api import load
from pointillist.training.config import make_config
from pointillist.training.run import fit
root, out, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
settings = {"trainer.steps": steps, "trainer.device": "cpu", "trainer.threads": 1, "data.size": "native",
            "data.window": "128x128", "trainer.validations": 0}
data = load(root)
fit(make_config(None, {**settings, "trainer.steps": 2}), data, out + "-first")
begun = time.process_time()
fit(make_config(None, settings), data, out)
done = time.process_time()
status = pathlib.Path("/proc/self/status").read_text()
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) / 1e3
print(json.dumps({"cpu_ms_per_step": round(1000 * (done - begun) / steps, 1), "peak_megabytes": round(peak)}))
"""


def draw(root: Path, side: int) -> None:
    """A data set of one GeoTIFF with two classes of ground and clicks on both."""
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    ground = ndimage.gaussian_filter(rng.standard_normal((BLOCK, BLOCK)), 20, mode="wrap") > 0
    grain = ndimage.gaussian_filter(rng.standard_normal((3, BLOCK, BLOCK)), (0, 1, 1), mode="wrap") * 60
    pixels = np.clip(110 + 40 * ground + grain, 0, 255).astype(np.uint8)
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "photometric": "RGB"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(
            root / "images/tile.tif", "w", **profile, tiled=True, blockxsize=256, blockysize=256, compress="deflate"
        ) as file:
            for top in range(0, side, BLOCK):
                for left in range(0, side, BLOCK):
                    height, width = min(BLOCK, side - top), min(BLOCK, side - left)
                    file.write(pixels[:, :height, :width], window=Window(left, top, width, height))
    places = rng.integers(0, side, (CLICKS, 2))
    names = ["low", "high"]
    rows = [f"tile.tif,{x + 0.5},{y + 0.5},{names[int(ground[y % BLOCK, x % BLOCK])]}" for x, y in places.tolist()]
    (root / "points.csv").write_text("image,x,y,class\n" + "\n".join(rows) + "\n")
    (root / "dataset.yaml").write_text(yaml.safe_dump({"classes": names}))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for side in SIDES:
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder) / "data", side)
            command = [sys.executable, "-c", PROBE, f"{folder}/data", f"{folder}/run", str(arguments.steps)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append({"megapixels": round(side * side / 1e6, 2), **json.loads(done.stdout.splitlines()[-1])})
        print(rows[-1], flush=True)
    for key in ("cpu_ms_per_step", "peak_megabytes"):
        rows[-1][f"{key}_times_least"] = round(rows[-1][key] / min(row[key] for row in rows), 2)
    content = {
        "what": "training on one GeoTIFF with 300 clicks, windows of 128×128, batches of 4",
        "target": TARGET,
        "steps": arguments.steps,
        "machine": measure.machine(),
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
