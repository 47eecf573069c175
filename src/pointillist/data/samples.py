"""From a data set's files to training batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointillist.classes import IGNORE
from pointillist.data.dataset import Dataset, Item
from pointillist.data.images import read_image
from pointillist.data.transforms import Geometry, Sample, fit_size, jitter_colors, resize_image, resize_labels
from pointillist.points.border import with_border_points

DistancesOf = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Makes distances to the clicks on a whole image: (image 3×H×W, points N×3) → (distances P×H×W, their classes P)."""


@dataclass(frozen=True)
class Batch:
    """What a training step sees.

    Args:
        names: Names of the B images.
        augmented: B×3×H×W in [0, 1], what the network sees: colours jittered.
        image: B×3×H×W in [0, 1], the same without the jitter, for whatever looks at true colours.
        points: Per image N×3 (x, y, class); clicks outside the window keep their coordinates.
        valid: B×H×W bool, False on padding.
        mask: B×H×W class indices, 255 = ignore; None in a batch for a method that learns from points.
        scales: B times √(H·W) of the whole image in pixels, see `Sample`.
        distances: B×C×H×W in pixels, +inf for classes without a click; None when not asked for.
    """

    names: tuple[str, ...]
    augmented: Tensor
    image: Tensor
    points: tuple[Tensor, ...]
    valid: Tensor
    scales: Tensor
    mask: Tensor | None = None
    distances: Tensor | None = None

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        names = ("augmented", "image", "valid", "mask", "distances")
        planes = {name: plane for name in names if (plane := getattr(self, name)) is not None}
        moved: dict[str, Any] = {name: plane.to(device, non_blocking=True) for name, plane in planes.items()}
        return replace(self, points=tuple(points.to(device, non_blocking=True) for points in self.points), **moved)

    def without_masks(self) -> Batch:
        """The same batch for a method that learns from points: it cannot see what it must not use."""
        return replace(self, mask=None)


def read_sample(dataset: Dataset, item: Item, size: tuple[int, int] | None, *, with_mask: bool) -> Sample:
    """Read one image with its clicks, and its mask if asked, at the scale of training.

    Args:
        dataset: The data set.
        item: One of its images.
        size: (height, width) the image is fitted into, keeping its shape; None keeps its own size.
        with_mask: Whether to open the mask, where there is one.

    Raises:
        ImageError: The image cannot be read.
        MaskError: The mask cannot be read or does not fit.
    """
    pixels = read_image(item.image)
    height, width = pixels.shape[:2]
    target = fit_size((height, width), size)
    clicks = np.array(
        [(p.x, p.y, dataset.classes.index(p.label)) for p in dataset.points.of(item.name)], dtype=np.float64
    ).reshape(-1, 3)
    clicks[:, :2] *= (target[1] / width, target[0] / height)
    clicks = with_border_points(clicks, target, dataset.classes.border_background)
    mask = None
    if with_mask and item.mask is not None:
        labels = dataset.masks.read(item.mask, (height, width))
        mask = torch.from_numpy(resize_labels(labels, target).astype(np.int64))
    return Sample(
        name=item.name,
        image=image_tensor(resize_image(pixels, target)),
        points=torch.from_numpy(clicks.astype(np.float32)),
        valid=torch.ones(target, dtype=torch.bool),
        mask=mask,
        scale=(target[0] * target[1]) ** 0.5,
    )


def image_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """H×W×3 uint8 → 3×H×W float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float().div_(255)


@dataclass(eq=False, repr=False)
class TrainingSamples(torch.utils.data.Dataset[tuple[Sample, Tensor]]):
    """Samples drawn for training; `samples[image_index, sample_index]` is a function of the data,
    the seed and the two numbers.

    Args:
        dataset: The data set.
        items: Images to draw from.
        size: Scale of training, see `read_sample`.
        geometry: Random geometric transformation.
        color_jitter: See `jitter_colors`.
        seed: Seed of all transformations.
        with_masks: Whether masks are opened.
        distances_of: Makes distances on the whole image, once per image; they then move with it.
        cache_bytes: Decoded samples are kept in memory up to this many bytes.
    """

    dataset: Dataset
    items: Sequence[Item]
    _: KW_ONLY
    size: tuple[int, int] | None
    geometry: Geometry
    color_jitter: float = 0.0
    seed: int = 0
    with_masks: bool = False
    distances_of: DistancesOf | None = None
    cache_bytes: InitVar[int] = 0
    _cache: dict[int, Sample] = field(default_factory=dict, init=False)

    def __post_init__(self, cache_bytes: int) -> None:
        self._room = cache_bytes

    def __len__(self) -> int:
        return len(self.items)

    def untransformed(self, index: int) -> Sample:
        """The image at the scale of training, not transformed."""
        if (cached := self._cache.get(index)) is not None:
            mask = None if cached.mask is None else cached.mask.long()
            return replace(cached, image=cached.image.float().div_(255), mask=mask)
        sample = read_sample(self.dataset, self.items[index], self.size, with_mask=self.with_masks)
        if self.distances_of is not None:
            distances, classes = self.distances_of(sample.image, sample.points)
            sample = replace(sample, distances=distances, distance_classes=classes)
        # Images came from 8 bits, so keeping 8 bits loses nothing and takes a quarter of the room.
        kept = replace(
            sample,
            image=sample.image.mul(255).round_().to(torch.uint8),
            mask=None if sample.mask is None else sample.mask.to(torch.uint8),
        )
        cost = sum(t.nbytes for t in (kept.image, kept.points, kept.valid, kept.mask, kept.distances) if t is not None)
        if cost <= self._room:
            self._room -= cost
            self._cache[index] = kept
        return sample

    def __getitem__(self, key: tuple[int, int]) -> tuple[Sample, Tensor]:
        image_index, sample_index = key
        rng = np.random.default_rng([self.seed, sample_index])
        sample = self.geometry(self.untransformed(image_index), rng)
        return sample, jitter_colors(sample.image, self.color_jitter, rng)


@dataclass(frozen=True)
class Collate:
    """Joins samples of one size into a batch; a plain class, so that loader workers of every system can receive it.

    Args:
        num_classes: C of the distances.
    """

    num_classes: int

    def __call__(self, drawn: Sequence[tuple[Sample, Tensor]]) -> Batch:
        """Stack."""
        samples = [sample for sample, _ in drawn]
        distances = None
        if samples[0].distances is not None:
            distances = torch.full((len(samples), self.num_classes, *samples[0].size), torch.inf)
            for plane, sample in zip(distances, samples, strict=True):
                if sample.distances is not None and sample.distance_classes is not None:
                    plane[sample.distance_classes] = sample.distances
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
            distances=distances,
        )


@dataclass(eq=False, repr=False)
class DrawSampler(torch.utils.data.Sampler[list[tuple[int, int]]]):
    """Batches of (image index, sample index) from an endless stream of seeded permutations.

    Sample number d of a run is always the same image with the same transformation: whatever the number of processes or
    workers, and wherever a run was interrupted.

    Args:
        length: Number of images.
        batch_size: Images per step over all processes together.
        seed: Seed of the permutations.
        steps_done: Asked when an epoch begins: how many steps the run has behind it.
        rank: This process.
        processes: Number of processes; each takes its share of every batch.
    """

    length: int
    batch_size: int
    seed: int
    _: KW_ONLY
    steps_done: Callable[[], int] = lambda: 0
    rank: int = 0
    processes: int = 1

    def __len__(self) -> int:
        return steps_per_epoch(self.length, self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        share = self.batch_size // self.processes
        orders: dict[int, NDArray[Any]] = {}
        start = self.steps_done()
        for step in range(start, start + len(self)):
            first = step * self.batch_size + self.rank * share
            batch = []
            for sample_index in range(first, first + share):
                turn, place = divmod(sample_index, self.length)
                if turn not in orders:
                    orders[turn] = np.random.default_rng([self.seed, 1, turn]).permutation(self.length)
                batch.append((int(orders[turn][place]), sample_index))
            yield batch


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Steps in which every image is drawn about once."""
    return max(1, round(images / batch_size))
