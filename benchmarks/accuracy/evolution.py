"""Draw how pseudo-masks and predictions evolve during one training on the embedded data set: docs/images/evolution.png.

python benchmarks/accuracy/evolution.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import yaml
from measures import labels_of
from run import HERE, open_data

from pointillist.classes import ClassSet
from pointillist.data.samples import TrainingSamples
from pointillist.data.transforms import Sample
from pointillist.report.pictures import Picture, draw_points, grid, picture_of_image, picture_of_labels
from pointillist.training.config import make_config
from pointillist.training.module import TrainingModule
from pointillist.training.run import fit

PICTURE = HERE.parent.parent / "docs" / "images" / "evolution.png"
SHOWN = (3, 11)
MOMENTS = (0.12, 0.2, 0.4, 1.0)
HEIGHT = 150


class Evolution(L.Callback):
    """Collects pseudo-mask and prediction of a few whole training images when a share of the training is done."""

    def __init__(self, classes: ClassSet) -> None:
        self.classes = classes
        self.samples: list[Sample] = []
        self.rows: list[list[Picture]] = [[] for _ in SHOWN]
        self.titles: list[str] = []

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Look on when it is time."""
        left = MOMENTS[len(self.titles) // 2 :] if self.titles else MOMENTS
        if not isinstance(module, TrainingModule) or not left or module.progress < left[0] - 1e-6:
            return
        loader: Any = trainer.train_dataloader
        samples: TrainingSamples = loader.dataset
        self.samples = self.samples or [samples.untransformed(index) for index in SHOWN]
        self.titles += [f"pseudo-mask, {left[0]:.0%}", "prediction"]
        module.eval()
        for row, sample in zip(self.rows, self.samples, strict=True):
            for labels in labels_of(module, sample, len(self.classes)):
                if labels is not None:
                    row.append(picture_of_labels(labels.numpy().astype(np.uint8), self.classes, HEIGHT))
        module.train()

    def draw(self) -> Picture:
        """The whole picture: clicks first, the real mask last."""
        rows = []
        for row, sample in zip(self.rows, self.samples, strict=True):
            pixels = np.rint(sample.image.numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
            clicks = draw_points(picture_of_image(pixels, HEIGHT), sample.points.numpy(), sample.size, self.classes)
            mask = picture_of_labels(sample.mask.numpy().astype(np.uint8), self.classes, HEIGHT)
            rows.append([clicks, *row, mask])
        return grid(rows, ["image and clicks", *self.titles, "real mask"])


def main() -> None:
    """Train, draw."""
    benchmark = yaml.safe_load((HERE / "protocols" / "thumbnails" / "cpu-small.yaml").read_text(encoding="utf-8"))
    entry = benchmark["datasets"]["village"]
    with tempfile.TemporaryDirectory() as folder:
        data, _ = open_data(entry, {}, 0, Path(folder))
        settings = {**benchmark["settings"], **entry["settings"], "method": "single-stage", "trainer.validations": 0}
        evolution = Evolution(data.classes)
        fit(make_config(None, settings), data, Path(folder) / "run", callbacks=[evolution])
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        evolution.draw().quantize(64).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
