"""Pictures taken during training: image with clicks, pseudo-mask and prediction, as they evolve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import lightning as L
import numpy as np
import torch

from pointillist.data.dataset import Dataset
from pointillist.data.samples import TrainingSamples
from pointillist.data.transforms import Sample
from pointillist.files import make_folder, replacing
from pointillist.report.pictures import Picture, draw_points, grid, picture_of_image, picture_of_labels
from pointillist.training.module import TrainingModule
from pointillist.training.run_directory import RunDirectory

HEIGHT = 168
"""Height of each picture of a snapshot, in pixels."""


@dataclass(eq=False, repr=False)
class SnapshotWriter(L.Callback):
    """Writes `snapshots/epoch_….png` a few times during a training; it looks on and changes nothing.

    Args:
        run: Where.
        dataset: The data set, under the run's background policy.
        moments: How many times.
        images: How many training images are shown.
    """

    run: RunDirectory
    dataset: Dataset
    moments: int = 6
    images: int = 4
    _shown: list[Sample] | None = field(default=None, init=False)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Take a picture when it is time."""
        if not trainer.is_global_zero or not isinstance(module, TrainingModule):
            return
        done, epochs = trainer.current_epoch + 1, trainer.max_epochs or 1
        times = {max(1, round(epochs * (i + 1) / self.moments)) for i in range(self.moments)}
        if done not in times:
            return
        make_folder(self.run.snapshots)
        with replacing(self.run.snapshots / f"epoch_{done:05d}.png") as temporary:
            self._draw(module, trainer).save(temporary, format="PNG")

    def _draw(self, module: TrainingModule, trainer: L.Trainer) -> Picture:
        loader: Any = trainer.train_dataloader
        source: TrainingSamples = loader.dataset
        samples = self._samples(source)
        titles = ["image and clicks", "pseudo-mask", "prediction"]
        with_masks = any(sample.mask is not None for sample in samples)
        rows = []
        training = module.training
        module.eval()
        try:
            with torch.no_grad():
                for sample in samples:
                    row = self._row(module, source, sample)
                    rows.append(row if with_masks else row[:3])
        finally:
            module.train(training)
        return grid(rows, [*titles, "real mask"] if with_masks else titles)

    def _samples(self, source: TrainingSamples) -> list[Sample]:
        """A few images with many classes, the same ones each time."""
        if self._shown is None:
            points = self.dataset.points
            richest = sorted(
                range(len(source)),
                key=lambda index: -len({point.label for point in points.of(source.pieces[index].item.name)}),
            )
            self._shown = [source.untransformed(index) for index in richest[: self.images]]
        return self._shown

    def _row(self, module: TrainingModule, source: TrainingSamples, sample: Sample) -> list[Picture]:
        classes = self.dataset.classes
        batch = source.collate([(sample, sample.image)]).to(module.device)
        step = module.step_input(batch)
        labels = module.method.pseudo_labels(step)
        maps = (None if labels is None else labels[0], step.output.logits[0].argmax(0), sample.mask)
        nothing = torch.full(sample.size, 255)
        image = source.dataset.known_bands.picture(
            np.rint(sample.image.numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
        )
        clicks = draw_points(picture_of_image(image, HEIGHT), sample.points.numpy(), sample.size, classes)
        shown = ((nothing if labels is None else labels).cpu().numpy().astype(np.uint8) for labels in maps)
        return [clicks, *(picture_of_labels(labels, classes, HEIGHT) for labels in shown)]
