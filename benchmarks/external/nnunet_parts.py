"""What of nnU-Net is set from outside: its trainer ends with a budget, its planner plans for a patch that is given.

All else is nnU-Net's own: preprocessing, network, sampling, augmentation, losses and their deep supervision, optimiser
and the form of its schedule.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

OUTSIDE = -1
"""nnU-Net's label of what lies beyond an image."""


class PatchPlanner(ExperimentPlanner):
    """nnU-Net's planner for one size of patch.

    Attributes:
        patch: (height, width) in pixels; None leaves patch and batch to nnU-Net.
        batch: Patches per step.
    """

    patch: tuple[int, int] | None = None
    batch = 4

    def get_plans_for_configuration(self, spacing: Any, median_shape: Any, *rest: Any) -> dict[str, Any]:
        """The planner never makes a patch larger than the median image, so it is told an image of the patch's size."""
        if self.patch is None:
            return super().get_plans_for_configuration(spacing, median_shape, *rest)
        plan = super().get_plans_for_configuration(spacing, list(self.patch), *rest)
        if tuple(plan["patch_size"]) != self.patch:
            sys.exit(f"nnU-Net plans a patch of {tuple(plan['patch_size'])}, not {self.patch}; choose multiples of 32.")
        return {**plan, "batch_size": self.batch, "median_image_size_in_voxels": median_shape}


class BudgetTrainer(nnUNetTrainer):
    """nnU-Net's trainer without validation, which ends when a budget is spent.

    The learning rate falls as in nnU-Net, (1 − spent/budget)^0.9, after each step instead of every 250.

    Attributes:
        budget: Of `spent`.
        ignore_padding: Whether what lies beyond an image is ignored. nnU-Net takes it for background.
        losses: Of all steps so far.
    """

    budget: float
    ignore_padding = False
    losses: list[float]

    def spent(self) -> float:
        """How much of the budget is spent."""
        raise NotImplementedError

    def run_training(self) -> None:
        """Train until the budget is spent."""
        self.losses = []
        self.num_epochs = self.budget  # the schedule's length
        self.on_train_start()
        self.network.train()
        while (spent := self.spent()) < self.budget:
            self.lr_scheduler.step(spent)
            self.losses.append(float(self.train_step(next(self.dataloader_train))["loss"]))
            if len(self.losses) % 50 == 0:
                print(
                    f"step {len(self.losses)}, {spent / self.budget:.0%}, loss {np.mean(self.losses[-50:]):.3f}",
                    flush=True,
                )

    def get_training_transforms(self, *arguments: Any, ignore_label: int | None = None, **options: Any) -> Any:
        """nnU-Net's, with another label for what lies beyond an image if asked."""
        transforms = super().get_training_transforms(*arguments, ignore_label=ignore_label, **options)
        if self.ignore_padding:
            found = [step for step in transforms.transforms if isinstance(step, RemoveLabelTansform)]
            if [step.label_value for step in found] != [OUTSIDE]:
                sys.exit("this version of nnU-Net labels padding in a way that is not known here.")
            found[0].set_to = ignore_label
        return transforms
