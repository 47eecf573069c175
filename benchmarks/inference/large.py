"""Measure memory and time of a prediction by the size of a GeoTIFF, and write `results/large.json`.

    python benchmarks/inference/large.py                          10,000, 20,000 and 40,000 pixels a side
    python benchmarks/inference/large.py --sides 2000 4000 --scales 0.25

Each size and scale runs in a process of its own, with one thread. Images are drawn in a temporary folder: three bands
of 8 bits, tiles of 256×256, deflated; one of 40,000×40,000 takes a few GB there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from common import peak_megabytes, save, trained
from rasterio.windows import Window
from scipy import ndimage

from pointillist.inference.batch import predict_files
from pointillist.inference.predictor import Predictor

BLOCK = 1000


def draw(path: Path, side: int) -> None:
    """A GeoTIFF of ground with grain, ten centimetres a pixel."""
    rng = np.random.default_rng(0)
    ground = ndimage.gaussian_filter(rng.standard_normal((BLOCK, BLOCK)), 20, mode="wrap") > 0
    grain = ndimage.gaussian_filter(rng.standard_normal((3, BLOCK, BLOCK)), (0, 1, 1), mode="wrap") * 60
    pixels = np.clip(110 + 40 * ground + grain, 0, 255).astype(np.uint8)
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "photometric": "RGB"}
    profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "bigtiff": "if_safer"}
    place = {"crs": "EPSG:32632", "transform": rasterio.transform.from_origin(500_000, 5_300_000, 0.1, 0.1)}
    with rasterio.open(path, "w", **profile, **place) as file:
        for top in range(0, side, BLOCK):
            for left in range(0, side, BLOCK):
                height, width = min(BLOCK, side - top), min(BLOCK, side - left)
                file.write(pixels[:, :height, :width], window=Window(left, top, width, height))


def probe(run: str, image: str, scale: str, write: str, out: str) -> None:
    """One prediction; prints what it took."""
    predictor = Predictor(run, "cpu")
    predictor.take(scale=float(scale))
    begun, cpu = time.perf_counter(), time.process_time()
    predict_files(predictor, [Path(image)], Path(out), write=write.split(","))
    found = {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({key: round(value, 1) for key, value in found.items()} | {"peak_mb": round(peak_megabytes())}))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[10_000, 20_000, 40_000])
    parser.add_argument("--scales", type=float, nargs="+", default=[0.25, 1.0])
    parser.add_argument("--write", default="geotiff,geotiff-confidence")
    parser.add_argument("--probe", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.probe:
        probe(*arguments.probe)
        return
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run = trained(folder)
        for side in arguments.sides:
            image = folder / f"{side}.tif"
            draw(image, side)
            for scale in arguments.scales:
                command = [
                    sys.executable,
                    __file__,
                    "--probe",
                    run,
                    image,
                    scale,
                    arguments.write,
                    folder / f"{side}-{scale}",
                ]
                environment = {"OMP_NUM_THREADS": "1", "PATH": "", "TMPDIR": temporary}
                done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True, env=environment)
                rows.append({"side": side, "scale": scale, **json.loads(done.stdout.splitlines()[-1])})
                rows[-1]["cpu_s_per_megapixel"] = round(rows[-1]["cpu_seconds"] / (side / 1000) ** 2, 3)
                print(rows[-1], flush=True)
                save("large", {"write": arguments.write, "rows": rows})
            image.unlink()


if __name__ == "__main__":
    main()
