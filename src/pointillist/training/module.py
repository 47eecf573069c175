"""The training step: network → logits → method → loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.samples import Batch
from pointillist.errors import ConfigError, RunError
from pointillist.training.config import Config
from pointillist.training.methods import NetworkOutput, StepInput, get_method
from pointillist.training.metrics import scores
from pointillist.training.metrics_table import VAL_IOU
from pointillist.training.network_settings import OWN
from pointillist.training.networks import Network, build_network
from pointillist.training.own import NOTHING, Own, OwnNetwork, own_optimizer
from pointillist.training.pseudo_label_scores import coverage, precision
from pointillist.training.scoring import ScoredImage, runner


class TrainingModule(L.LightningModule):
    """One network and one method under Lightning.

    Args:
        config: Settings of the run.
        classes: Classes of the data set, under the run's background policy.
        total_steps: Optimiser steps of the whole training; 0 for a method without steps.
        bands: K of the images.
        own: What a program brings itself.
    """

    def __init__(self, config: Config, classes: ClassSet, total_steps: int, bands: int = 3, own: Own = NOTHING) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.total_steps = total_steps
        own.check(config.network.architecture, config.optimizer.name)
        self.network: Network
        if own.network is None:
            self.network = build_network(config.network, len(classes), bands)
        else:
            self.network = OwnNetwork(own.network, len(classes), bands)
        self._own_optimizer = own.optimizer
        self.method = get_method(config.method.name)(config.method, classes, self.network.feature_channels)
        if self.method.in_steps and not any(weight.requires_grad for weight in self.network.parameters()):
            found = f"{config.network.architecture!r} has nothing that '{config.method.name}' could train."
            raise ConfigError(found, field="network.architecture", hint="Choose another network.")
        self.automatic_optimization = self.method.in_steps
        self.confusion = confusion_metric(classes)
        self._totals: dict[str, tuple[Tensor | float, int]] = {}

    @property
    def progress(self) -> float:
        """Share of the training that is done, in [0, 1]."""
        return min(1.0, self.global_step / self.total_steps) if self.total_steps else 1.0

    @property
    def optimizer_name(self) -> str:
        """What kind of optimiser it has, and how many weights it has in each of its groups."""
        if (chosen := self.configure_optimizers()) is None:
            return "none"
        optimizer: torch.optim.Optimizer = chosen["optimizer"]
        groups = "+".join(str(len(g["params"])) for g in optimizer.param_groups)
        schedule = f" with {type(chosen['lr_scheduler']['scheduler']).__name__}" if self._own_optimizer else ""
        return f"{type(optimizer).__name__} of {groups}{schedule}"

    def configure_optimizers(self) -> Any:
        """AdamW, no decay on biases and normalisation; linear warm-up, then a cosine to zero. None without steps."""
        if not self.method.in_steps:
            return None
        if self._own_optimizer is not None:
            trained = (weight for weight in self.parameters() if weight.requires_grad)
            optimizer, own = own_optimizer(self._own_optimizer, trained)
            schedule = own or self._schedule(optimizer)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
        settings = self.config.optimizer
        weights = [p for p in self.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in self.parameters() if p.requires_grad and p.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": weights, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=settings.lr,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self._schedule(optimizer), "interval": "step"},
        }

    def _schedule(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        rises = max(1, round(self.config.optimizer.warmup * self.total_steps))

        def factor(step: int) -> float:
            if step < rises:
                return (step + 1) / rises
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rises) / max(1, self.total_steps - rises))))

        return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

    def own_protocol(self) -> dict[str, Any]:
        """What the record of the run says otherwise, because a program brought it itself."""
        said: dict[str, Any] = {}
        if isinstance(self.network, OwnNetwork):
            said |= {"network": f"own {type(self.network.module).__name__}", "normalization": OWN}
        if self._own_optimizer is not None:
            groups = self.configure_optimizers()["optimizer"].param_groups
            lr = max(float(group.get("initial_lr", group["lr"])) for group in groups)
            said |= {"optimizer": self.optimizer_name, "lr": lr}
        return said

    def step_input(self, batch: Batch) -> StepInput:
        """What the method sees of a batch: one that learns from points sees no mask but those it was told to learn."""
        output: NetworkOutput = self.network(batch.augmented)
        seen = batch.for_points() if self.method.supervision == "points" else batch
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
        self._log(values, len(batch))
        if not torch.isfinite(output.loss):
            found = f"the loss became {float(output.loss.detach())} at step {self.global_step}."
            hint = "Lower optimizer.lr or use trainer.precision=32-true; the last checkpoint is still good."
            raise RunError(found, hint=hint)
        return output.loss

    def _log(self, values: Mapping[str, Tensor | float], images: int) -> None:
        """Log means over the images of an epoch. They are made here, because Lightning takes a millisecond a value."""
        for name, value in values.items():
            total, count = self._totals.get(name, (0.0, 0))
            self._totals[name] = total + value * images, count + images
        if self.trainer.is_last_batch:
            means = {name: total / count for name, (total, count) in self._pooled().items()}
            self.log_dict(means, on_step=False, on_epoch=True, batch_size=1)
            self._totals.clear()

    def _pooled(self) -> dict[str, list[Tensor]]:
        """Sums so far, and of how many images, over all processes."""
        add_up = self.trainer.strategy.reduce
        pooled = {}
        for name, (total, count) in self._totals.items():
            parts = (torch.as_tensor(value, device=self.device).clone() for value in (total, count))
            pooled[name] = [add_up(part, reduce_op="sum") for part in parts]
        return pooled

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Within an epoch, its figures so far are part of it."""
        checkpoint["totals"] = {name: [part.cpu() for part in parts] for name, parts in self._pooled().items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """See `on_save_checkpoint`; the first process goes on with what all had."""
        if self.trainer.is_global_zero:
            self._totals = {name: (total, int(count)) for name, (total, count) in checkpoint["totals"].items()}

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


def confusion_metric(classes: ClassSet) -> MulticlassConfusionMatrix:
    """A C×C counter, rows = real, columns = predicted, that leaves out ignored pixels and adds up over processes."""
    return MulticlassConfusionMatrix(num_classes=len(classes), ignore_index=IGNORE, validate_args=False)
