"""The training step: network → logits → method → loss."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import torch
from torch import Tensor

from pointillist.classes import ClassSet
from pointillist.data.samples import Batch
from pointillist.errors import ConfigError, RunError
from pointillist.training.config import Config
from pointillist.training.methods import NetworkOutput, StepInput, get_method
from pointillist.training.metrics import confusion_metric, scores
from pointillist.training.networks import build_network
from pointillist.training.pseudo_label_scores import coverage, precision
from pointillist.training.scoring import ScoredImage, runner

VAL_IOU = "val_iou "
"""What stands before the name of a class where its IoU on the validation split is logged."""


class TrainingModule(L.LightningModule):
    """One network and one method under Lightning.

    Args:
        config: Settings of the run.
        classes: Classes of the data set, under the run's background policy.
        total_steps: Optimiser steps of the whole training; 0 for a method without steps.
        bands: K of the images.
    """

    def __init__(self, config: Config, classes: ClassSet, total_steps: int, bands: int = 3) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.total_steps = total_steps
        self.network = build_network(config.network, len(classes), bands)
        self.method = get_method(config.method.name)(config.method, classes, self.network.feature_channels)
        if self.method.in_steps and not any(weight.requires_grad for weight in self.network.parameters()):
            found = f"{config.network.architecture!r} has nothing that '{config.method.name}' could train."
            raise ConfigError(found, field="network.architecture", hint="Choose another network.")
        self.automatic_optimization = self.method.in_steps
        self.confusion = confusion_metric(classes)

    @property
    def progress(self) -> float:
        """Share of the training that is done, in [0, 1]."""
        return min(1.0, self.global_step / self.total_steps) if self.total_steps else 1.0

    def on_train_start(self) -> None:
        """Let the method learn what it learns at once; the time it takes counts as training."""
        loader: Any = self.trainer.train_dataloader
        self.method.prepare(loader.dataset.clicked(), self.network)

    def configure_optimizers(self) -> Any:
        """AdamW, no decay on biases and normalisation; linear warm-up, then a cosine to zero; None without steps."""
        if not self.method.in_steps:
            return None
        settings = self.config.optimizer
        weights = [p for p in self.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in self.parameters() if p.requires_grad and p.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": weights, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=settings.lr,
        )
        rises = max(1, round(settings.warmup * self.total_steps))

        def factor(step: int) -> float:
            if step < rises:
                return (step + 1) / rises
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rises) / max(1, self.total_steps - rises))))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def step_input(self, batch: Batch) -> StepInput:
        """What the method sees of a batch: one that learns from points never sees a mask."""
        output: NetworkOutput = self.network(batch.augmented)
        seen = batch.without_masks() if self.method.supervision == "points" else batch
        return StepInput(output, seen, self.progress)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor | None:
        """The loss of one batch, and what is worth logging about it; None for a method without steps."""
        if not self.method.in_steps:
            return None
        step = self.step_input(batch)
        output = self.method.loss(step)
        self.method.update_class_frequencies(step, output)
        values = {"loss": output.loss.detach(), **output.parts}
        if output.pseudo_labels is not None:
            values["coverage"] = coverage(output.pseudo_labels, batch.valid)
            if batch.mask is not None:
                values["precision"] = precision(output.pseudo_labels, batch.mask)
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(batch), sync_dist=True)
        if not torch.isfinite(output.loss):
            found = f"the loss became {float(output.loss.detach())} at step {self.global_step}."
            hint = "Lower optimizer.lr or use trainer.precision=32-true; the last checkpoint is still good."
            raise RunError(found, hint=hint)
        return output.loss

    def validation_step(self, batch: list[ScoredImage], batch_index: int) -> None:
        """Count the pixels of a few images, each at its mask's own size."""
        for image in batch:
            for block, mask in image.blocks(runner(self.network)):
                labels = torch.from_numpy(block.logits.argmax(0))
                self.confusion.update(labels.to(self.device), torch.from_numpy(mask).long().to(self.device))

    def on_validation_epoch_end(self) -> None:
        """Pool the counts over the split and all processes."""
        result = scores(self.confusion.compute(), self.classes)
        self.confusion.reset()
        # Every process has the same pooled counts.
        self.log("val_miou", result.miou)
        self.log("val_accuracy", result.pixel_accuracy)
        for name, value in zip(result.class_names, result.iou, strict=True):
            self.log(VAL_IOU + name, value)
