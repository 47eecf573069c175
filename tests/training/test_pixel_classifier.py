"""The classifier of pixels that gives single-stage its evidence."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import torch

from pointillist.data.transforms import Sample
from pointillist.training.pixel_classifier import (
    MOST,
    PixelClassifier,
    PixelEvidence,
    fit_pixel_classifier,
    pixel_features,
)


def textures(seed: int, clicks: int = 6) -> tuple[Sample, torch.Tensor]:
    """An image whose left half is stripes and whose right half is noise of the same mean, and its mask."""
    random = torch.Generator().manual_seed(seed)
    image = torch.rand(3, 40, 60, generator=random)
    image[:, :, :30] = 0.5 + 0.4 * torch.sin(torch.arange(30) * 1.5)
    mask = torch.zeros(40, 60, dtype=torch.long)
    mask[:, 30:] = 2
    xs, ys = torch.rand(clicks, generator=random) * 24 + 3, torch.rand(clicks, generator=random) * 34 + 3
    rows = [torch.stack([xs + side, ys, torch.full((clicks,), c)], 1) for side, c in ((0, 0.0), (30, 2.0))]
    return Sample(str(seed), image, torch.cat(rows), torch.ones(40, 60, dtype=torch.bool), 49.0), mask


def fitted(seed: int = 0) -> PixelClassifier:
    samples = (textures(number)[0] for number in range(4))
    return fit_pixel_classifier(samples, 3, balance=0.5, prior_correction=0.6, seed=seed)


def test_it_tells_textures_apart_on_an_image_it_has_not_seen() -> None:
    sample, mask = textures(9)
    planes, classes = PixelEvidence(fitted(), None)(sample.image, sample.points)
    assert classes.tolist() == [0, 2]
    torch.testing.assert_close(planes.sum(0), torch.ones(40, 60))
    right = (classes[planes.argmax(0)] == mask).float()
    # The largest filters reach 16 pixels and more: between the two they see both.
    assert right[:, :16].mean() > 0.95
    assert right[:, -16:].mean() > 0.95


def test_a_background_without_a_click_has_a_plane_too() -> None:
    sample, _ = textures(9)
    assert PixelEvidence(fitted(), 1)(sample.image, sample.points)[1].tolist() == [0, 1, 2]


def test_large_images_have_about_a_pixel_per_unit_length() -> None:
    image = torch.rand(3, 330, 500, generator=torch.Generator().manual_seed(0))
    planes, _ = PixelEvidence(fitted(), None)(image, torch.tensor([[3.0, 3.0, 0.0], [9.0, 9.0, 2.0]]))
    assert planes.shape == (2, 110, 167)


def test_the_seed_alone_decides_and_torchs_own_random_state_stays() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = fitted(1)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(6)
    features = pixel_features(textures(9)[0].image[None])[0].flatten(1).T
    assert torch.equal(first(features), fitted(1)(features))
    assert not torch.equal(first(features), fitted(2)(features))
    # Loader workers of every system receive it.
    assert torch.equal(first(features), pickle.loads(pickle.dumps(first))(features))


def test_of_very_many_clicks_some_images_are_enough() -> None:
    read = []

    def endless() -> Iterator[Sample]:
        number = 0
        while True:
            read.append(number)
            yield textures(number % 4, clicks=200)[0]
            number += 1

    fit_pixel_classifier(endless(), 3, balance=0.5, prior_correction=0.6, seed=0)
    assert MOST / 400 <= len(read) < MOST / 400 + 3
