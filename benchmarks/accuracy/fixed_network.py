"""What settings of the pseudo-mask are worth with one fixed network, without training on its labels.

    python benchmarks/accuracy/fixed_network.py [settings.yaml]

For each data set a network learns from clicks alone, as `points` does under `cpu-small`, but shorter; then pseudo-masks
of some training images are made with each setting and compared with the masks. Cheap enough to compare many settings;
training has the last word. The file holds, by name, settings as they stand below `method.pseudo_mask`; the labels of
the first one are judged by distance from the clicks, too. Writes results/fixed-network.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
import yaml
from measures import ratio
from run import HERE, RESULTS, open_data, source_hash

from pointillist.classes import IGNORE
from pointillist.data.samples import read_sample
from pointillist.inference.predictor import Predictor
from pointillist.pseudomask import PseudoMaskGenerator, PseudoMaskSettings
from pointillist.training.config import make_config
from pointillist.training.losses import ClassFrequencies, as_prior
from pointillist.training.model_folder import load_model
from pointillist.training.pseudo_label_scores import class_counts
from pointillist.training.run import fit

EDGES = (6.0, 24.0, 96.0)
"""Geodesic distances, in pixels, between which labels are judged apart."""


def judge(
    entry: dict[str, Any], trained: dict[str, Any], compared: dict[str, PseudoMaskSettings], folder: Path, images: int
) -> tuple[dict[str, dict[str, float | None]], dict[str, list[list[int]]]]:
    """How good labels are, by setting; and, of the first setting, by class and distance.

    Args:
        entry: A data set of a benchmark file.
        trained: Settings of the training.
        compared: By name, how pseudo-masks are made.
        folder: For what has to be written.
        images: How many training images are judged.

    Returns:
        By setting: mIoU of labels everywhere, and precision and coverage of the labels it selects.
        By class: (labels, right ones) between the `EDGES` of the distance to the nearest click of that class.
    """
    data, _ = open_data(entry, {}, 0, folder)
    config = make_config(None, {**trained, **entry.get("settings", {}), "method": "points", "trainer.validations": 0})
    predictor = Predictor(fit(config, data, folder / "run"), "cpu")
    network, scale = load_model(folder / "run" / "model").network, predictor.spec.scale
    items = data.split("train")
    chosen = items[:: max(1, len(items) // images)][:images]
    samples = [read_sample(data, item, scale, with_mask=True) for item in chosen]
    count = len(data.classes)
    clicked = ClassFrequencies(count, config.method.class_balance)
    clicked.update(torch.cat([sample.points[:, 2] for sample in samples]).long())
    prior, first, found = as_prior(clicked.weighted), next(iter(compared)), {}
    near = torch.zeros(count, len(EDGES) + 1, 2, dtype=torch.int64)
    for name, settings in compared.items():
        everywhere, selected = torch.zeros(2, 4, count, dtype=torch.int64)
        for sample in samples:
            if sample.mask is None:
                raise ValueError(f"{sample.name} has no mask")
            image = sample.image[None]
            with torch.no_grad():
                probabilities = network(image).logits.softmax(1)
            for counts, each in (
                (everywhere, settings.model_copy(update={"selection": None})),
                (selected, settings),
            ):
                made = PseudoMaskGenerator(data.classes.background, each)(
                    image, probabilities, [sample.points], progress=1.0, class_prior=prior, trace=name == first
                )
                counts += class_counts(made.labels[0], sample.mask, count)
            if made.trace is not None and made.trace.distances is not None:
                near += by_distance(made.labels[0], sample.mask, made.trace.distances[0])
        # Over pixels with a label: real ones, labelled ones, right ones.
        _, real, labelled, right = everywhere
        union = real + labelled - right
        found[name] = {
            "miou": round(float((right[union > 0] / union[union > 0]).mean()), 4),
            "coverage": ratio(selected[1].sum(), selected[0].sum()),
            "precision": ratio(selected[3].sum(), selected[2].sum()),
        }
    return found, dict(zip(data.classes.names, near.tolist(), strict=True))


def by_distance(labels: torch.Tensor, mask: torch.Tensor, distances: torch.Tensor) -> torch.Tensor:
    """C×bins×2: labels between the `EDGES`, and those of them that are right.

    Args:
        labels: H×W, 255 = none.
        mask: H×W real labels, 255 = not known.
        distances: C×H×W in pixels to the nearest click of each class.
    """
    bins, judged = len(EDGES) + 1, (labels != IGNORE) & (mask != IGNORE)
    own = distances.gather(0, labels.where(judged, 0)[None])[0]
    places = labels * bins + torch.bucketize(own, torch.tensor(EDGES))
    size = len(distances) * bins
    kept, right = (torch.bincount(places[which], minlength=size) for which in (judged, judged & (labels == mask)))
    return torch.stack([kept, right], dim=-1).view(len(distances), bins, 2)


def main() -> None:
    """Judge all settings on the three data sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=Path, nargs="?", default=HERE / "fixed_network.yaml")
    parser.add_argument("--datasets", nargs="*", default=["camvid", "dubai_aerial", "soybean"])
    parser.add_argument("--steps", type=int, default=350)
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--output", type=Path, default=RESULTS / "fixed-network.json")
    arguments = parser.parse_args()
    listed = yaml.safe_load(arguments.settings.read_text(encoding="utf-8"))
    compared = {name: PseudoMaskSettings.model_validate(values) for name, values in listed.items()}
    benchmark = yaml.safe_load((HERE / "protocols" / "thumbnails" / "cpu-small.yaml").read_text(encoding="utf-8"))
    trained = {**benchmark["settings"], "trainer.steps": arguments.steps}
    result: dict[str, Any] = {"source": source_hash(), "steps": arguments.steps, "images": arguments.images}
    result |= {"settings": listed, "sets": {}, "far": {}, "edges": EDGES}
    for name in arguments.datasets:
        with tempfile.TemporaryDirectory() as folder:
            result["sets"][name], result["far"][name] = judge(
                benchmark["datasets"][name], trained, compared, Path(folder), arguments.images
            )
        print(name, flush=True)
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
