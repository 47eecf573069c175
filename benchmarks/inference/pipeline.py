"""Measure the whole of a prediction against the network alone, and write `results/pipeline.json`.

    python benchmarks/inference/pipeline.py                  2,000 photographs of 640×480
    python benchmarks/inference/pipeline.py --images 200     fewer

The network alone runs on random pixels in the batches that the prediction uses. Whole and network alternate in one
process. Beside time on all cores, processor time per image tells what of it is the network: where reading, resizing and
writing need the same cores as the network, the whole can't be as fast as the network alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does, before torch comes

import numpy as np
from common import save, trained
from PIL import Image

from pointillist.inference import pipeline
from pointillist.inference.batch import predict_files
from pointillist.inference.predictor import Predictor

SIZE = (480, 640)
SEEN = 320
"""√(height × width) at which the network sees an image: what windows of 256×256 are learnt at."""


def photographs(folder: Path, count: int) -> Path:
    """JPEGs with noise, of some 80 kB each."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        ground = Image.fromarray(rng.integers(0, 256, (15, 20, 3), dtype=np.uint8)).resize(SIZE[::-1])
        values = np.asarray(ground) + rng.normal(0, 6, (*SIZE, 3))
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(folder / f"{number:05}.jpg", quality=90)
    return folder


def timed(call: Callable[[], object], images: int) -> dict[str, float]:
    """Images a second, and milliseconds of processor time an image."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"images_per_second": images / wall, "cpu_ms_per_image": 1000 * cpu / images}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        predictor = Predictor(trained(folder), "cpu")
        predictor.take(scale=SEEN / (SIZE[0] * SIZE[1]) ** 0.5)
        photos = photographs(folder / "photos", arguments.images)
        seen = predictor.spec.scale.size_of(SIZE)
        together = -(-pipeline.TOGETHER // (seen[0] * seen[1]))
        windows = np.random.default_rng(0).random((together, 3, *seen), np.float32)
        batches = max(1, arguments.images // together)

        def network() -> None:
            for _ in range(batches):
                predictor.engine.run(windows)

        calls: dict[str, tuple[Callable[[], object], int]] = {"network alone": (network, batches * together)}
        for write in ("png", "png,overlay"):
            calls[write] = (
                lambda write=write: predict_files(predictor, [photos], folder / "out", write=write.split(",")),
                arguments.images,
            )
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in calls}
        for turn in range(arguments.rounds + 1):
            for name, (call, images) in calls.items():
                row = timed(call, images)
                if turn:  # the first warms up
                    rows[name].append(row)
    content: dict[str, Any] = {"images": arguments.images, "size": SIZE, "seen": seen, "batch": together}
    for name in calls:
        median = {key: statistics.median(row[key] for row in rows[name]) for key in rows[name][0]}
        speeds = zip(rows[name], rows["network alone"], strict=True)
        ratio = statistics.median(a["images_per_second"] / b["images_per_second"] for a, b in speeds)
        content[name] = {key: round(value, 2) for key, value in median.items()} | {"of_network_alone": round(ratio, 3)}
    save("pipeline", content)


if __name__ == "__main__":
    main()
