"""Measure how fast data sets open and load, and write `results/loading.json`.

    python benchmarks/speed/loading.py                    both parts, about two minutes on two cores
    python benchmarks/speed/loading.py --only open        a folder of 100,000 images
    python benchmarks/speed/loading.py --only loader      the loader against the training of the default network

The images are drawn for the purpose: photographs' worth of detail at 640×480, as JPEG. Training and loading are
measured one after the other, so that each has the machine for itself, in alternating rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import measure
import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch.nn import functional as F
from torch.utils.data import DataLoader

from pointillist.classes import ClassSet
from pointillist.data.dataset_file import write_dataset_file
from pointillist.data.draws import DrawSampler, steps_per_epoch
from pointillist.data.inputs import Scale
from pointillist.data.layouts import load_dataset
from pointillist.data.pieces import clicks_by_class, cut_into_pieces
from pointillist.data.samples import Collate, TrainingSamples
from pointillist.data.transforms import Geometry
from pointillist.training.config import DataSettings
from pointillist.training.methods.pseudo_masks import GeodesicDistances
from pointillist.training.network_settings import NetworkSettings
from pointillist.training.networks import build_network

RESULTS = Path(__file__).parent / "results" / "loading.json"
CLASSES = ClassSet.create(["ground", "leaf", "berry"])
SIDE, BATCH, WORKERS = 320, 8, 2
OPEN_TARGET = {"seconds": 10.0, "megabytes": 500.0}
LOADER_TARGET = 3.0
MISS_TARGET = 1.5

PROBE = """
import json, pathlib, resource, sys, time
start = time.perf_counter()
from pointillist.data.layouts import load_dataset
imported = time.perf_counter()
dataset = load_dataset(sys.argv[1])
done = time.perf_counter()
status = pathlib.Path("/proc/self/status")
# What getrusage says includes the memory of the process that started this one.
lines = status.read_text().splitlines() if status.exists() else []
peak = [line.split()[1] for line in lines if line.startswith("VmHWM")]
megabytes = int(peak[0]) / 1e3 if peak else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps({
    "import_s": round(imported - start, 2),
    "open_s": round(done - imported, 2),
    "peak_megabytes": round(megabytes, 1),
    "images": len(dataset.items),
    "masks": sum(item.mask is not None for item in dataset.items),
    "clicks": len(dataset.points),
    "in_train": len(dataset.split("train")),
}))
"""


def draw(folder: Path, count: int, suffix: str) -> list[tuple[Path, Path]]:
    """Pictures with as much detail as photographs, and masks; returns their files."""
    pairs = []
    for index in range(count):
        rng = np.random.default_rng(index)
        coarse = ndimage.gaussian_filter(rng.standard_normal((480, 640, 3)), (12, 12, 0)) * 12
        fine = ndimage.gaussian_filter(rng.standard_normal((480, 640, 3)), (1, 1, 0))
        pixels = np.clip((coarse + 0.3 * fine) * 50 + 128, 0, 255).astype(np.uint8)
        image, mask = folder / f"{index}.{suffix}", folder / f"{index}_mask.png"
        Image.fromarray(pixels).save(image)
        Image.fromarray((coarse.mean(2) > 0.2).astype(np.uint8) + (coarse[..., 0] > 0.8)).save(mask)
        pairs.append((image, mask))
    return pairs


def data_set(folder: Path, count: int, distinct: int, suffix: str) -> Path:
    """A native data set of many names and few distinct files, with masks, clicks and splits."""
    originals = folder / "originals"
    originals.mkdir()
    pairs = draw(originals, distinct, suffix)
    root = folder / "data"
    for name in ("images", "masks", "splits"):
        (root / name).mkdir(parents=True)
    names = [f"{index // 1000:03d}/image_{index:06d}" for index in range(count)]
    for part in sorted({name.split("/")[0] for name in names}):
        (root / "images" / part).mkdir()
        (root / "masks" / part).mkdir()
    for index, name in enumerate(names):
        image, mask = pairs[index % distinct]
        os.link(image, root / "images" / f"{name}.{suffix}")
        os.link(mask, root / "masks" / f"{name}.png")
    rows = [f"{name}.{suffix},{10.5 + index % 300},20.5,{CLASSES.names[index % 3]}" for index, name in enumerate(names)]
    (root / "points.csv").write_text("image,x,y,class\n" + "\n".join(rows) + "\n")
    cut = count * 9 // 10
    (root / "splits/train.txt").write_text("\n".join(names[:cut]) + "\n")
    (root / "splits/val.txt").write_text("\n".join(names[cut:]) + "\n")
    write_dataset_file(root / "dataset.yaml", CLASSES)
    return root


def opening(count: int, suffix: str) -> dict[str, Any]:
    """Seconds and memory of opening a folder, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        root = data_set(Path(folder), count, 16, suffix)
        command = [sys.executable, "-c", PROBE, str(root)]
        runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(3)]
    median = sorted(runs, key=lambda run: run["open_s"])[1]
    return {"what": f"open a folder of {count:,} {suffix} images", **median, "target": OPEN_TARGET}


def loading(rounds: int, window: int, cache: tuple[int, int], distances: bool, target: float) -> dict[str, Any]:
    """Windows per second that the loader delivers and that the default network trains.

    Args:
        rounds: How often both are measured, in turns.
        window: Side of a window; images are learnt at about this size, or at their own where distances are made.
        cache: Bytes of memory and of disk for samples.
        distances: Whether geodesic distances are made, as for `single-stage`.
        target: How many times as fast as the training the loader shall be.
    """
    settings = DataSettings(size=(window, window))
    scale = Scale.of(1.0) if distances else Scale(settings.size)
    with tempfile.TemporaryDirectory() as folder:
        dataset = load_dataset(data_set(Path(folder), 240, 60, "jpg")).with_bands()
        geometry = Geometry((window, window), settings.zoom, settings.horizontal_flip)
        pieces = cut_into_pieces(dataset.items, scale, geometry.largest)
        samples = TrainingSamples(
            dataset,
            pieces,
            clicks=clicks_by_class(dataset, pieces),
            geometry=geometry,
            balanced=settings.balanced,
            color_jitter=settings.color_jitter,
            with_masks=True,
            distances_of=GeodesicDistances(len(CLASSES), 300.0) if distances else None,
            cache_bytes=cache,
        )
        if any(cache):
            for index in range(len(samples)):  # the first pass
                samples.stored(index)
        loader: DataLoader[Any] = DataLoader(
            samples,  # type: ignore[arg-type]
            batch_sampler=DrawSampler(len(samples), BATCH, 0, steps=steps_per_epoch(len(samples), BATCH)),
            num_workers=WORKERS,
            collate_fn=Collate(len(CLASSES)),
            persistent_workers=True,
        )
        step = training_step(window)
        loaded, trained = [], []
        for turn in range(rounds + 1):
            start = time.perf_counter()
            count = sum(len(batch) for batch in loader)
            middle = time.perf_counter()
            for _ in range(4):
                step()
            end = time.perf_counter()
            if turn:
                loaded.append(count / (middle - start))
                trained.append(4 * BATCH / (end - middle))
    ratios = [a / b for a, b in zip(loaded, trained, strict=True)]
    return {
        "what": f"loader with {WORKERS} workers against training, {window}×{window}, batches of {BATCH}",
        "cache_megabytes": {"memory": cache[0] >> 20, "disk": cache[1] >> 20},
        "distances": distances,
        "loaded_images_per_s": round(statistics.median(loaded), 1),
        "trained_images_per_s": round(statistics.median(trained), 2),
        "times_faster": round(statistics.median(ratios), 1),
        "target": target,
        "protocol": "JPEG 640×480, masks, zoom, flip, colours, decoded anew each time where nothing is kept; the "
        "network alone: forward, cross-entropy, backward, AdamW, without making pseudo-masks",
    }


def training_step(side: int) -> Any:
    """One step of the default network, as fast as training can be."""
    network = build_network(NetworkSettings(), len(CLASSES))
    optimizer = torch.optim.AdamW(network.parameters())
    images = torch.rand(BATCH, 3, side, side)
    labels = torch.randint(0, len(CLASSES), (BATCH, side, side))

    def step() -> None:
        optimizer.zero_grad()
        logits = network(images).logits
        logits = F.interpolate(logits, (side, side), mode="bilinear", align_corners=False)
        F.cross_entropy(logits, labels).backward()
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("open", "loader"), action="append")
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    start = time.perf_counter()
    rows: list[dict[str, Any]] = []
    if not arguments.only or "open" in arguments.only:
        rows += [opening(arguments.images, suffix) for suffix in ("jpg", "png")]
    if not arguments.only or "loader" in arguments.only:
        rows.append(loading(arguments.rounds, SIDE, (0, 0), False, LOADER_TARGET))
        rows.append(loading(arguments.rounds, 256, (0, 2**33), True, MISS_TARGET))
        rows.append(loading(arguments.rounds, 256, (0, 0), True, MISS_TARGET))
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))
    report = {
        "machine": measure.machine(),
        "load_average_at_the_end": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "seconds": round(time.perf_counter() - start, 1),
        "rows": rows,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    print(f"written to {arguments.output}, {report['seconds']} s")


if __name__ == "__main__":
    main()
