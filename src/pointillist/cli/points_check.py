"""`pointillist points check`: what does not fit, what looks wrong, and what the clicks on other images say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from pointillist.cli.display import counting, give, open_console, say_plain
from pointillist.cli.options import (
    ClassTable,
    Data,
    Device,
    Format,
    Layout,
    Points,
    Rename,
    Report,
    Settings,
    names,
    pairs,
    show_advice,
    show_checked,
)

if TYPE_CHECKING:
    from pointillist.data.dataset import Dataset

SHOWN = 20
"""Rows of each list that are printed; the report has all."""


def check(
    data: Data,
    points: Points = None,
    format_name: Format = None,
    out: Annotated[
        Path | None, typer.Option(help="Page of pictures to be written: each image with its points.")
    ] = None,
    report: Report = None,
    split: Annotated[str, typer.Option(help="Which images the page shows; 'all' for every one.")] = "all",
    max_images: Annotated[int, typer.Option(min=1, help="Pictures on the page: suspicious images first.")] = 60,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 when a point was rejected.")] = False,
    audit: Annotated[
        bool, typer.Option("--audit", help="List clicks that contradict all others, and objects nobody clicked.")
    ] = False,
    model: Annotated[
        Path | None,
        typer.Option(help="Run or model trained on these clicks: more evidence for --audit, which it implies."),
    ] = None,
    device: Device = None,
    rename: Rename = None,
    classes: ClassTable = None,
    settings: Settings = None,
    layout: Layout = None,
) -> None:
    """Find every click that does not fit a data set, those that look wrong, and classes that are clicked too rarely.

    Example: **pointillist points check berries --out check.html**

    The clicks on other images judge each click: **pointillist points check berries --audit --report audit.json**
    """
    from pointillist.data.layouts import open_dataset
    from pointillist.data.next_command import to_get_clicks
    from pointillist.errors import PointsError

    dataset = open_dataset(data, layout=layout)
    file = points or dataset.points_file
    if file is None:
        raise PointsError("has no points yet.", where=data, hint=to_get_clicks(dataset))
    dataset = dataset.with_points(
        file,
        format_name,
        options=pairs("--set", settings),
        rename=pairs("--rename", rename),
        classes=names(classes),
        strict=False,
    )
    show_checked(dataset.checked)
    found = _show_audit(dataset, model, device or "auto") if audit or model is not None else None
    advice, said = show_advice(dataset, report, **({} if found is None else {"audit": found}))
    if out is not None:
        from pointillist.report.points_page import write_points_page

        with counting("looking", len(dataset.split(split))) as done:
            write_points_page(dataset, out, split=split, max_images=max_images, advice=advice, on_image=done)
        say_plain(f"wrote {out}", "green")
    give(
        {
            **dataset.checked.report(),
            "advice": said,
            "audit": found,
        }
    )
    if strict and dataset.checked.rejections:
        raise typer.Exit(1)


def _show_audit(dataset: Dataset, model: Path | None, device: str) -> dict[str, Any]:
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
    if found.contradicting:
        say_plain(
            f"{len(found.contradicting):,} of {found.clicks:,} clicks contradict what all others say; "
            f"about {found.expected:.0f} of them are wrong"
        )
    else:
        say_plain(f"none of {found.clicks:,} clicks contradicts what all others say")
    _show(wrong, len(found.contradicting))
    say_plain(
        f"{len(found.overlooked):,} regions may be objects without a click, most to gain first. Only the top "
        "of the list is worth a look: where a fifth of all objects was left out for a test, 38 to 94 % of its first 50 "
        "were such; where all were clicked, none can be"
    )
    _show(missed, len(found.overlooked))
    return found.to_dict()


def _show(table: Table, count: int) -> None:
    if count:
        open_console().print(table)
    if count > SHOWN:
        say_plain(f"and {count - SHOWN:,} more: --report FILE.json has all")
