"""What `points check --audit` prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from pointillist.cli.display import counting, say_plain

if TYPE_CHECKING:
    from pointillist.data.dataset import Dataset

SHOWN = 20
"""Rows of each list that are printed; the report has all."""


def show_audit(dataset: Dataset, model: Path | None, device: str) -> dict[str, Any]:
    """Audit the clicks, print the first of each list, and give all of them as JSON would have it.

    Raises:
        PointsError, RunError, DatasetError, ImageError: See `audit_clicks`.
        ConfigError: The device is not available.
    """
    from pointillist.inference.click_audit import audit_clicks
    from pointillist.inference.predictor import Predictor

    predictor = None if model is None else Predictor(model, device)
    clicked = sum(1 for item in dataset.split(dataset.training_split) if dataset.points.of(item.name))
    with counting("auditing clicks", 2 * clicked) as done:
        found = audit_clicks(dataset, predictor, on_image=done)
    wrong = Table(
        Column("", justify="right"), "image", Column("x, y", justify="right"), "clicked", "others say", "wrong"
    )
    for rank, one in enumerate(found.contradicting[:SHOWN], 1):
        point = one.point
        place = f"{point.x:.0f}, {point.y:.0f}"
        labels = (escape(point.label), escape(one.others))
        wrong.add_row(f"{rank}", escape(point.image), place, *labels, f"{100 * one.probability:.0f} %")
    missed = Table(
        Column("", justify="right"),
        "image",
        Column("x, y", justify="right"),
        "looks like",
        Column("pixels", justify="right"),
    )
    for rank, region in enumerate(found.overlooked[:SHOWN], 1):
        place = f"{region.x:.0f}, {region.y:.0f}"
        missed.add_row(f"{rank}", escape(region.image), place, escape(region.label), f"{region.area:,}")
    say_plain(
        f"{len(found.contradicting):,} of {found.clicks:,} clicks contradict what all others say; "
        f"about {found.expected:.0f} of them are wrong"
    )
    _show(wrong, len(found.contradicting))
    say_plain(f"{len(found.overlooked):,} regions look like an object without a click, those with most to gain first")
    _show(missed, len(found.overlooked))
    return found.to_dict()


def _show(table: Table, count: int) -> None:
    if count:
        Console().print(table)
    if count > SHOWN:
        say_plain(f"and {count - SHOWN:,} more: --report FILE.json has all")
