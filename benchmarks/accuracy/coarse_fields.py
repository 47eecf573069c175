"""Compare distance fields of about one pixel per unit length with those of every pixel.

    python benchmarks/accuracy/coarse_fields.py        writes results/coarse-fields.json

Each pixel gets the class whose click is nearest by the recipe's geodesic distance; the share of pixels that are right
by the mask says what a field is worth alone. Images at their own size, clicks simulated, one per component, seed 0.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import torch
from run import RESULTS, real_data, source_hash

from pointillist.api import load
from pointillist.classes import IGNORE
from pointillist.data.inputs import Scale
from pointillist.data.pieces import DistancesOf, cut_into_pieces, read_piece
from pointillist.data.simulated import simulate_dataset
from pointillist.pseudomask import PseudoMaskSettings, distance_fields, unit_length
from pointillist.training.methods.pseudo_masks import GeodesicDistances

DATASETS, IMAGES = ("peanut", "terraces", "idd_lite"), 8


def every_pixel(num_classes: int, gamma: float) -> DistancesOf:
    """Distances at the resolution of the image."""

    def distances(image: torch.Tensor, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        size = (image.shape[1], image.shape[2])
        classes = torch.unique(points[:, 2]).long()
        pixels = gamma * unit_length(size)
        maps = distance_fields([points], size, num_classes, metric="geodesic", image=image[None], gamma=pixels)
        return maps[0, classes], classes

    return distances


def right(name: str, coarse: bool) -> float:
    """Share of the labelled pixels whose nearest click has their class."""
    data = load(real_data() / name)
    train = data.split("train")
    items = train[:: len(train) // IMAGES][:IMAGES]
    data = dataclasses.replace(data, items=items, splits={"train": tuple(item.name for item in items)})
    data = dataclasses.replace(data, points=simulate_dataset(data)).with_bands()
    prior = PseudoMaskSettings().spatial_prior
    gamma = 0.0 if prior is None else prior.gamma
    count = len(data.classes)
    distances_of = GeodesicDistances(count, gamma) if coarse else every_pixel(count, gamma)
    agreeing = labelled = 0
    for piece in cut_into_pieces(items, Scale.of(1.0), 256):
        sample = read_piece(data, piece, with_mask=True, distances_of=distances_of).whole()
        if sample.distances is None or sample.distance_classes is None or sample.mask is None:
            raise SystemExit(f"{sample.name} has no mask or no clicks")
        known = sample.mask != IGNORE
        nearest = sample.distance_classes[sample.distances.argmin(0)]
        agreeing += int((nearest == sample.mask)[known].sum())
        labelled += int(known.sum())
    return agreeing / labelled


def main() -> None:
    """Measure."""
    rows: list[dict[str, Any]] = []
    for name in DATASETS:
        rows.append(
            {"dataset": name, "every_pixel": round(right(name, False), 4), "coarse": round(right(name, True), 4)}
        )
        print(rows[-1], flush=True)
    content = {
        "what": "share of pixels whose nearest click has their class",
        "images": IMAGES,
        "source": source_hash(),
        "rows": rows,
    }
    (RESULTS / "coarse-fields.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
