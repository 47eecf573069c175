"""Clicks that contradict everything else, and regions that look like an object nobody clicked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional as F

from pointillist.data.dataset import Dataset
from pointillist.data.pieces import Piece, read_piece
from pointillist.errors import RunError
from pointillist.inference.click_evidence import (
    ClickEvidence,
    Floats,
    gather,
    held_out,
    network_shares,
    perceptrons,
)
from pointillist.inference.predictor import Predictor
from pointillist.points.table import Point
from pointillist.training.pixel_classifier import pixel_features

LISTED = 0.5
"""Clicks that are wrong with at least this probability are listed."""

FOLDS = 5
TEMPERATURES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
"""Powers of the probabilities among which the most likely is taken: learners are too sure, or not sure enough."""

BLUR = 1.5
"""σ by which evidence is smoothed before regions are cut out, pixels of the coarser grid."""

LEAST_SHARE = 0.001
"""Regions of a smaller share of their image are not listed: nobody sees them where the image fits the screen."""

PER_IMAGE = 10
"""Most regions listed of one image, those of the largest gain."""


@dataclass(frozen=True)
class Contradiction:
    """A click that others contradict.

    Args:
        point: The click.
        others: The class that everything else says.
        probability: That the click is wrong, 0 to 1.
    """

    point: Point
    others: str
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        point = self.point
        place = {"image": point.image, "x": point.x, "y": point.y, "class": point.label, "line": point.line}
        return {**place, "others": self.others, "probability": round(self.probability, 4)}


@dataclass(frozen=True)
class Overlooked:
    """A region that looks like an object without a click.

    Args:
        image: Name of the image.
        x: Of a pixel in its middle, pixels of the image's file, continuous, from the left edge.
        y: From the top edge.
        label: The class it looks like.
        score: How much likelier that class is there than the one of the nearest click, mean over the region, −1 to 1.
        area: Pixels of the image's file.
    """

    image: str
    x: float
    y: float
    label: str
    score: float
    area: int

    @property
    def gain(self) -> float:
        """Pixels that a click is expected to set right."""
        return self.score * self.area

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        place = {"image": self.image, "x": round(self.x, 1), "y": round(self.y, 1), "class": self.label}
        return {**place, "score": round(self.score, 4), "area": self.area, "gain": round(self.gain, 1)}


@dataclass(frozen=True)
class ClickAudit:
    """What an audit found, the most urgent first.

    Args:
        contradicting: Clicks that are probably wrong, the surest first.
        overlooked: Regions that look like objects without a click, those with the most to gain first.
        clicks: Number of clicks judged.
        wrong: Estimated number of wrong clicks among them, listed or not.
    """

    contradicting: tuple[Contradiction, ...]
    overlooked: tuple[Overlooked, ...]
    clicks: int
    wrong: float

    @property
    def expected(self) -> float:
        """How many of the listed contradictions are expected to be wrong clicks."""
        return sum(one.probability for one in self.contradicting)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, ranks being places in the lists."""
        return {
            "clicks": self.clicks,
            "estimated_wrong": round(self.wrong, 1),
            "listed_expected_wrong": round(self.expected, 1),
            "contradicting": [{"rank": rank, **one.to_dict()} for rank, one in enumerate(self.contradicting, 1)],
            "overlooked": [{"rank": rank, **one.to_dict()} for rank, one in enumerate(self.overlooked, 1)],
        }


def audit_clicks(
    dataset: Dataset,
    model: Predictor | None = None,
    *,
    least: float = LISTED,
    folds: int = FOLDS,
    seed: int = 0,
    on_image: Callable[[str], None] | None = None,
) -> ClickAudit:
    """Judge every click of the training images by what all others say, and look for objects nobody clicked.

    Args:
        dataset: A data set with clicks.
        model: A model trained on it; what it says is evidence, too.
        least: Least probability of a click that is listed as wrong.
        folds: Groups of images; each is judged by learners that saw the others only.
        seed: Of groups and learners.
        on_image: Called with the name of each image that was read: once for its clicks, once for its regions.

    Raises:
        PointsError: Fewer than two training images have a click.
        RunError: The model has other classes than the data set.
        DatasetError: The images differ in bands or type.
        ImageError: An image cannot be read.
    """
    names = dataset.classes.names
    if model is not None and model.classes.names != names:
        found = f"the model knows the classes {', '.join(model.classes.names)}; the data set has {', '.join(names)}."
        raise RunError(found, field="classes", hint="Take a model that was trained on this data set.")
    known, given = gather(dataset, model, folds, seed, on_image)
    trusted = np.ones(len(given.labels), dtype=bool)
    for _ in range(2):  # those that look wrong do not teach the second time
        mixed = _mixed(held_out(given, len(names), trusted, seed), given.labels)
        probabilities, wrong, rate = wrong_probabilities(mixed, given.labels)
        trusted = wrong < LISTED
    points = _points(known, given)
    contradicting = [
        Contradiction(point, names[int(np.argmax(shares * (np.arange(len(names)) != label)))], float(share))
        for point, share, shares, label in zip(points, wrong, probabilities, given.labels, strict=True)
        if point is not None and share >= least
    ]
    regions: list[Overlooked] = []
    for fold in np.unique(given.folds):
        taught = (given.folds != fold) & trusted
        pixels = given.features[taught, : given.pixel_count]
        classify = perceptrons(pixels, given.labels[taught], len(names), seed)
        for index in np.unique(given.piece[given.folds == fold]):
            regions += _overlooked(known, given, int(index), classify, model)
            if on_image is not None:
                on_image(given.pieces[index].item.name)
    return ClickAudit(
        tuple(sorted(contradicting, key=lambda one: -one.probability)),
        tuple(sorted(regions, key=lambda one: -one.gain)),
        len(points) - points.count(None),
        rate * len(given.labels),
    )


def _mixed(found: Sequence[Floats], labels: NDArray[np.int64]) -> Floats:
    """The mixture of what two learners say that makes the clicks most likely."""
    first, second = found
    mixtures = [share * first + (1 - share) * second for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return max(mixtures, key=lambda one: _noise(one, labels)[1])


def _noise(shares: Floats, labels: NDArray[np.int64]) -> tuple[float, float]:
    """The most likely rate of clicks of a uniformly wrong class, and the mean log-likelihood under it."""
    own = shares[np.arange(len(labels)), labels]
    other = (1 - own) / max(shares.shape[1] - 1, 1)
    rate = 0.05
    for _ in range(50):
        rate = float((rate * other / np.maximum(rate * other + (1 - rate) * own, 1e-12)).mean())
    return rate, float(np.log(np.maximum((1 - rate) * own + rate * other, 1e-12)).mean())


def wrong_probabilities(shares: Floats, labels: NDArray[np.int64]) -> tuple[Floats, Floats, float]:
    """Which clicks are wrong, if some share of them has a wrong class, each as likely.

    The share and the sharpness of the probabilities are the most likely ones.

    Args:
        shares: n×C held-out probabilities of the classes.
        labels: n classes that were clicked.

    Returns:
        n×C sharpened probabilities; n probabilities to be wrong; the share of wrong clicks.
    """
    sharpened = []
    for power in TEMPERATURES:
        raised = np.maximum(shares, 1e-4) ** power
        sharpened.append(raised / raised.sum(1, keepdims=True))
    best = max(sharpened, key=lambda one: _noise(one, labels)[1])
    rate, _ = _noise(best, labels)
    own = best[np.arange(len(labels)), labels]
    other = (1 - own) / max(best.shape[1] - 1, 1)
    return best, rate * other / (rate * other + (1 - rate) * own), rate


def _points(dataset: Dataset, given: ClickEvidence) -> list[Point | None]:
    """The click of the data set that each is; None where it was made from the image's border."""
    found: list[Point | None] = []
    for index, (x, y), label in zip(given.piece, given.positions, given.labels, strict=True):
        place = _in_file(given.pieces[index], x, y)
        same = [
            (abs(point.x - place[0]) + abs(point.y - place[1]), n, point)
            for n, point in enumerate(dataset.points.of(given.pieces[index].item.name))
            if point.label == dataset.classes.names[label]
        ]
        nearest = min(same, default=None)
        found.append(nearest[2] if nearest is not None and nearest[0] < 1e-3 else None)
    return found


def _in_file(piece: Piece, x: float, y: float) -> tuple[float, float]:
    """Where a place of a piece is in the image's file."""
    (height, width), (tall, wide) = piece.own, piece.whole
    return (x + piece.left) * width / wide, (y + piece.top) * height / tall


def _overlooked(
    dataset: Dataset,
    given: ClickEvidence,
    index: int,
    classify: Callable[[Floats], Floats],
    model: Predictor | None,
) -> list[Overlooked]:
    """Regions of one piece."""
    piece = given.pieces[index]
    sample = read_piece(dataset, piece, with_mask=False).whole()
    maps = pixel_features(sample.image[None], given.places)[0]
    size = (maps.shape[1], maps.shape[2])
    shares = classify(maps.flatten(1).T.numpy()).T.reshape(-1, *size)
    if model is not None:
        network = F.interpolate(network_shares(model, piece)[None], size=size, mode="area")[0].numpy()
        shares = np.sqrt(np.maximum(shares, 1e-4) * np.maximum(network, 1e-4))
    shares = np.stack([ndimage.gaussian_filter(one, BLUR) for one in shares])
    shares /= shares.sum(0)
    here = given.piece == index
    scale = np.array([size[1] / piece.width, size[0] / piece.height])
    columns, rows = np.minimum((given.positions[here] * scale).astype(int), np.array(size)[::-1] - 1).T
    seeds = np.full(size, -1)
    seeds[rows, columns] = given.labels[here]
    valid = F.adaptive_avg_pool2d(sample.valid[None].float(), size)[0].numpy() > 0.5
    down, right = ndimage.distance_transform_edt(seeds < 0, return_distances=False, return_indices=True)
    claimed = np.take_along_axis(shares, seeds[down, right][None], 0)[0]
    said, found = np.where(valid, shares.argmax(0), -1), []
    unit = piece.own[0] * piece.own[1] / (piece.whole[0] * piece.whole[1]) / float(np.prod(scale))
    for label in range(len(dataset.classes)):
        if label == dataset.classes.background:
            continue
        parts, count = ndimage.label(said == label, structure=np.ones((3, 3)))
        sizes = np.bincount(parts.ravel(), minlength=count + 1)
        answered = set(parts[rows, columns].tolist())
        for part in range(1, count + 1):
            if part in answered or sizes[part] < LEAST_SHARE * parts.size:
                continue
            inside = parts == part
            score = float((shares[label] - claimed)[inside].mean())
            depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
            row, column = np.unravel_index(int(depth.argmax()), size)
            x, y = _in_file(piece, (column + 0.5) / scale[0], (row + 0.5) / scale[1])
            name, area = dataset.classes.names[label], round(int(sizes[part]) * unit)
            found.append(Overlooked(piece.item.name, float(x), float(y), name, score, area))
    return sorted(found, key=lambda one: -one.gain)[:PER_IMAGE]
