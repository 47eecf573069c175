"""From a data set's files to training batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pointillist.classes import IGNORE
from pointillist.data.dataset import Dataset, Item
from pointillist.data.images import image_size
from pointillist.data.inputs import Scale
from pointillist.data.pieces import Piece, PlanesOf, read_piece
from pointillist.data.store import SampleStore
from pointillist.data.transforms import Geometry, Sample, StoredSample, jitter_colors


@dataclass(frozen=True)
class Batch:
    """What a training step sees.

    Args:
        names: Names of the B images.
        augmented: B×K×H×W in [0, 1], what the network sees: colours jittered.
        image: B×K×H×W in [0, 1], the same without the jitter, for whatever looks at true colours.
        points: Per image N×3 (x, y, class); clicks outside the window keep their coordinates.
        valid: B×H×W bool, False on padding and where there is no data.
        mask: B×H×W class indices, 255 = ignore; for a method that learns from points those of `mask_learnt` alone.
        scales: B times √(H·W) of the whole image in pixels, see `Sample`.
        distances: B×C×H×W in pixels, +inf for classes without a click; None when not asked for.
        evidence: B×C×H×W in [0, 1], 0 for classes that cannot be there; None when not asked for.
        presence: Per image, how likely each of the C classes is somewhere in it; None where objects were clicked, so
            that it follows from the clicks.
        mask_learnt: B bool, of which images a method that learns from points learns the mask, too.
    """

    names: tuple[str, ...]
    augmented: Tensor
    image: Tensor
    points: tuple[Tensor, ...]
    valid: Tensor
    scales: Tensor
    mask: Tensor | None = None
    distances: Tensor | None = None
    evidence: Tensor | None = None
    presence: tuple[Tensor | None, ...] | None = None
    mask_learnt: Tensor | None = None

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        names = ("augmented", "image", "valid", "mask", "distances", "evidence", "mask_learnt")
        planes = {name: plane for name in names if (plane := getattr(self, name)) is not None}
        moved: dict[str, Any] = {name: plane.to(device, non_blocking=True) for name, plane in planes.items()}
        return replace(self, points=tuple(points.to(device, non_blocking=True) for points in self.points), **moved)

    def for_points(self) -> Batch:
        """The same batch for a method that learns from points: it cannot see a mask that it must not use."""
        mask = self.mask
        if mask is None or self.mask_learnt is None or not self.mask_learnt.any():
            return replace(self, mask=None)
        return replace(self, mask=mask.masked_fill(~self.mask_learnt[:, None, None], IGNORE))


def read_sample(dataset: Dataset, item: Item, scale: Scale, *, with_mask: bool) -> Sample:
    """Read one whole image with its clicks, and its mask if asked, at the scale of training.

    Raises:
        ImageError: The image cannot be read.
        MaskError: The mask cannot be read or does not fit.
    """
    own = image_size(item.image)
    whole = scale.size_of(own)
    piece = Piece(item, own, whole, 0, 0, *whole)
    return read_piece(dataset.with_bands(), piece, with_mask=with_mask).whole()


class Clicked(NamedTuple):
    """A piece and its own clicks.

    Attributes:
        sample: With all clicks that count for it, some of them outside.
        clicks: N×3 float32 (x, y, class) of those that lie in it, and are given with no other piece.
        whole: Whether all images of the training are learnt whole, none in pieces.
    """

    sample: Sample
    clicks: Tensor
    whole: bool


ClickedImages = Callable[[int | None], Iterator[Clicked]]
"""See `TrainingSamples.clicked`: all that a method may look at before the first step."""


@dataclass(eq=False, repr=False)
class TrainingSamples(torch.utils.data.Dataset[tuple[Sample, Tensor]]):
    """Samples drawn for training; `samples[piece_index, sample_index]` is a function of the data, the seed and the two
    numbers.

    A share of the draws is *balanced*: first a class is drawn, then one of its clicks, then a window that holds it. So
    rarely clicked classes are seen as often as others, and every click of a class as often as its other clicks. The
    other draws take any window of the piece, clicked or not.

    Args:
        dataset: The data set, its bands known.
        pieces: Images, and pieces of large ones, to draw from.
        clicks: Their clicks, see `clicks_by_class`; without any, no draw is balanced.
        geometry: Random geometric transformation.
        balanced: Share of balanced draws.
        color_jitter: See `jitter_colors`.
        seed: Seed of all transformations.
        with_masks: Whether masks are opened that no method asks for; see also `Item.mask_learnt`.
        distances_of: Makes distances once for each piece; they then move with it.
        evidence_of: Makes evidence in the same way.
        cache_bytes: Samples are kept in so many bytes of memory, and of a temporary folder.
    """

    dataset: Dataset
    pieces: Sequence[Piece]
    _: KW_ONLY
    clicks: Mapping[int, Sequence[tuple[int, float, float]]] = field(default_factory=dict)
    geometry: Geometry
    balanced: float = 0.0
    color_jitter: float = 0.0
    seed: int = 0
    with_masks: bool = False
    distances_of: PlanesOf | None = None
    evidence_of: PlanesOf | None = None
    cache_bytes: InitVar[tuple[int, int]] = (0, 0)

    def __post_init__(self, cache_bytes: tuple[int, int]) -> None:
        self._store = SampleStore(*cache_bytes)

    def __len__(self) -> int:
        return len(self.pieces)

    @cached_property
    def collate(self) -> Collate:
        """Joins these samples into batches."""
        learnt = frozenset(piece.item.name for piece in self.pieces if piece.item.mask_learnt)
        return Collate(len(self.dataset.classes), learnt)

    def stored(self, index: int) -> StoredSample:
        """A piece, not yet cut."""
        found = self._store.get(index)
        if found is None:
            found = read_piece(
                self.dataset,
                self.pieces[index],
                with_mask=self.with_masks or self.pieces[index].item.mask_learnt,
                distances_of=self.distances_of,
                evidence_of=self.evidence_of,
            )
            self._store.put(index, found)
        return found

    def untransformed(self, index: int) -> Sample:
        """A piece at the scale of training, not transformed."""
        return self.stored(index).whole()

    def clicked(self, per_class: int | None = None) -> Iterator[Clicked]:
        """Pieces that have a click, each once, without mask and planes, in a seeded order.

        Args:
            per_class: Clicks of each class that are enough: pieces with rare classes come first, and no more pieces are
                read than it takes. None goes through all.

        Raises:
            ImageError: An image cannot be read.
        """
        own: dict[int, list[tuple[float, float, int]]] = {}
        for label, found in self.clicks.items():
            for index, x, y in found:
                own.setdefault(index, []).append((x, y, label))
        order: list[int] = np.random.default_rng([self.seed, 2]).permutation(sorted(own)).tolist()
        if per_class is not None:
            order = self._enough(order, own, per_class)
        whole = all(piece.is_whole for piece in self.pieces)
        for index in order:
            sample = read_piece(self.dataset, self.pieces[index], with_mask=False).whole()
            yield Clicked(sample, torch.tensor(own[index]), whole)

    def _enough(
        self, order: Sequence[int], own: Mapping[int, Sequence[tuple[float, float, int]]], per_class: int
    ) -> list[int]:
        """The pieces that it takes to have so many clicks of each class."""
        chosen: dict[int, None] = {}
        counts: Counter[int] = Counter()
        for label, _ in sorted(self.clicks.items(), key=lambda item: len(item[1])):
            for index in order:
                labels = [int(row[2]) for row in own[index]]
                if counts[label] < per_class and label in labels and index not in chosen:
                    chosen[index] = None
                    counts.update(labels)
        return list(chosen)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Sample, Tensor]:
        index, sample_index = key
        rng = np.random.default_rng([self.seed, sample_index])
        around = None
        if self.clicks and rng.random() < self.balanced:
            clicks = self.clicks[sorted(self.clicks)[int(rng.integers(len(self.clicks)))]]
            index, x, y = clicks[int(rng.integers(len(clicks)))]
            around = (x, y)
        sample = self.geometry(self.stored(index), rng, around)
        return sample, jitter_colors(sample.image, self.color_jitter, rng)


@dataclass(frozen=True)
class Collate:
    """Joins samples of one size into a batch; a plain class, so that loader workers of every system can receive it.

    Args:
        num_classes: C of the distances.
        masks_learnt: Names of the images whose masks every method learns from.
    """

    num_classes: int
    masks_learnt: frozenset[str] = frozenset()

    def __call__(self, drawn: Sequence[tuple[Sample, Tensor]]) -> Batch:
        """Stack."""
        samples = [sample for sample, _ in drawn]
        mask = None
        if any(sample.mask is not None for sample in samples):
            masks = [torch.full(sample.size, IGNORE) if sample.mask is None else sample.mask for sample in samples]
            mask = torch.stack(masks)
        return Batch(
            names=tuple(sample.name for sample in samples),
            augmented=torch.stack([augmented for _, augmented in drawn]),
            image=torch.stack([sample.image for sample in samples]),
            points=tuple(sample.points for sample in samples),
            valid=torch.stack([sample.valid for sample in samples]),
            scales=torch.tensor([sample.scale for sample in samples]),
            mask=mask,
            distances=self._planes([(s.distances, s.distance_classes) for s in samples], torch.inf),
            evidence=self._planes([(s.evidence, s.evidence_classes) for s in samples], 0.0),
            presence=tuple(sample.presence for sample in samples),
            mask_learnt=torch.tensor([sample.name in self.masks_learnt for sample in samples]),
        )

    def _planes(self, given: Sequence[tuple[Tensor | None, Tensor | None]], fill: float) -> Tensor | None:
        """B×C×H×W of the planes of each sample's own classes."""
        sizes = [planes.shape[1:] for planes, _ in given if planes is not None]
        if not sizes:
            return None
        joined = torch.full((len(given), self.num_classes, *sizes[0]), fill)
        for image, (planes, classes) in zip(joined, given, strict=True):
            if planes is not None and classes is not None:
                image[classes] = planes
        return joined
