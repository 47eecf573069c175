"""The training step: network → logits → method → loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import lightning as L
import torch
from torch import Tensor

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.samples import Batch
from pointillist.errors import RunError
from pointillist.training.config import Config
from pointillist.training.methods import Outcome, Prediction, Step, get_method
from pointillist.training.metrics import confusion_metric, scores
from pointillist.training.networks import Network, build_network
from pointillist.training.scoring import labels_at


class TrainingModule(L.LightningModule):
    """One network and one method under Lightning.

    Args:
        config: Settings of the run.
        classes: Classes of the data set, under the run's background policy.
        total_steps: Optimiser steps of the whole training.
    """

    def __init__(self, config: Config, classes: ClassSet, total_steps: int) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.total_steps = total_steps
        self.network = build_network(config.network, len(classes))
        self.method = get_method(config.method.name)(config.method, classes, self.network.feature_channels)
        self.average: Network | None = None
        if config.optimizer.ema:
            self.average = deepcopy(self.network).requires_grad_(False).eval()
        self.confusion = confusion_metric(classes)

    @property
    def final_network(self) -> Network:
        """The network that predicts: the moving average where there is one."""
        return self.average or self.network

    @property
    def progress(self) -> float:
        """Share of the training that is done, in [0, 1]."""
        return min(1.0, self.global_step / self.total_steps)

    def configure_optimizers(self) -> Any:
        """AdamW without decay on biases and normalisation; linear warm-up, then a cosine to zero."""
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

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The loss of one batch, and what is worth logging about it."""
        seen = batch.without_masks() if self.method.supervision == "points" else batch
        prediction: Prediction = self.network(batch.view)
        outcome = self.method.loss(Step(prediction, seen, self.progress, self.guide(prediction, batch)))
        self._log_step(outcome, batch)
        if not torch.isfinite(outcome.loss):
            raise RunError(
                f"the loss became {float(outcome.loss.detach())} at step {self.global_step}.",
                hint="Lower optimizer.lr or use trainer.precision=32-true; the last checkpoint is still good.",
            )
        return outcome.loss

    def guide(self, prediction: Prediction, batch: Batch) -> Callable[[], Tensor]:
        """Detached probabilities for pseudo-masks, computed only when a method asks."""

        def probabilities() -> Tensor:
            if self.average is None:
                return prediction.logits.detach().float().softmax(1)
            with torch.no_grad():
                logits: Tensor = self.average(batch.image).logits
                return logits.float().softmax(1)

        return probabilities

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the average towards the weights; early on faster, so that it forgets the random start."""
        if self.average is None:
            return
        decay = min(self.config.optimizer.ema, (1 + self.global_step) / (10 + self.global_step))
        with torch.no_grad():
            for mean, weight in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(weight, 1 - decay)
            for kept, value in zip(self.average.buffers(), self.network.buffers(), strict=True):
                kept.copy_(value)

    def validation_step(self, batch: list[tuple[str, Tensor, Tensor]], batch_index: int) -> None:
        """Count the pixels of a few images, each at its mask's own size."""
        for _, image, mask in batch:
            logits = self.final_network(image[None]).logits[0]
            self.confusion.update(labels_at(logits, (mask.shape[0], mask.shape[1])), mask)

    def on_validation_epoch_end(self) -> None:
        """Pool the counts over the split and all processes."""
        result = scores(self.confusion.compute(), self.classes)
        self.confusion.reset()
        # Every process has the same pooled counts.
        self.log("val_miou", result.miou)
        self.log("val_accuracy", result.pixel_accuracy)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Our batches are a dataclass of our own."""
        if isinstance(batch, Batch):
            return batch.to(device)
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def train(self, mode: bool = True) -> TrainingModule:
        """The average is never in training mode."""
        super().train(mode)
        if self.average is not None:
            self.average.eval()
        return self

    def _log_step(self, outcome: Outcome, batch: Batch) -> None:
        values = {"loss": outcome.loss.detach(), **outcome.parts}
        if outcome.labels is not None:
            values.update(pseudo_mask_quality(outcome.labels, batch.valid, batch.mask))
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(batch), sync_dist=True)


def pseudo_mask_quality(labels: Tensor, valid: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
    """How much of the images a pseudo-mask labels, and, where masks are at hand, how much of that is right.

    Args:
        labels: B×H×W pseudo-mask, 255 = not kept.
        valid: B×H×W bool, False on padding.
        mask: B×H×W real labels, 255 = ignore.

    Returns:
        `coverage`: share of valid pixels that are kept. `agreement`: share of kept pixels with a real label that agree
        with it.
    """
    kept = (labels != IGNORE) & valid
    quality = {"coverage": kept.sum() / valid.sum().clamp(min=1)}
    if mask is not None:
        judged = kept & (mask != IGNORE)
        quality["agreement"] = ((labels == mask) & judged).sum() / judged.sum().clamp(min=1)
    return quality
