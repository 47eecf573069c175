"""What settings of the pseudo-mask are worth with one fixed network, without training on its labels.

    python benchmarks/accuracy/fixed_network.py [settings.yaml]

For each data set of `own-scale` a network learns from clicks alone, as `points` does, but shorter; then pseudo-masks of
some training images are made with each setting and compared with the masks. Cheap enough to compare many settings;
training has the last word. The file holds, by name, settings as they stand below `method.pseudo_mask`. Distances and
evidence are those of the training. Writes results/fixed-network-own-scale.json.
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
from run import HERE, RESULTS, open_data, read_benchmark, source_hash

from pointillist.data.pieces import clicks_by_class, cut_into_pieces, read_piece
from pointillist.data.samples import TrainingSamples
from pointillist.data.transforms import Geometry
from pointillist.inference.predictor import Predictor
from pointillist.pseudomask import PseudoMaskGenerator, PseudoMaskSettings
from pointillist.training.config import make_config
from pointillist.training.losses import ClassFrequencies, as_prior
from pointillist.training.methods.pseudo_masks import GeodesicDistances
from pointillist.training.model_folder import load_model
from pointillist.training.pixel_classifier import PER_CLASS, PixelEvidence, fit_pixel_classifier
from pointillist.training.pseudo_label_scores import class_counts
from pointillist.training.run import fit


@torch.no_grad()
def judge(
    benchmark: dict[str, Any], name: str, steps: int, compared: dict[str, PseudoMaskSettings], folder: Path, images: int
) -> dict[str, dict[str, float | None]]:
    """How good labels are, by setting.

    Args:
        benchmark: Content of a benchmark file.
        name: One of its data sets.
        steps: How long the network learns.
        compared: By name, how pseudo-masks are made.
        folder: For what has to be written.
        images: How many training images are judged, evenly spread.

    Returns:
        By setting: mIoU of labels everywhere; precision and coverage of the labels it selects, means over classes.
    """
    entry = benchmark["datasets"][name]
    data, _ = open_data(entry, benchmark.get("points", {}), 0, folder)
    settings = {**benchmark["settings"], **entry.get("settings", {}), "method": "points", "trainer.validations": 0}
    config = make_config(None, {**settings, "trainer.steps": steps})
    with torch.enable_grad():
        predictor = Predictor(fit(config, data, folder / "run"), "cpu")
    network, data = load_model(folder / "run" / "model").network, data.with_bands()
    count, background, balance = len(data.classes), data.classes.background, config.method.class_balance
    pieces = cut_into_pieces(data.split("train"), predictor.spec.scale, 128)
    clicks = clicks_by_class(data, pieces)
    clicked = ClassFrequencies(count, balance)
    clicked.update(torch.tensor([label for label, found in clicks.items() for _ in found]))
    evidence: dict[float, PixelEvidence] = {}
    found: dict[str, torch.Tensor] = {key: torch.zeros(2, 4, count, dtype=torch.int64) for key in compared}
    for piece in pieces[:: max(1, len(pieces) // images)][:images]:
        for key, chosen in compared.items():
            correction = chosen.prior_correction
            if correction not in evidence:
                samples = TrainingSamples(data, pieces, clicks=clicks, geometry=Geometry((16, 16)))
                with torch.enable_grad():
                    classifier = fit_pixel_classifier(
                        samples.clicked(PER_CLASS), count, balance=balance, prior_correction=correction, seed=0
                    )
                evidence[correction] = PixelEvidence(classifier, background)
            distances = GeodesicDistances(count, 300.0 if chosen.spatial_prior is None else chosen.spatial_prior.gamma)
            sample = read_piece(
                data, piece, with_mask=True, distances_of=distances, evidence_of=evidence[correction]
            ).whole()
            if sample.mask is None or sample.distances is None or sample.evidence is None:
                raise ValueError(f"{sample.name} has no mask")
            near, likely = torch.full((1, count, *sample.size), torch.inf), torch.zeros(1, count, *sample.size)
            near[0, sample.distance_classes], likely[0, sample.evidence_classes] = sample.distances, sample.evidence
            probabilities = network(sample.image[None]).logits.softmax(1)
            for counts, each in zip(found[key], (chosen.model_copy(update={"selection": None}), chosen), strict=True):
                made = PseudoMaskGenerator(background, each)(
                    sample.image[None],
                    probabilities,
                    [sample.points],
                    progress=1.0,
                    class_prior=as_prior(clicked.weighted),
                    distances=near,
                    evidence=likely,
                    scale=sample.scale,
                )
                counts += class_counts(made.labels[0], sample.mask, count)
    return {key: summary(*counts) for key, counts in found.items()}


def summary(everywhere: torch.Tensor, selected: torch.Tensor) -> dict[str, float | None]:
    """Figures of two 4×C counts, see `class_counts`; classes that no mask has are left out."""
    _, real, labelled, right = everywhere
    union = real + labelled - right
    there = selected[0] > 0
    return {
        "miou": round(float((right[union > 0] / union[union > 0]).mean()), 4),
        "precision": ratio((selected[3] / selected[2].clamp(min=1))[there].sum(), there.sum()),
        "coverage": ratio((selected[1] / selected[0].clamp(min=1))[there].sum(), there.sum()),
    }


def main() -> None:
    """Judge all settings on all data sets; what is there with this code and these settings is not made again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=Path, nargs="?", default=HERE / "fixed_network.yaml")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--output", type=Path, default=RESULTS / "fixed-network-own-scale.json")
    arguments = parser.parse_args()
    listed = yaml.safe_load(arguments.settings.read_text(encoding="utf-8"))
    compared = {name: PseudoMaskSettings.model_validate(values) for name, values in listed.items()}
    benchmark = read_benchmark(HERE / "protocols" / "own-scale.yaml")
    result: dict[str, Any] = {"source": source_hash(), "steps": arguments.steps, "images": arguments.images}
    result |= {"settings": listed, "sets": {}}
    if arguments.output.is_file():
        there = json.loads(arguments.output.read_text(encoding="utf-8"))
        if {**there, "sets": {}} == result:
            result = there
    for name in benchmark["datasets"]:
        if name in result["sets"]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            result["sets"][name] = judge(benchmark, name, arguments.steps, compared, Path(folder), arguments.images)
        print(name, flush=True)
        arguments.output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
