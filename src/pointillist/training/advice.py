"""What a user should know about the labels before a training, and which class is worth more clicks.

Objects are clicked once each, whatever their size. A class that covers most of the image, such as soil or any
background, then gets few clicks for all that it looks like, and objects are found on it (docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice

import torch
from torch import Tensor
from torch.nn import functional as F

from pointillist.data.dataset import Dataset, Item
from pointillist.data.pieces import clicks_by_class, cut_into_pieces
from pointillist.data.samples import Clicked, TrainingSamples
from pointillist.data.transforms import Geometry, Sample
from pointillist.points.click_shares import Advice, judge
from pointillist.points.questions import inclusion_of, is_question
from pointillist.training.config import DataSettings
from pointillist.training.inputs import TrainingInput
from pointillist.training.pixel_classifier import PixelEvidence, fit_pixel_classifier

LOOKED_AT, LEARNT_FROM = 24, 100
"""Images on which the shares of classes are estimated, and at most so many that a classifier learns from for that."""

PIXELS = 2000
"""About as many pixels of an image are looked at."""

ROUNDS = 100
"""Of the estimation; what is far from settled then is no class of most pixels."""

ANSWERS = 30
"""So many answers to questions know a share of one half to 18 points (95 %), better than a classifier does."""


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
    """Large classes that are clicked too rarely, see `judge`; a click that follows from the border counts as none.

    Shares of pixels are those that answers to questions say, where there are `ANSWERS` of them. Else they are estimated
    on images with clicks with a classifier of pixels: that of the samples' evidence, or one that is learnt here.

    Args:
        samples: The samples of a training from points.
        on_image: Called with the name of each image that was read.

    Raises:
        ImageError: An image cannot be read.
    """
    classes = samples.dataset.classes
    counts = {c: len(found) for c, found in samples.clicks.items() if c != classes.border_background}
    images = len({samples.pieces[index].item.name for found in samples.clicks.values() for index, _, _ in found})
    asked = answered_shares(samples.dataset, {piece.item.name for piece in samples.pieces})
    shares = class_shares(samples, on_image).tolist() if asked is None else asked
    return judge(shares, counts, images, classes.names)


def answered_shares(dataset: Dataset, images: Iterable[str]) -> list[float] | None:
    """Share of the pixels of each class (C) as answers to questions say: each stands for 1 / `inclusion` pixels.

    Answers that name no class are left out. None where fewer than `ANSWERS` name one.
    """
    answers = [point for image in images for point in dataset.points.of(image) if is_question(point)]
    if len(answers) < ANSWERS:
        return None
    weights = dict.fromkeys(dataset.classes.names, 0.0)
    for point in answers:
        weights[point.label] += 1 / inclusion_of(point)
    total = sum(weights.values())
    return [weight / total for weight in weights.values()]


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
        bare = sum(
            not item.mask_learnt and all(point.label != name for point in dataset.points.of(item.name))
            for item in items
        )
        if bare:
            lines.append(
                f"{bare} images have no click on the background '{name}'; nothing there can be learnt as such."
            )
    derived = background if dataset.classes.policy == "border" else None
    unclicked = [name for c, name in enumerate(dataset.classes.names) if name not in clicks and c != derived]
    if clicks and unclicked and not any(item.mask_learnt for item in items):
        lines.append(f"never clicked, so never predicted: {', '.join(unclicked)}.")
    return lines
