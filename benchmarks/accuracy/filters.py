"""What each choice of the pseudo-mask engine is worth with one fixed network, without training on its labels.

    python benchmarks/accuracy/filters.py

For each data set a network learns from clicks alone, as `points` does under `cpu-small`, but shorter; then pseudo-masks
of twelve training images are made with different settings and compared with the masks. Cheap enough to compare many
settings; training has the last word (`protocols/levers-*.yaml`). Writes results/filters.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from run import HERE, RESULTS, open_data, source_hash

from pointillist.data.samples import read_sample
from pointillist.inference.predictor import Predictor
from pointillist.pseudomask import PseudoMaskGenerator, distance_fields
from pointillist.training.config import make_config
from pointillist.training.losses import LEAST_SHARE
from pointillist.training.run import fit

SHIFTED: dict[str, Any] = {"shift": 1.0, "exponent": 1.5, "reach": 0.8}
SETTINGS: dict[str, dict[str, Any]] = {
    "the network alone": {"presence": False, "iterations": 0, "metric": None},
    "presence": {"iterations": 0, "metric": None},
    "presence, refinement": {"metric": None},
    "presence, refinement, shift 1": {"metric": None, "shift": 1.0},
    "Gaussian σ 0.1, γ 300": {"sigma": 0.1},
    "Gaussian σ 0.3, γ 300": {"sigma": 0.3},
    "Gaussian σ 1.0, γ 300": {"sigma": 1.0},
    "Gaussian σ 0.3, γ 1000": {"sigma": 0.3, "gamma": 1000.0},
    "Gaussian σ 0.3, γ 300, shift 1": {"sigma": 0.3, "shift": 1.0},
    "competing β 1.5, no shift": {"exponent": 1.5},
    "competing β 1.5, shift 1": {"exponent": 1.5, "shift": 1.0},
    "… reach 0.6": {**SHIFTED, "reach": 0.6},
    "… reach 0.8": SHIFTED,
    "… reach 0.8, shift 0.6": {**SHIFTED, "shift": 0.6},
    "… reach 0.8, β 1": {**SHIFTED, "exponent": 1.0},
    "… reach 0.8, β 2.5": {**SHIFTED, "exponent": 2.5},
    "… reach 0.8, γ 100": {**SHIFTED, "gamma": 100.0},
    "… reach 0.8, γ 1000": {**SHIFTED, "gamma": 1000.0},
    "… reach 0.8, Euclidean": {**SHIFTED, "metric": "euclidean"},
    "… reach 0.8, no refinement": {**SHIFTED, "iterations": 0},
    "… reach 0.8, 4 iterations": {**SHIFTED, "iterations": 4},
    "… reach 0.8, 20 iterations": {**SHIFTED, "iterations": 20},
}
"""By name: settings of the generator, with `shift`, the power of the class shares that are divided out."""

DEFAULT = "… reach 0.8, shift 0.6"
"""The settings of `single-stage`."""

EDGES = (6.0, 24.0, 96.0)
"""Geodesic distances, in pixels, between which sure labels are judged apart."""


Quality = dict[str, dict[str, float]]
ByDistance = dict[str, list[list[int]]]


def judge(entry: dict[str, Any], settings: dict[str, Any], folder: Path, images: int) -> tuple[Quality, ByDistance]:
    """How good labels are, by setting; and, with the default, by class and distance.

    Returns:
        By setting: mIoU of labels everywhere, and agreement and coverage where 0.7 of the evidence agrees.
        By class: (kept, right) pixels between the `EDGES` of the distance to the nearest click of that class.
    """
    data, _ = open_data(entry, {}, 0, folder)
    config = make_config(None, {**settings, **entry.get("settings", {}), "method": "points", "trainer.validations": 0})
    network = Predictor(fit(config, data, folder / "run"), "cpu").network
    items = data.split("train")
    chosen = items[:: max(1, len(items) // images)][:images]
    samples = [read_sample(data, item, config.data.size, with_mask=True) for item in chosen]
    count = len(data.classes)
    clicked = sum(torch.bincount(sample.points[:, 2].long(), minlength=count) for sample in samples)
    # A network that learnt with class balance 0.5 expects the square roots of the click shares.
    taught = (clicked / clicked.sum()).clamp(min=LEAST_SHARE) ** (1 - config.method.balance)
    with torch.no_grad():
        shares = [network(sample.image[None]).logits.softmax(1) for sample in samples]
    fields: dict[tuple[str, float], list[torch.Tensor]] = {}
    found = {}
    far = np.zeros((count, len(EDGES) + 1, 2), np.int64)
    for name, given in SETTINGS.items():
        chosen_settings = dict(given)
        shift, sigma = chosen_settings.pop("shift", 0.0), chosen_settings.pop("sigma", 0.3)
        generator = PseudoMaskGenerator(
            background=data.classes.background, sigma_start=sigma, sigma_end=sigma, confidence=0.0, **chosen_settings
        )
        key = (str(generator.metric), generator.gamma)
        if generator.metric is not None and key not in fields:
            fields[key] = [
                distance_fields(
                    [s.points], s.size, count, metric=generator.metric, image=s.image[None], gamma=generator.gamma
                )
                for s in samples
            ]
        surer = PseudoMaskGenerator(**{**vars(generator), "confidence": 0.7})
        matrix = np.zeros((count, count), np.int64)
        kept = right = known_pixels = 0
        for index, sample in enumerate(samples):
            arguments: dict[str, Any] = {
                "progress": 1.0,
                "expected": taught**shift if shift else None,
                "fields": fields[key][index] if generator.metric is not None else None,
            }
            image, mask = sample.image[None], sample.mask
            everywhere = generator(image, shares[index], [sample.points], **arguments).labels[0]
            sure = surer(image, shares[index], [sample.points], **arguments).labels[0]
            known = mask != 255
            judged = known & (everywhere != 255)
            pairs = mask[judged] * count + everywhere[judged]
            matrix += torch.bincount(pairs, minlength=count**2).view(count, count).numpy()
            known_pixels += int(known.sum())
            kept += int((known & (sure != 255)).sum())
            right += int((known & (sure == mask)).sum())
            if name == DEFAULT:
                chosen_labels = known & (sure != 255)
                distance = fields[key][index][0].gather(0, sure.where(chosen_labels, 0)[None])[0][chosen_labels]
                places = (sure[chosen_labels], torch.bucketize(distance, torch.tensor(EDGES)))
                np.add.at(far[..., 0], places, 1)
                np.add.at(far[..., 1], places, (sure == mask)[chosen_labels].numpy())
        hits = np.diag(matrix)
        union = matrix.sum(0) + matrix.sum(1) - hits
        found[name] = {
            "miou": round(float(np.mean(hits[union > 0] / union[union > 0])), 4),
            "coverage": round(kept / known_pixels, 4),
            "agreement": round(right / max(kept, 1), 4),
        }
    return found, dict(zip(data.classes.names, far.tolist(), strict=True))


def main() -> None:
    """Judge all settings on the three data sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=350)
    parser.add_argument("--images", type=int, default=12)
    arguments = parser.parse_args()
    protocol = yaml.safe_load((HERE / "protocols" / "cpu-small.yaml").read_text(encoding="utf-8"))
    result: dict[str, Any] = {"source": source_hash(), "steps": arguments.steps, "images": arguments.images}
    result |= {"sets": {}, "far": {}, "edges": EDGES}
    for name in ("camvid", "dubai_aerial", "soybean"):
        with tempfile.TemporaryDirectory() as folder:
            settings = {**protocol["settings"], "trainer.steps": arguments.steps}
            result["sets"][name], result["far"][name] = judge(
                protocol["datasets"][name], settings, Path(folder), arguments.images
            )
        print(name, flush=True)
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "filters.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
