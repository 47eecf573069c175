"""The page of a run: what was done, how good the model is, where it fails, how it learnt; one self-contained file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from PIL import Image

from pointillist.data.dataset import IN_MEMORY, Dataset
from pointillist.data.images import read_image
from pointillist.errors import RunError
from pointillist.files import write_text
from pointillist.inference.boundary import TOLERANCE
from pointillist.inference.evaluate import Evaluation
from pointillist.inference.predictor import Predictor
from pointillist.report.curves import curve_svg, small_curve_svg
from pointillist.report.examples import SEED, drawn, example, worst_and_others
from pointillist.report.html import between, duration, figure, percent, render
from pointillist.report.pictures import data_url
from pointillist.report.tables import (
    MOST_CLASSES,
    all_pixels,
    class_pixels,
    confusion_matrix,
    largest,
    per_class,
    reliability,
)
from pointillist.training.metrics_table import VAL_IOU, loss_columns, read_metrics
from pointillist.training.run_directory import RunDirectory


def write_report(
    path: Path,
    run: RunDirectory,
    predictor: Predictor,
    dataset: Dataset,
    *,
    split: str | None,
    evaluation: Evaluation | None,
    command: str = "",
) -> None:
    """Write the page of a run.

    Args:
        path: The page.
        run: Its `config.yaml`, `metrics.csv` and `snapshots/` are read, as far as they are there.
        predictor: Its model.
        dataset: What is shown.
        split: Of which images some are shown; None where there are none to be shown.
        evaluation: Scores on the images of the split that have masks; None where none has.
        command: The command line that made the scores, where it is not the one that made the run.

    Raises:
        ImageError, MaskError: An image to be shown cannot be read.
        RunError: A file of the run is damaged.
        SaveError: The page cannot be written.
    """
    protocol = predictor.engine.protocol
    origin = run.origin() if run.config_file.is_file() else {}
    rows = read_metrics(run)
    commands = [("trained with", origin.get("command")), ("scored with", command)]
    data = origin.get("data") or dataset.root.resolve().name
    content = render(
        "run.html.jinja",
        title=f"{protocol['method']['name']} on {_named(data)}",
        begun=origin.get("begun", "").replace("T", " ").replace("+00:00", " UTC"),
        version=origin.get("pointillist"),
        commands=[(label, text) for label, text in commands if text],
        figures=_figures(protocol, rows, evaluation, run.metrics_file),
        evaluation=evaluation,
        scored_on="" if evaluation is None else _named(evaluation.dataset),
        scored_in="" if evaluation is None else duration(evaluation.seconds),
        ignored="" if evaluation is None else percent(evaluation.ignored / all_pixels(evaluation)),
        per_class=[] if evaluation is None else per_class(evaluation, dataset),
        absent=[] if evaluation is None else [n for n, p in class_pixels(evaluation) if p == 0],
        tolerance=percent(TOLERANCE, 2),
        confusion=None if evaluation is None else confusion_matrix(evaluation, dataset),
        calibration=None if evaluation is None else reliability(evaluation),
        examples=_examples(predictor, dataset, split, evaluation),
        split=split,
        seed=SEED,
        legend=dataset.classes.swatches(),
        curves=_curves(rows, run.metrics_file),
        class_curves=_class_curves(rows, dataset, evaluation, run.metrics_file),
        most=MOST_CLASSES,
        snapshots=_snapshots(run),
        protocol=protocol_rows(protocol),
    )
    write_text(path, content)


def _named(data: str) -> str:
    return "data in memory" if data == IN_MEMORY else data


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


def _figures(
    protocol: Mapping[str, Any], rows: Sequence[Mapping[str, str]], evaluation: Evaluation | None, file: Path
) -> list[tuple[str, str, str]]:
    """(name, value, small print) of what is read first."""
    figures = []
    if evaluation is not None:
        interval = between(evaluation.miou_interval)
        figures = [
            ("mIoU", figure(evaluation.miou), f"95 %: {interval}" if interval else ""),
            ("pixel accuracy", percent(evaluation.scores.pixel_accuracy), ""),
            ("boundary F-score", figure(evaluation.boundary_f), ""),
            ("calibration error", figure(evaluation.calibration.error), "0 is best"),
        ]
    last = {name: _series(rows[-1:], name, file)[1] for name in ("coverage", "precision", "seconds")}
    masks = protocol["method"]["name"] == "full"
    labels, images = ("learnt from", "masks") if masks else ("clicks", f"{protocol['clicks']:,}"), protocol["images"]
    figures.append((*labels, f"on {images:,} image{'s' if images != 1 else ''}"))
    for name in ("coverage", "precision"):
        if last[name]:
            figures.append((name, percent(last[name][0], 0), "of pseudo-labels, at the end"))
    if last["seconds"]:
        steps = f"{protocol['steps']:,} steps" if protocol["steps"] else "without steps"
        figures.append(("training time", duration(last["seconds"][0]), steps))
    return figures


def _examples(
    predictor: Predictor, dataset: Dataset, split: str | None, evaluation: Evaluation | None
) -> list[dict[str, Any]]:
    """The worst images and some others with their scores; some of the split, where there are no scores."""
    if split is None:
        return []
    items = {item.name: item for item in dataset.split(split)}
    scores = {} if evaluation is None else {image.name: image for image in evaluation.per_image}
    worst, others = ([], drawn(list(items))) if evaluation is None else worst_and_others(evaluation)
    shown = []
    for name in (*worst, *others):
        one = scores.get(name)
        text = "no mask"
        if one is not None:
            known = [(iou, label) for iou, label in zip(one.iou, dataset.classes.names, strict=True) if iou == iou]
            lowest = f", lowest IoU: {min(known)[1]} {figure(min(known)[0])}" if known else ""
            accuracy = f"{percent(one.pixel_accuracy)} of its pixels right"
            text = f"mIoU {figure(one.miou)}, {accuracy}, boundary F-score {figure(one.boundary_f)}{lowest}"
        picture = example({"prediction": predictor}, dataset, items[name])
        shown.append({"worst": name in worst, "text": text, "example": picture})
    return shown


def _snapshots(run: RunDirectory) -> list[dict[str, Any]]:
    folder = run.snapshots if run.snapshots.is_dir() else run.root / "panels"  # version 0.1
    found = [(re.fullmatch(r"epoch_(\d+)\.png", path.name), path) for path in sorted(folder.glob("epoch_*.png"))]
    snapshots = []
    for name, path in found:
        if name is not None:
            picture = Image.fromarray(read_image(path))
            snapshots.append({"epoch": int(name[1]), "url": data_url(picture, "JPEG"), "size": picture.size})
    return snapshots


def _series(rows: Sequence[Mapping[str, str]], column: str, file: Path) -> tuple[list[float], list[float]]:
    """Epochs and values of a column, where it has some.

    Raises:
        RunError: One of them is no number.
    """
    try:
        known = [(float(row["epoch"]), float(row[column])) for row in rows if row.get(column)]
    except (KeyError, ValueError) as error:
        hint = "It was changed since the training wrote it; without the file, the page has no curves."
        raise RunError("holds something that is no number.", where=file, field=column, hint=hint) from error
    return [x for x, _ in known], [y for _, y in known]


def _curves(rows: Sequence[Mapping[str, str]], file: Path) -> list[Markup]:
    def those(names: Mapping[str, str]) -> dict[str, tuple[list[float], list[float]]]:
        found = {label: _series(rows, column, file) for column, label in names.items()}
        return {label: series for label, series in found.items() if series[0]}

    parts = loss_columns(rows[-1]) if rows else []
    plots = {
        "loss": those({column: column.removeprefix("loss_") for column in parts}),
        "pseudo-labels": those({"coverage": "coverage", "precision": "precision"}),
        "validation": those({"val_miou": "mIoU", "val_accuracy": "pixel accuracy"}),
    }
    return [curve_svg(title, series, share=title != "loss") for title, series in plots.items() if series]


def _class_curves(
    rows: Sequence[Mapping[str, str]], dataset: Dataset, evaluation: Evaluation | None, file: Path
) -> list[tuple[dict[str, str], Markup]]:
    """IoU of each class on the validation split, as training went on."""
    shown = range(len(dataset.classes))[:MOST_CLASSES] if evaluation is None else largest(evaluation)
    swatches = dataset.classes.swatches()
    found = [(swatches[index], _series(rows, VAL_IOU + swatches[index]["name"], file)) for index in shown]
    return [(swatch, small_curve_svg(swatch["name"], *series)) for swatch, series in found if series[0]]
