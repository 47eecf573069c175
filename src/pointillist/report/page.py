"""The page of a run: one self-contained HTML file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jinja2

from pointillist.classes import ClassSet
from pointillist.files import write_text
from pointillist.report.curves import curve_svg
from pointillist.training.callbacks import loss_columns, read_metrics
from pointillist.training.metrics import Scores
from pointillist.training.run_directory import RunDirectory


def write_report(
    run: RunDirectory, classes: ClassSet, protocol: Mapping[str, Any], *, scored: Scores | None, scored_on: str = ""
) -> None:
    """Write `report.html` of a finished run.

    Args:
        run: The run; its `metrics.csv` and `snapshots/` are read.
        classes: Names and colours.
        protocol: How it came about.
        scored: Scores on held-out images; None where there are no masks.
        scored_on: Which images these were, for the headings.
    """
    rows = read_metrics(run)
    figures = [("clicks", f"{protocol['clicks']:,}"), ("training images", f"{protocol['images']:,}")]
    if scored is not None:
        figures = [("mIoU on " + scored_on, f"{scored.miou:.3f}"), *figures]
        figures.append(("pixel accuracy", f"{scored.pixel_accuracy:.1%}"))
    last = rows[-1] if rows else {}
    for column in ("coverage", "precision"):
        if last.get(column):
            figures.append((f"{column} of pseudo-labels", f"{float(last[column]):.0%}"))
    if last.get("seconds"):
        figures.append(("training time", _duration(float(last["seconds"]))))
    content = render(
        title=f"{protocol['method']['name']} on {run.root.resolve().name}",
        subtitle="A segmentation network trained with pointillist.",
        figures=figures,
        lead="" if scored is not None else "There are no masks, so there are no scores: see the pictures below.",
        legend=classes.swatches(),
        snapshots=_snapshots(run),
        curves=_curves(rows),
        per_class=per_class_table({"IoU": scored}, classes, f"IoU by class, {scored_on}") if scored else None,
        protocol=protocol_rows(protocol),
    )
    write_text(run.report, content)


def render(**values: Any) -> str:
    """Fill the page's template; whatever comes from the user is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pointillist", "report"), autoescape=True, undefined=jinja2.ChainableUndefined
    )
    return environment.get_template("page.html.jinja").render(values)


def per_class_table(columns: Mapping[str, Scores], classes: ClassSet, title: str) -> dict[str, Any]:
    """IoU by class, one column per model."""
    rows = []
    for index, swatch in enumerate(classes.swatches()):
        values = [scored.iou[index] for scored in columns.values()]
        rows.append(
            {
                **swatch,
                "values": ["–" if value != value else f"{value:.3f}" for value in values],
                "width": 0 if values[0] != values[0] else round(values[0] * 100, 1),
            }
        )
    return {"title": title, "columns": list(columns), "rows": rows}


def protocol_rows(protocol: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Names and values, nested ones with dotted names."""
    rows: list[tuple[str, str]] = []
    for name, value in protocol.items():
        if isinstance(value, Mapping):
            rows += protocol_rows(value, f"{prefix}{name}.")
        else:
            several = isinstance(value, Iterable) and not isinstance(value, str)
            rows.append((f"{prefix}{name}", ", ".join(map(str, value)) if several else str(value)))
    return rows


def _snapshots(run: RunDirectory) -> list[dict[str, str]]:
    snapshots = []
    folder = run.snapshots if run.snapshots.is_dir() else run.root / "panels"  # version 0.1
    for path in sorted(folder.glob("epoch_*.png")):
        text = base64.b64encode(path.read_bytes()).decode()
        snapshots.append({"epoch": str(int(path.stem.split("_")[1])), "url": f"data:image/png;base64,{text}"})
    return snapshots


def _curves(rows: Sequence[Mapping[str, str]]) -> list[str]:
    def series(column: str) -> tuple[list[float], list[float]]:
        known = [(float(row["epoch"]), float(row[column])) for row in rows if row.get(column)]
        return [x for x, _ in known], [y for _, y in known]

    parts = loss_columns(rows[-1]) if rows else []
    losses = {column.removeprefix("loss_"): series(column) for column in parts if series(column)[0]}
    quality = {name: series(name) for name in ("coverage", "precision") if series(name)[0]}
    curves = [curve_svg("loss", losses)] if losses else []
    if quality:
        curves.append(curve_svg("pseudo-labels", quality, share=True))
    if series("val_miou")[0]:
        curves.append(curve_svg("validation mIoU", {"mIoU": series("val_miou")}, share=True))
    return curves


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
