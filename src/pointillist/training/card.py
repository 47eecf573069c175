"""The model card: what a model is, what it learnt from, how good it is, what it cannot do; for whoever gets it."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pointillist.classes import hex_color
from pointillist.training.model_file import ModelFile


@dataclass(frozen=True)
class CardScores:
    """What a model scored on images that it did not learn from.

    Args:
        split: Their split.
        images: How many.
        miou: In [0, 1].
        iou: By class, in [0, 1]; NaN where neither mask nor prediction has it.
    """

    split: str
    images: int
    miou: float
    iou: Sequence[float]


def model_card(
    model: ModelFile,
    content: dict[str, Any],
    *,
    title: str,
    data: str | None = None,
    scores: CardScores | None = None,
) -> str:
    """The text of a model card, Markdown.

    Args:
        model: What the model says about itself.
        content: The same as plain values.
        title: Heading.
        data: Name of the data set.
        scores: None where nothing was scored.
    """
    protocol, spec = content["protocol"], model.spec()
    given = model.protocol
    names = [one.name for one in model.classes]
    masks = given.clicks == 0
    learnt_from = (
        f"the masks of {given.images:,} images" if masks else f"{given.clicks:,} clicks on {given.images:,} images"
    )
    iou = [float("nan")] * len(names) if scores is None else scores.iou
    classes = [
        f"| {index} | {plain(one.name)} | `{hex_color(one.color)}` | {'–' if value != value else f'{value:.3f}'} |"
        for index, (one, value) in enumerate(zip(model.classes, iou, strict=True))
    ]
    bands = [
        f"| {plain(name)} | {low:g} | {high:g} |"
        for name, (low, high) in zip(spec.bands.names, spec.bands.ranges, strict=True)
    ]
    if scores is None:
        scored = "It was not validated, or its scores were not kept: how good it is on other images is not known."
    else:
        scored = (
            f"mIoU {scores.miou:.3f} on the {scores.images:,} images with masks of the split "
            f"'{plain(scores.split)}', from one confusion matrix over all their pixels. By class: the table above."
        )
    rows = {
        "data set": data,
        "learnt": protocol.get("learnt"),
        "hash of classes, images and clicks": protocol.get("data_fingerprint"),
        "method": given.method.name,
        "network": protocol.get("network"),
        "initial weights": protocol.get("initialisation"),
        "window": protocol.get("window"),
        "steps": f"{given.steps:,}",
        "batch size": given.batch_size,
        "learning rate": f"{given.lr:g}",
        "seed": given.seed,
        "program": f"pointillist {content.get('pointillist', '')}",
        "SHA-256 of the weights": model.sha256,
    }
    kind = "masks that people drew" if masks else "clicks of people"
    least = "" if masks else f" A class with few clicks is learnt badly; here are {given.clicks_per_image:g} per image."
    return "\n".join(
        [
            f"# {plain(title)}",
            "",
            f"A model for semantic segmentation: every pixel of an image gets one of {len(names)} classes. "
            f"It was trained with pointillist from {learnt_from}.",
            "",
            "| label | class | colour | IoU |",
            "|---|---|---|---|",
            *classes,
            "",
            "## Images it takes",
            "",
            f"{len(bands)} bands of {spec.bands.dtype}. The range is what becomes black and white; beyond it, values "
            "are cut off.",
            "",
            "| band | from | to |",
            "|---|---|---|",
            *bands,
            "",
            f"Scale: {_scale(model)}.",
            "",
            "## How it was trained",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {plain(str(value))} |" for name, value in rows.items() if value not in (None, "")),
            "",
            "## Validation",
            "",
            scored,
            "",
            "## Limits",
            "",
            "- It knows the classes above and no others: a pixel of anything else gets one of them, perhaps with high "
            "confidence.",
            "- It has learnt one kind of images. Another camera, season, place, resolution or scale can make it much "
            "worse; score it on your own images before you rely on it.",
            f"- What nobody labelled is not learnt: it was taught by {kind}, with their mistakes.{least}",
            "- Confidence is not checked on your images: see the calibration that `pointillist evaluate` reports.",
            "",
            "## How to use it",
            "",
            "```sh",
            "pip install 'pointillist[train]'",
            "pointillist predict THIS_FOLDER photos --out predictions",
            "```",
            "",
        ]
    )


def plain(text: str) -> str:
    """Text of anybody in one cell of Markdown: nothing in it is a tag, a link or a table.

    >>> plain("a|b <img> [x](y)")
    'a\\\\|b &lt;img&gt; \\\\[x\\\\](y)'
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", html.escape(line, quote=False))


def _scale(model: ModelFile) -> str:
    scale = model.spec().scale
    if scale.box is None:
        return f"images are seen at {scale.factor((1, 1)):g} times their size"
    limits = ""
    if scale.least > 0 or scale.most < float("inf"):
        limits = f", by a factor from {scale.least:g} to {scale.most:g}"
    return f"images are fitted into {scale.box[1]}×{scale.box[0]} pixels (width×height), keeping their shape{limits}"
