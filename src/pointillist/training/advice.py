"""What a user should know about the labels before a training, and which class is worth more clicks.

Objects are clicked once each, whatever their size. A class that covers most of the image, such as soil or any
background, then gets few clicks for all that it looks like, and objects are found on it (docs/experiments.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pointillist.data.dataset import Dataset, Item
from pointillist.data.pieces import clicks_by_class, cut_into_pieces
from pointillist.data.samples import Clicked, TrainingSamples
from pointillist.data.transforms import Geometry, Sample
from pointillist.training.config import DataSettings
from pointillist.training.inputs import TrainingInput
from pointillist.training.pixel_classifier import PixelEvidence, fit_pixel_classifier

LOOKED_AT, LEARNT_FROM = 24, 100
"""Images on which the shares of classes are estimated, and at most so many that a classifier learns from for that."""

PIXELS = 2000
"""About as many pixels of an image are looked at."""

ROUNDS = 100
"""Of the estimation; what is far from settled then is no class of most pixels."""

LARGE = 0.5
"""A class of a smaller share of the pixels is not judged: only background was measured, and estimates are rougher."""

RARE, ENOUGH = 0.45, 0.5
"""A class is clicked too rarely whose share of clicks is below `RARE` times its share of pixels; enough at `ENOUGH`.

On peanut fields soil has 0.39 of its share with one click per piece of it, which teaches too little, and 0.57 with as
many clicks as all plants, which teaches enough.
"""


@dataclass(frozen=True)
class Advice:
    """A class that is worth more clicks.

    Args:
        label: The class.
        pixels: Its share of the pixels, 0 to 1, estimated.
        clicks: Its share of the clicks.
        more: How many clicks more bring it to `ENOUGH` of its share of the pixels.
        images: Images with clicks.
    """

    label: str
    pixels: float
    clicks: float
    more: int
    images: int

    def __str__(self) -> str:
        step = 10 ** max(0, len(str(self.more)) - 2)
        more, each = round(self.more / step) * step, self.more / self.images
        where = f"{each:.0f} an image" if each > 2 / 3 else f"one in every {round(1 / each)} images"
        return (
            f"{self.label} covers about {100 * self.pixels:.0f} % of the pixels and has {100 * self.clicks:.0f} % of "
            f"the clicks: about {more:,} clicks more on it, {where}, are worth it."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, and the text."""
        return {
            "class": self.label,
            "share_of_pixels": round(self.pixels, 3),
            "share_of_clicks": round(self.clicks, 3),
            "clicks_more": self.more,
            "images": self.images,
            "text": str(self),
        }


def advice_for(dataset: Dataset, on_image: Callable[[str], None] | None = None) -> list[Advice]:
    """`rarely_clicked` of a data set, at the scale at which it is learnt unless the settings say otherwise.

    Args:
        dataset: A data set.
        on_image: Called with the name of each image that was read.

    Raises:
        PointsError: No training image has a click.
        DatasetError: The images differ in bands or type.
        ImageError: An image cannot be read.
    """
    given = TrainingInput.of(dataset, DataSettings(), "points")
    geometry = Geometry(given.window)
    pieces = cut_into_pieces(given.items, given.spec.scale, geometry.largest)
    clicks = clicks_by_class(given.dataset, pieces)
    return rarely_clicked(TrainingSamples(given.dataset, pieces, clicks=clicks, geometry=geometry), on_image)


def rarely_clicked(samples: TrainingSamples, on_image: Callable[[str], None] | None = None) -> list[Advice]:
    """Classes of more than `LARGE` of the pixels that are clicked too rarely; each border click counts as none.

    Shares of pixels are estimated on images with clicks with a classifier of pixels: that of the samples' evidence, or
    one that is learnt here.

    Args:
        samples: The samples of a training from points.
        on_image: Called with the name of each image that was read.

    Raises:
        ImageError: An image cannot be read.
    """
    classes = samples.dataset.classes
    counts = {c: len(found) for c, found in samples.clicks.items() if c != classes.border_background}
    images = len({samples.pieces[index].item.name for found in samples.clicks.values() for index, _, _ in found})
    advice = []
    for label, pixels in enumerate(class_shares(samples, on_image).tolist()):
        total, own = sum(counts.values()), counts.get(label, 0)
        if label in counts and pixels > LARGE and own < RARE * pixels * total:
            wanted = ENOUGH * pixels
            more = math.ceil((wanted * total - own) / (1 - wanted))
            advice.append(Advice(classes.names[label], pixels, own / total, more, images))
    return advice


@torch.no_grad()
def class_shares(samples: TrainingSamples, on_image: Callable[[str], None] | None = None) -> Tensor:
    """Share of the pixels of each class (C), estimated on some of the images with clicks.

    A classifier that learnt from clicks expects the classes as often as they were clicked. How often they are is the
    point at which that expectation and the mean of what it finds agree: Saerens, Latinne, Decaestecker, *Adjusting the
    Outputs of a Classifier to New a Priori Probabilities*, Neural Computation 2002. It serves for large classes; small
    ones may vanish.

    Raises:
        ImageError: An image cannot be read.
    """
    classes = samples.dataset.classes

    def told(clicked: Clicked) -> Clicked:
        if on_image is not None:
            on_image(clicked.sample.name)
        return clicked

    drawn = map(told, samples.clicked())
    looked_at = list(islice(drawn, LOOKED_AT))
    evidence = samples.evidence_of
    if not isinstance(evidence, PixelEvidence):
        learnt_from = chain(looked_at, islice(drawn, LEARNT_FROM - LOOKED_AT))
        with torch.enable_grad():
            classifier = fit_pixel_classifier(learnt_from, len(classes), balance=0.5, prior_correction=0.0, seed=0)
        evidence = PixelEvidence(classifier, classes.background)
    found = torch.cat([_pixels(one.sample, evidence, len(classes)) for one in looked_at])
    shares = expected = evidence.classifier.prior_left / evidence.classifier.prior_left.sum()
    for _ in range(ROUNDS):
        sharper = found * (shares / expected)
        shares = (sharper / sharper.sum(1, keepdim=True).clamp(min=1e-12)).mean(0)
    return shares


def _pixels(sample: Sample, evidence: PixelEvidence, num_classes: int) -> Tensor:
    """n×C probabilities of some pixels with data."""
    planes, classes = evidence(sample.image, sample.points)
    step = max(1, round((planes[0].numel() / PIXELS) ** 0.5))
    valid = F.adaptive_avg_pool2d(sample.valid[None].float(), (planes.shape[1], planes.shape[2]))[0] > 0.5
    found = torch.zeros(int(valid[::step, ::step].sum()), num_classes)
    found[:, classes] = planes[:, ::step, ::step][:, valid[::step, ::step]].T
    return found


def label_warnings(dataset: Dataset, items: Sequence[Item], supervision: str) -> list[str]:
    """What a user should know about the labels before a long training."""
    lines = []
    split = dataset.split(dataset.training_split)
    if len(items) < len(split):
        lines.append(f"{len(split) - len(items)} of {len(split)} training images have no label and are left out.")
    if supervision == "masks":
        return lines
    if dataset.rejected is not None and dataset.rejected.rejections:
        total = len(dataset.points) + len(dataset.rejected.rejections)
        why = ", ".join(f"{count:,} {reason}" for reason, count in dataset.rejected.reasons().most_common())
        lines.append(f"{len(dataset.points):,} of {total:,} points are used; left out: {why}.")
    clicks = {point.label for item in items for point in dataset.points.of(item.name)}
    background = dataset.classes.background
    if dataset.classes.policy == "points" and background is not None and clicks:
        name = dataset.classes.names[background]
        bare = sum(1 for item in items if all(point.label != name for point in dataset.points.of(item.name)))
        if bare:
            lines.append(
                f"{bare} images have no click on the background '{name}'; nothing there can be learnt as such."
            )
    derived = background if dataset.classes.policy == "border" else None
    unclicked = [name for c, name in enumerate(dataset.classes.names) if name not in clicks and c != derived]
    if clicks and unclicked:
        lines.append(f"never clicked, so never predicted: {', '.join(unclicked)}.")
    return lines
