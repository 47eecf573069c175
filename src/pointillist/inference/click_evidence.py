"""What an image says about its own clicks, learnt from the clicks on other images: the ground of a click audit.

A click is seen by its pixel (colour, edges, texture, place), by the region of like colour around it, by the other
clicks near it, and by a network's probabilities where a model is given. Two learners that err in different ways, trees
and perceptrons, say which class that is. No image is judged by learners that saw it.

How many clicks an image has of each class is left out on purpose: protocols that click as often on background as on
objects would give the answer away, and nobody clicks by counting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pointillist.data.dataset import Dataset
from pointillist.data.pieces import Piece, clicks_by_class, cut_into_pieces, read_piece
from pointillist.data.regions import window_of
from pointillist.data.transforms import Geometry
from pointillist.errors import PointsError
from pointillist.inference.predictor import Predictor
from pointillist.pseudomask import distance_fields
from pointillist.training.config import DataSettings
from pointillist.training.filter_bank import PER_BAND
from pointillist.training.inputs import TrainingInput
from pointillist.training.pixel_classifier import LEVELS, NOISE, RANGE, RATE, forward, pixel_features

Floats = NDArray[np.floating]

REGIONS = (40, 300)
"""Pixels of the coarser grid around a click whose mean features are seen, the nearest by geodesic distance."""

FAR = 40.0
"""Distance at which another click says 1/e as much, pixels of that grid."""

ALIKE = 0.05
"""Mean difference of smooth features at which another click says 1/e as much."""

MEMBERS, HIDDEN, STEPS, BATCH, DROPOUT, DECAY = 2, 64, 500, 256, 0.5, 1e-2
TREES = 150


@dataclass(frozen=True)
class ClickEvidence:
    """All clicks of a data set, piece by piece.

    Args:
        pieces: Images, and pieces of large ones, that have a click.
        piece: n, which of these a click lies in.
        positions: n×2 float64 (x, y) in its pixels.
        labels: n class indices.
        features: n×F; the first `pixel_count` are those of the pixel.
        pixel_count: See there.
        near: n×4C, see `near_clicks`, of all clicks.
        network: n×C probabilities of a network; None without one.
        folds: n, which fold a click's image is in.
        places: Whether the place of a pixel is one of its features.
    """

    pieces: tuple[Piece, ...]
    piece: NDArray[np.int64]
    positions: Floats
    labels: NDArray[np.int64]
    features: Floats
    pixel_count: int
    near: Floats
    network: Floats | None
    folds: NDArray[np.int64]
    places: bool

    def seen(self) -> Floats:
        """n×F', what the learners see of each click."""
        network = [] if self.network is None else [np.log(self.network + 1e-3)]
        return np.concatenate([self.features, self.near, *network], 1).astype(np.float32)


def gather(
    dataset: Dataset,
    predictor: Predictor | None,
    folds: int,
    seed: int,
    on_image: Callable[[str], None] | None = None,
) -> tuple[Dataset, ClickEvidence]:
    """Look at every click of the training images; also gives the data set with its bands known.

    Raises:
        PointsError: Fewer than two training images have a click.
        DatasetError: The images differ in bands or type.
        ImageError: An image cannot be read.
    """
    given = TrainingInput.of(dataset, DataSettings(), "points")
    all_pieces = cut_into_pieces(given.items, given.spec.scale, Geometry(given.window).largest)
    own: dict[int, list[tuple[float, float, int]]] = {}
    for label, found in clicks_by_class(given.dataset, all_pieces).items():
        for index, x, y in found:
            own.setdefault(index, []).append((x, y, label))
    order = sorted(own)
    pieces = tuple(all_pieces[index] for index in order)
    places = all(piece.is_whole for piece in all_pieces)
    features, near, network, count = [], [], [], len(dataset.classes)
    for piece, index in zip(pieces, order, strict=True):
        sample = read_piece(given.dataset, piece, with_mask=False).whole()
        clicks = np.array(own[index])
        maps = pixel_features(sample.image[None], places)[0]
        at = _cells(clicks, sample.size, maps)
        fields = _fields(clicks, sample.image, maps)
        pixel = maps[:, at[0], at[1]].T.numpy()
        features.append(np.concatenate([pixel, regions(maps.numpy(), fields, *at)], 1))
        smooth = pixel[:, 2 * PER_BAND * len(sample.image) : LEVELS * PER_BAND * len(sample.image)]
        near.append(near_clicks(clicks, fields[:, at[0], at[1]], smooth, sample.size, maps, count))
        if predictor is not None:
            shares = network_shares(predictor, piece)
            network.append(shares[:, *_cells(clicks, sample.size, shares)].T.numpy())
        if on_image is not None:
            on_image(piece.item.name)
    clicks = np.concatenate([np.array(own[index]) for index in order])
    names = sorted({piece.item.name for piece in pieces})
    if len(names) < 2:
        hint = "Click on some more images: each is judged by what the others say."
        raise PointsError("only one image has clicks, and an audit takes two.", where=dataset.root, hint=hint)
    folds = min(folds, len(names))
    fold_of = dict(zip(names, np.random.default_rng(seed).permutation(len(names)) % folds, strict=True))
    where = np.repeat(np.arange(len(order)), [len(own[index]) for index in order])
    return given.dataset, ClickEvidence(
        pieces,
        where,
        clicks[:, :2],
        clicks[:, 2].astype(np.int64),
        np.concatenate(features),
        pixel.shape[1],
        np.concatenate(near),
        np.concatenate(network) if network else None,
        np.array([fold_of[pieces[index].item.name] for index in where]),
        places,
    )


def network_shares(predictor: Predictor, piece: Piece) -> Tensor:
    """C×H×W probabilities of a network on a piece, at the size of its file."""
    source = piece.item.image
    if not piece.is_whole:
        tall, wide = (own / whole for own, whole in zip(piece.own, piece.whole, strict=True))
        top, left = round(piece.top * tall), round(piece.left * wide)
        bottom, right = round((piece.top + piece.height) * tall), round((piece.left + piece.width) * wide)
        source = window_of(source, top, left, bottom - top, right - left)
    found = predictor.predict(source, probabilities=True).probabilities
    return torch.from_numpy(np.asarray(found, np.float32))


def _cells(clicks: Floats, size: tuple[int, int], maps: Tensor) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of clicks in maps of an image of a (height, width)."""
    rows, columns = maps.shape[1:]
    row = np.clip(clicks[:, 1] * rows // size[0], 0, rows - 1).astype(np.int64)
    return row, np.clip(clicks[:, 0] * columns // size[1], 0, columns - 1).astype(np.int64)


def _fields(clicks: Floats, image: Tensor, maps: Tensor) -> Floats:
    """n×h×w geodesic distance from each click, in pixels of the maps."""
    size = (maps.shape[1], maps.shape[2])
    scale = (size[1] / image.shape[2], size[0] / image.shape[1])
    rows = np.column_stack([clicks[:, :2] * scale, np.arange(len(clicks))])
    points = [torch.from_numpy(rows.astype(np.float32))]
    small = F.interpolate(image[None], size=size, mode="area")
    return distance_fields(points, size, len(clicks), metric="geodesic", image=small)[0].numpy()


def regions(maps: Floats, fields: Floats, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats:
    """n×R: mean features of the nearest pixels around each click, where they lie and how far they are.

    Args:
        maps: F×h×w features.
        fields: n×h×w distances from each click.
        rows: n, of the clicks.
        columns: n.
    """
    flat, width, found = maps.reshape(len(maps), -1), maps.shape[2], []
    for field, row, column in zip(fields, rows, columns, strict=True):
        parts: list[Floats] = []
        for count in REGIONS:
            nearest = np.argpartition(field.ravel(), min(count, field.size - 1))[:count]
            down, right = np.divmod(nearest, width)
            reach = np.log1p(field.ravel()[nearest].max())
            shape = [(down - row).mean(), (right - column).mean(), down.std(), right.std(), reach]
            parts += [flat[:, nearest].mean(1), np.array(shape)]
        found.append(np.concatenate(parts))
    return np.array(found)


def near_clicks(
    clicks: Floats, geodesic: Floats, smooth: Floats, size: tuple[int, int], maps: Tensor, num_classes: int
) -> Floats:
    """n×4C: how near the nearest other click of each class is, by colours, straight and in looks, and how far above.

    Args:
        clicks: n×3 (x, y, class).
        geodesic: n×n distances.
        smooth: n×S features of the larger scales.
        size: (height, width) of the image in the pixels of the clicks.
        maps: F×h×w; distances are in its pixels.
        num_classes: C.
    """
    others = ~np.eye(len(clicks), dtype=bool)
    xy = clicks[:, :2] * (maps.shape[2] / size[1], maps.shape[1] / size[0])
    straight = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    looks = np.abs(smooth[:, None] - smooth[None]).mean(2)
    measures = [(np.minimum(geodesic, geodesic.T), FAR), (straight, FAR), (looks, ALIKE)]
    found = np.zeros((4, num_classes, len(clicks)))
    for label in range(num_classes):
        known = others & (clicks[:, 2] == label)[None]
        for into, (measure, far) in zip(found, measures, strict=False):
            into[label] = np.where(known, np.exp(-measure / far), 0).max(1)
        nearest = np.where(known, straight, np.inf)
        above = xy[:, 1] - xy[nearest.argmin(1), 1]
        found[3, label] = np.where(nearest.min(1) < FAR, above, 0)
    return found.reshape(-1, len(clicks)).T


def perceptrons(features: Floats, labels: NDArray[np.int64], num_classes: int, seed: int) -> Callable[[Floats], Floats]:
    """Learn which class features mean; gives n×C probabilities of n×F features."""
    known = torch.from_numpy(features.astype(np.float32))
    mean, deviation = known.mean(0), known.std(0, correction=0) + 1e-6

    def standardised(values: Tensor) -> Tensor:
        return ((values - mean) / deviation).clamp(-RANGE, RANGE)

    random = torch.Generator().manual_seed(seed)
    sizes = [known.shape[1], HIDDEN, HIDDEN, num_classes]
    weights = [torch.randn(MEMBERS, a, b, generator=random) * (2 / a) ** 0.5 for a, b in pairwise(sizes)]
    biases = [torch.zeros(MEMBERS, 1, b) for b in sizes[1:]]
    parameters = [tensor.requires_grad_() for tensor in (*weights, *biases)]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    known, targets = standardised(known), torch.from_numpy(labels)
    for _ in range(STEPS):
        chosen = torch.randint(len(targets), (MEMBERS, BATCH), generator=random)
        maps = known[chosen]
        maps = maps + NOISE * torch.randn(maps.shape, generator=random)
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            maps = torch.baddbmm(bias, maps, weight).relu()
            maps = maps * (torch.rand(maps.shape, generator=random) >= DROPOUT) / (1 - DROPOUT)
        logits = torch.baddbmm(biases[-1], maps, weights[-1])
        loss = F.cross_entropy(logits.flatten(0, 1), targets[chosen].flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()

    @torch.no_grad()
    def classify(values: Floats) -> Floats:
        given = standardised(torch.from_numpy(values.astype(np.float32))).expand(MEMBERS, -1, -1)
        return forward(given, weights, biases).softmax(-1).mean(0).numpy().astype(np.float64)

    return classify


def trees(features: Floats, labels: NDArray[np.int64], num_classes: int, seed: int) -> Callable[[Floats], Floats]:
    """The same with extremely randomised trees."""
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(
        TREES, min_samples_leaf=2, max_features=0.3, n_jobs=torch.get_num_threads(), random_state=seed
    ).fit(features, labels)

    def classify(values: Floats) -> Floats:
        found = np.zeros((len(values), num_classes))
        found[:, forest.classes_] = forest.predict_proba(values)
        return found

    return classify


LEARNERS = (trees, perceptrons)


def held_out(given: ClickEvidence, num_classes: int, teaching: NDArray[np.bool_], seed: int) -> Sequence[Floats]:
    """n×C probabilities of each of `LEARNERS`, learnt from the teaching clicks of the other folds."""
    seen = given.seen()
    found = [np.zeros((len(seen), num_classes)) for _ in LEARNERS]
    for fold in np.unique(given.folds):
        judged = given.folds == fold
        taught = ~judged & teaching
        for into, learner in zip(found, LEARNERS, strict=True):
            into[judged] = learner(seen[taught], given.labels[taught], num_classes, seed)(seen[judged])
    return found
