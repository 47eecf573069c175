"""The classifier of pixels that gives single-stage its evidence."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
import torch

from pointillist.data.samples import Clicked
from pointillist.data.transforms import Sample
from pointillist.errors import PointsError
from pointillist.training.pixel_classifier import (
    PixelClassifier,
    PixelEvidence,
    fit_pixel_classifier,
    pixel_features,
)


def textures(seed: int, clicks: int = 6, *, whole: bool = True) -> tuple[Clicked, torch.Tensor]:
    """An image whose left half is stripes and whose right half is noise of the same mean, and its mask."""
    random = torch.Generator().manual_seed(seed)
    image = torch.rand(3, 40, 60, generator=random)
    image[:, :, :30] = 0.5 + 0.4 * torch.sin(torch.arange(30) * 1.5)
    mask = torch.zeros(40, 60, dtype=torch.long)
    mask[:, 30:] = 2
    xs, ys = torch.rand(clicks, generator=random) * 24 + 3, torch.rand(clicks, generator=random) * 34 + 3
    rows = [torch.stack([xs + side, ys, torch.full((clicks,), c)], 1) for side, c in ((0, 0.0), (30, 2.0))]
    points = torch.cat(rows)
    sample = Sample(str(seed), image, points, torch.ones(40, 60, dtype=torch.bool), 49.0)
    return Clicked(sample, points, whole), mask


def fitted(seed: int = 0, *, whole: bool = True) -> PixelClassifier:
    samples = (textures(number, whole=whole)[0] for number in range(4))
    return fit_pixel_classifier(samples, 3, balance=0.5, prior_correction=0.6, seed=seed)


def test_it_tells_textures_apart_on_an_image_it_has_not_seen() -> None:
    (sample, _, _), mask = textures(9)
    planes, classes = PixelEvidence(fitted(), None)(sample.image, sample.points)
    assert classes.tolist() == [0, 2]
    torch.testing.assert_close(planes.sum(0), torch.ones(40, 60))
    right = (classes[planes.argmax(0)] == mask).float()
    # The largest filters reach 16 pixels and more: between the two they see both.
    assert right[:, :16].mean() > 0.95
    assert right[:, -16:].mean() > 0.95


def test_a_background_without_a_click_has_a_plane_too() -> None:
    (sample, _, _), _ = textures(9)
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
    features = pixel_features(textures(9)[0].sample.image[None], True)[0].flatten(1).T
    assert torch.equal(first(features), fitted(1)(features))
    assert not torch.equal(first(features), fitted(2)(features))
    # Loader workers of every system receive it.
    assert torch.equal(first(features), pickle.loads(pickle.dumps(first))(features))


def test_without_presence_every_class_has_a_plane() -> None:
    (sample, _, _), _ = textures(9)
    planes, classes = PixelEvidence(fitted(), None, presence=False)(sample.image, sample.points)
    assert classes.tolist() == [0, 1, 2]
    torch.testing.assert_close(planes.sum(0), torch.ones(40, 60))


@pytest.mark.parametrize("side", [96, 100, 161, 241])
def test_a_pixel_is_at_the_same_place_at_every_scale(side: int) -> None:
    """The edge between dark and bright, in sizes that no power of two divides."""
    image = torch.zeros(1, 1, side, side)
    edge = round(side * 0.7)
    image[..., edge:] = 1
    columns = pixel_features(image, places=False)[0, :, 0].shape[1]
    for level in range(5):
        brightness = pixel_features(image, places=False)[0, 4 * level, columns // 2]
        # Where it is half bright, in pixels of the image.
        upper = int((brightness > 0.5).nonzero()[0])
        part = (0.5 - brightness[upper - 1]) / (brightness[upper] - brightness[upper - 1])
        found = (upper - 0.5 + float(part)) * side / columns
        assert abs(found - edge) <= 2**level / 2 + side / columns, level


def test_places_count_only_where_images_are_learnt_whole() -> None:
    assert fitted().places
    pieces = fitted(whole=False)
    assert not pieces.places
    assert len(pieces.mean) == len(fitted().mean) - 2


def test_clicks_on_nothing_but_empty_pixels_are_an_error() -> None:
    clicked, _ = textures(0)
    empty = replace(clicked.sample, valid=torch.zeros(40, 60, dtype=torch.bool))
    with pytest.raises(PointsError, match="no click lies on a pixel that has data"):
        fit_pixel_classifier([clicked._replace(sample=empty)], 3, balance=0.5, prior_correction=0.3, seed=0)
