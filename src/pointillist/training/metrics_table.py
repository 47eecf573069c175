"""What stands in `metrics.csv`, readable without what trains."""

from __future__ import annotations

from collections.abc import Iterable

from pointillist.errors import RunError
from pointillist.sealed import read_sealed_figures
from pointillist.training.renamed import METRICS_RENAMED
from pointillist.training.run_directory import RunDirectory

COLUMNS = (
    *("epoch", "step", "seconds", "lr", "loss", "loss_clicks", "loss_pseudo", "coverage", "precision"),
    *("val_miou", "val_accuracy"),
)
"""Columns of `metrics.csv`; what a method does not have stays empty. Further parts of a method's loss follow,
and last `val_iou` and the name of each class.

`coverage` is the share of valid pixels that have a pseudo-label, `precision` the share of those that are right."""

VAL_IOU = "val_iou "
"""What stands before the name of a class where its IoU on the validation split is logged."""


def read_metrics(run: RunDirectory) -> list[dict[str, str]]:
    """Lines of `metrics.csv` by column name; none before the first epoch is done.

    Raises:
        RunError: It is damaged, or something in it has changed.
    """
    rows = read_sealed_figures(run.metrics_file, RunError)
    return [{METRICS_RENAMED.get(name, name): value for name, value in row.items()} for row in rows]


def loss_columns(names: Iterable[str]) -> list[str]:
    """The loss, then its parts, whatever a method calls them."""
    return [name for name in names if name == "loss" or name.startswith("loss_")]


def describe(values: dict[str, float]) -> str:
    """What matters of an epoch's figures, in one line.

    >>> describe({"loss": 0.4203, "loss_clicks": 0.31, "loss_pseudo": 0.0276, "coverage": 0.71})
    'loss 0.420 (clicks 0.310, pseudo 0.028) · coverage 71 %'
    """
    parts = []
    if "loss" in values:
        each = [f"{name.removeprefix('loss_')} {values[name]:.3f}" for name in loss_columns(values) if name != "loss"]
        parts.append(f"loss {values['loss']:.3f}" + (f" ({', '.join(each)})" if each else ""))
    parts += [f"{name} {values[name]:.0%}".replace("%", " %") for name in ("coverage", "precision") if name in values]
    if "val_miou" in values:
        parts.append(f"val mIoU {values['val_miou']:.3f}")
    return " · ".join(parts)
