"""Measure the memory of a prediction as it goes on, and write `results/many.json`.

    python benchmarks/inference/many.py                   100,000 images
    python benchmarks/inference/many.py --images 5000     fewer

All images are one small photograph under many names.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import save, trained
from PIL import Image

from pointillist.inference.batch import predict_files
from pointillist.inference.predictor import Predictor


def memory() -> float:
    """Megabytes of this process now, of Linux's own count."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1e3 if found else float("nan")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    images = parser.parse_args().images
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        predictor = Predictor(trained(folder), "cpu")
        photos = folder / "photos"
        for number in range(images):
            path = photos / f"{number // 1000:03}" / f"{number:06}.jpg"
            if number % 1000 == 0:
                path.parent.mkdir(parents=True)
                values = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
                Image.fromarray(values).save(path)
                first = path
            else:
                path.hardlink_to(first)
        before, begun, done = memory(), time.perf_counter(), 0

        def count(_: str) -> None:
            nonlocal done
            done += 1
            if done % max(1, images // 20) == 0:
                rows.append(
                    {"images": done, "megabytes": round(memory()), "seconds": round(time.perf_counter() - begun)}
                )
                print(rows[-1], flush=True)

        predict_files(predictor, [photos], folder / "out", write=["png"], on_image=count)
        manifest = (folder / "out" / "manifest.jsonl").stat().st_size
    growth = (rows[-1]["megabytes"] - rows[0]["megabytes"]) / (rows[-1]["images"] - rows[0]["images"]) * 1e6
    save(
        "many",
        {
            "megabytes_before": round(before),
            "bytes_per_image": round(growth),
            "manifest_mb": manifest / 1e6,
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
