"""A classifier of pixels by their colour, edges, texture and place, learnt from the clicks before the first step.

It knows no shapes, so it errs in other ways than a network; where both agree, they are right more often.
What ilastik and others make their maps with (see the method `forest`) serves here as evidence for pseudo-masks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from pointillist.data.samples import Clicked
from pointillist.pseudomask import coarser
from pointillist.pseudomask.presence import presence_weights
from pointillist.training.filter_bank import clicked_features, filter_bank
from pointillist.training.losses import ClassFrequencies, as_prior

PER_CLASS = 400
"""Clicks of each class that are enough, see `TrainingSamples.clicked`."""

MEMBERS, HIDDEN, STEPS, BATCH, RATE, DECAY = 2, 64, 500, 256, 1e-2, 1e-2
"""Perceptrons whose mean is taken, the width of their two layers, and how they learn: AdamW, the rate falls to 0."""

LEVELS = 5
"""Scales of the features: σ of 1, 2, 4, 8 and 16 pixels."""

NOISE, DROPOUT, RANGE = 0.1, 0.3, 4.0
"""Against learning a few clicks by heart: noise on the features, in their standard deviations; the share of hidden
units left out; and how many deviations a feature may be away from its mean."""


@dataclass(frozen=True)
class PixelClassifier:
    """The mean of a few perceptrons on standardised features; use `fit_pixel_classifier`.

    Args:
        mean: F, of the features.
        deviation: F.
        weights: Per layer, M×in×out of the M members.
        biases: Per layer, M×1×out.
        prior: C, what the probabilities are divided by.
        prior_left: C, what is left in them of the class prior after that.
        places: Whether the place of a pixel is one of its features.
    """

    mean: Tensor
    deviation: Tensor
    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    prior: Tensor
    prior_left: Tensor
    places: bool

    def __call__(self, features: Tensor) -> Tensor:
        """Probabilities n×C of n×F features, without the class prior."""
        members = self.standardised(features).expand(len(self.weights[0]), -1, -1)
        found: Tensor = forward(members, self.weights, self.biases).softmax(-1).mean(0) / self.prior
        return found / found.sum(1, keepdim=True)

    def standardised(self, features: Tensor) -> Tensor:
        """n×F features, each with mean 0 and deviation 1 over the clicks."""
        return ((features - self.mean) / self.deviation).clamp(-RANGE, RANGE)


def pixel_features(images: Tensor, places: bool) -> Tensor:
    """Features of B×K×H×W images on the coarser grid of `coarser`: B×F×h×w.

    `filter_bank` with σ 1 of the image at its own size, at a half, at a quarter …, `LEVELS` in all, which costs a sixth
    of as many σ at its own size; and, if asked, how far down and how far right a pixel is, in [0, 1].
    """
    batch, _, height, width = images.shape
    (rows, columns), _ = coarser((height, width))
    down, right = (torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns
    # Whole cells at every size, so that a pixel is at the same place in all of them.
    cell = 2 ** (LEVELS - 1)
    images = F.pad(images, (0, -width % cell, 0, -height % cell), mode="replicate")
    # From −1 to 1 over what is now the image.
    xs, ys = right * width / images.shape[3] * 2 - 1, down * height / images.shape[2] * 2 - 1
    grid = torch.stack([xs.expand(rows, columns), ys[:, None].expand(rows, columns)], -1)
    grid = grid.to(images).expand(batch, -1, -1, -1)
    found = []
    for _ in range(LEVELS):
        features = filter_bank(images, (1.0,))
        found.append(F.grid_sample(features, grid, "bilinear", "border", align_corners=False))
        images = F.avg_pool2d(images, 2)
    if places:
        found += [down.view(1, 1, -1, 1).expand(batch, 1, rows, columns).to(images)]
        found += [right.view(1, 1, 1, -1).expand(batch, 1, rows, columns).to(images)]
    return torch.cat(found, 1)


def forward(
    maps: Tensor, weights: Iterable[Tensor], biases: Iterable[Tensor], random: torch.Generator | None = None
) -> Tensor:
    """M×n×C logits of M×n×F features; with a source of randomness, some hidden units are left out."""
    layers = list(zip(weights, biases, strict=True))
    for weight, bias in layers[:-1]:
        maps = torch.baddbmm(bias, maps, weight).relu()
        if random is not None:
            maps = maps * (torch.rand(maps.shape, generator=random) >= DROPOUT) / (1 - DROPOUT)
    return torch.baddbmm(layers[-1][1], maps, layers[-1][0])


def fit_pixel_classifier(
    clicked: Iterable[Clicked],
    num_classes: int,
    *,
    balance: float,
    prior_correction: float,
    seed: int,
) -> PixelClassifier:
    """Learn from the clicks on some images; on the CPU, and torch's own random state is left as it is.

    Args:
        clicked: Images with their clicks, at the scale of training.
        num_classes: C.
        balance: Class-balance exponent, see `ClassFrequencies`.
        prior_correction: Power of the class prior that the probabilities are divided by.
        seed: Of weights, batches and noise.

    Raises:
        PointsError: No click lies on a pixel with data.
        ImageError: An image cannot be read.
    """
    first = next(iterator := iter(clicked), None)
    # A place in a piece of a large image means nothing.
    places = first is not None and first.whole
    found = chain([] if first is None else [first], iterator)
    features, labels = clicked_features(found, partial(pixel_features, places=places))
    counts = torch.bincount(labels, minlength=num_classes).float()
    frequencies = ClassFrequencies(num_classes, balance)
    frequencies.frequencies.copy_(counts / counts.sum())
    random = torch.Generator().manual_seed(seed)
    sizes = [features.shape[1], HIDDEN, HIDDEN, num_classes]
    weights = [torch.randn(MEMBERS, a, b, generator=random) * (2 / a) ** 0.5 for a, b in pairwise(sizes)]
    biases = [torch.zeros(MEMBERS, 1, b) for b in sizes[1:]]
    taught = as_prior(frequencies.weighted)
    learnt = PixelClassifier(
        features.mean(0),
        features.std(0, correction=0) + 1e-6,
        tuple(weights),
        tuple(biases),
        prior=taught**prior_correction,
        prior_left=taught ** (1 - prior_correction),
        places=places,
    )
    known = learnt.standardised(features)
    parameters = [tensor.requires_grad_() for tensor in (*weights, *biases)]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        chosen = torch.randint(len(labels), (MEMBERS, BATCH), generator=random)
        noisy = known[chosen] + NOISE * torch.randn(MEMBERS, BATCH, features.shape[1], generator=random)
        logits = forward(noisy, weights, biases, random)
        loss = F.cross_entropy(logits.flatten(0, 1), labels[chosen].flatten(), frequencies.weights)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    for tensor in parameters:
        tensor.requires_grad_(False)
    return learnt


@dataclass(frozen=True)
class PixelEvidence:
    """Makes evidence of an image, or a piece of a large one; loader workers receive it.

    Args:
        classifier: What it comes from.
        background: Index of the class that is present in every image; None where there is none.
        presence: Whether only classes that the points of an image leave possible can be there.
    """

    classifier: PixelClassifier
    background: int | None
    presence: bool = True

    @torch.no_grad()
    def __call__(self, image: Tensor, points: Tensor, presence: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `PlanesOf`: of the classes that can be there, with about one pixel per unit length."""
        features = pixel_features(image[None], self.classifier.places)[0]
        classes = torch.arange(len(self.classifier.prior))
        if self.presence:
            asked = None if presence is None else [presence]
            classes = presence_weights([points], asked, len(classes), background=self.background)[0].nonzero()[:, 0]
        found = self.classifier(features.flatten(1).T)[:, classes]
        found /= found.sum(1, keepdim=True).clamp(min=1e-12)
        return found.T.reshape(len(classes), *features.shape[1:]), classes
