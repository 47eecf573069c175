"""The page of `compare`, and of the demonstration: models on the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pointillist.classes import ClassSet
from pointillist.data.dataset import Dataset
from pointillist.files import write_text
from pointillist.inference.compare import Compared, Comparison, Scored
from pointillist.inference.predictor import Predictor
from pointillist.report.examples import Example, example
from pointillist.report.html import between, figure, render
from pointillist.training.metrics import class_iou, mean_of_known

NOTE = "Intervals say what other images of the same kind would change, not what another seed of training would."
ANSWERED = (
    "Intervals say where the figures would lie if all images that were drawn from had masks, not what another seed of "
    "training would change."
)
MOST_APART = 5
"""How many of the images are named on which models differ."""


def most_apart(scored: Sequence[Scored]) -> list[tuple[str, tuple[float, ...]]]:
    """Names of the images on which mIoU differs most between models, with each model's mIoU there."""
    miou = np.stack([mean_of_known(class_iou(*one.counts.transpose(1, 0, 2))) for one in scored])
    apart = np.nan_to_num(miou.max(axis=0) - miou.min(axis=0))
    order = [index for index in np.argsort(-apart, kind="stable")[:MOST_APART] if apart[index] > 0]
    return [(scored[0].images[index], tuple(miou[:, index].tolist())) for index in order]


def write_compared(
    path: Path,
    comparison: Comparison,
    scored: Sequence[Scored],
    predictors: Mapping[str, Predictor],
    dataset: Dataset | None,
    split: str,
    *,
    command: str = "",
) -> None:
    """Write the page of `compare`: the models, and the images on which they differ most.

    Args:
        path: The page.
        comparison: Of these models.
        scored: The models.
        predictors: Those that are there and not only their scores; they draw the pictures.
        dataset: What they were scored on; None where all models are files.
        split: Which images of it.
        command: The command line that asked for it.

    Raises:
        ImageError, MaskError: An image to be shown cannot be read.
        SaveError: The page cannot be written.
    """
    apart = most_apart(scored)
    examples = []
    if dataset is not None and predictors:
        items = {item.name: item for item in dataset.split(split)}
        for name, miou in apart:
            each = "; ".join(f"{one.name} {figure(value)}" for one, value in zip(scored, miou, strict=True))
            examples.append((example(predictors, dataset, items[name]), f"mIoU: {each}"))
    write_comparison(
        path,
        comparison,
        title=f"{len(scored)} models compared",
        subtitle="" if dataset is None else f"On the split ‘{split}’ of {dataset.root.resolve().name}.",
        command=command,
        classes=None if dataset is None else dataset.classes,
        apart=[] if examples else apart,
        examples=examples,
        examples_title="Images on which the models differ most",
    )


def write_comparison(
    path: Path,
    comparison: Comparison,
    *,
    title: str,
    subtitle: str,
    command: str = "",
    classes: ClassSet | None = None,
    figures: Sequence[tuple[str, str, str]] = (),
    more: Mapping[str, Sequence[str]] | None = None,
    apart: Sequence[tuple[str, tuple[float, ...]]] = (),
    examples: Sequence[tuple[Example, str]] = (),
    examples_title: str = "",
    protocol: Sequence[tuple[str, str]] = (),
    note: str = NOTE,
) -> None:
    """Write the page of a comparison.

    Args:
        path: The page.
        comparison: The models.
        title: Of the page.
        subtitle: What is compared.
        command: The command line that asked for it.
        classes: Colours, where they are known.
        figures: (name, value, small print) of what is read first.
        more: Further columns of the table of models: a text for each model.
        apart: Images on which they differ, see `most_apart`.
        examples: Pictures of images and what each model makes of them, each with a line of text.
        examples_title: Their heading.
        protocol: Names and values that another person needs.
        note: What the intervals say.

    Raises:
        SaveError: It cannot be written.
    """
    swatches = classes.swatches() if classes else [{"name": name, "color": ""} for name in comparison.class_names]
    content = render(
        "comparison.html.jinja",
        title=title,
        subtitle=subtitle,
        commands=[("compared with", command)] if command else [],
        figures=figures,
        more=more or {},
        models=[_row(index, model) for index, model in enumerate(comparison.models)],
        images=f"{comparison.images:,}",
        per_class=[
            {**swatch, "values": _with_best([model.iou[index] for model in comparison.models])}
            for index, swatch in enumerate(swatches)
        ],
        apart=[(name, [figure(value) for value in values]) for name, values in apart],
        examples=examples,
        examples_title=examples_title,
        legend=swatches,
        protocol=protocol,
        note=note,
    )
    write_text(path, content)


def _row(index: int, model: Compared) -> dict[str, Any]:
    low, high = model.miou_interval or (None, None)
    difference = model.difference_interval
    verdict = "not told apart"
    if difference is not None and not difference[0] <= 0 <= difference[1]:
        verdict = "better" if difference[0] > 0 else "worse"
    return {
        "index": index,
        "name": model.name,
        "made": "" if model.name == model.method else f"{model.method}, seed {model.seed}",
        "miou": figure(model.miou),
        "at": round(100 * np.nan_to_num(model.miou), 1),
        "interval": between(model.miou_interval),
        "low": None if low is None else round(100 * low, 1),
        "wide": None if low is None or high is None else round(100 * (high - low), 1),
        "difference": figure(model.difference, "+") if index else "",
        "difference_interval": between(difference, "+") if index else "",
        "verdict": verdict if index else "",
    }


def _with_best(values: Sequence[float]) -> list[tuple[str, bool]]:
    known = [value for value in values if value == value]
    best = max(known) if len(set(known)) > 1 else None
    return [(figure(value), value == best) for value in values]
