"""The engine on photographs: read from the folder that POINTILLIST_REAL_DATA names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from pointillist.pseudomask import (
    ClassThresholds,
    Gaussian,
    PseudoMaskGenerator,
    PseudoMaskSettings,
    distance_fields,
    refine,
)

DILATIONS = (1, 2, 4, 8, 12, 24)
CLASSES = 11


@pytest.fixture(scope="module")
def street_scenes() -> list[tuple[Tensor, Tensor]]:
    """Six CamVid photographs (1×3×180×240 in [0, 1]) and their masks (180×240, 11 = void)."""
    named = os.environ.get("POINTILLIST_REAL_DATA")
    if named is None:
        pytest.skip("POINTILLIST_REAL_DATA is not set")
    folder = Path(named) / "camvid"
    files = sorted((folder / "train").glob("*.*"))[::60][:6]
    if not files:
        pytest.fail(f"POINTILLIST_REAL_DATA is set, but there is no photograph in {folder / 'train'}")
    pairs = []
    for file in files:
        photo = Image.open(file).convert("RGB").resize((240, 180), Image.Resampling.BILINEAR)
        mask = Image.open(folder / "trainannot" / f"{file.stem}.png").resize((240, 180), Image.Resampling.NEAREST)
        pixels = torch.from_numpy(np.asarray(photo).copy()).permute(2, 0, 1)[None].float() / 255
        pairs.append((pixels, torch.from_numpy(np.asarray(mask).copy()).long()))
    return pairs


def one_click_per_component(mask: Tensor, seed: int) -> Tensor:
    """A click in each connected component of 30 pixels or more."""
    random = np.random.default_rng(seed)
    rows = []
    for c in range(CLASSES):
        parts, count = ndimage.label(mask.numpy() == c)
        for part in range(1, count + 1):
            ys, xs = np.nonzero(parts == part)
            if len(ys) >= 30:
                pick = random.integers(len(ys))
                rows.append((xs[pick] + 0.5, ys[pick] + 0.5, float(c)))
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 3)


def literal(image: Tensor, masks: Tensor, iterations: int) -> Tensor:
    """All 48 shifted copies, in float64."""

    def copies(maps: Tensor) -> Tensor:
        height, width = maps.shape[2:]
        shifted = []
        for d in DILATIONS:
            padded = torch.nn.functional.pad(maps, (d, d, d, d), mode="replicate")
            for y in (0, d, 2 * d):
                for x in (0, d, 2 * d):
                    if (y, x) != (d, d):
                        shifted.append(padded[:, :, y : y + height, x : x + width])
        return torch.stack(shifted)

    image, masks = image.double(), masks.double()
    neighbours = copies(image)
    sigma = torch.cat([neighbours, image[None].expand(len(DILATIONS), *image.shape)]).std(dim=0)
    weights = (-(neighbours - image).abs() / (1e-8 + 0.1 * sigma)).mean(dim=2, keepdim=True).softmax(dim=0)
    for _ in range(iterations):
        masks = (weights * copies(masks)).sum(dim=0)
    return masks


def test_refinement_equals_its_formulas(street_scenes: list[tuple[Tensor, Tensor]]) -> None:
    for image, _ in street_scenes[:2]:
        masks = torch.rand(1, 5, 180, 240, generator=torch.Generator().manual_seed(0)).softmax(1)
        torch.testing.assert_close(refine(image, masks).double(), literal(image, masks, 10), atol=1e-5, rtol=0)


def test_geodesic_equals_scipy(street_scenes: list[tuple[Tensor, Tensor]]) -> None:
    image, mask = street_scenes[0]
    clicks = one_click_per_component(mask, seed=0)
    fields = distance_fields([clicks], (180, 240), CLASSES, metric="geodesic", image=image, gamma=300.0)
    colours = image[0].double().numpy().reshape(3, -1)
    index = np.arange(180 * 240).reshape(180, 240)
    heads, tails, lengths = [], [], []
    for dy, dx in ((0, 1), (1, -1), (1, 0), (1, 1)):
        here = index[: 180 - dy, max(0, -dx) : 240 - max(0, dx)].ravel()
        there = index[dy:, max(0, dx) : 240 + min(0, dx)].ravel()
        heads.append(here)
        tails.append(there)
        lengths.append(np.sqrt(dy**2 + dx**2 + 300.0**2 * ((colours[:, here] - colours[:, there]) ** 2).sum(axis=0)))
    graph = coo_matrix((np.concatenate(lengths), (np.concatenate(heads), np.concatenate(tails))), (index.size,) * 2)
    for c in clicks[:, 2].unique().int().tolist():
        pixels = [int(y) * 240 + int(x) for x, y, k in clicks.tolist() if k == c]
        expected = dijkstra(graph.tocsr(), directed=False, indices=pixels, min_only=True)
        torch.testing.assert_close(fields[0, c].double().flatten(), torch.from_numpy(expected), rtol=2e-7, atol=1e-6)


def test_geodesics_know_more_of_objects_than_circles(street_scenes: list[tuple[Tensor, Tensor]]) -> None:
    """Nearest-click labels on the nearest quarter of the pixels: the geodesic's agree with the mask far more often."""
    agreement = {"euclidean": 0.0, "geodesic": 0.0}
    for seed, (image, mask) in enumerate(street_scenes):
        clicks = one_click_per_component(mask, seed)
        known = mask != CLASSES
        for metric in agreement:
            nearest, labels = distance_fields([clicks], (180, 240), CLASSES, metric=metric, image=image)[0].min(dim=0)
            close = known & (nearest <= nearest[known].quantile(0.25))
            agreement[metric] += float((labels == mask)[close].float().mean()) / len(street_scenes)
    assert agreement["geodesic"] > agreement["euclidean"] + 0.1


def test_pseudo_masks_of_an_undecided_network(street_scenes: list[tuple[Tensor, Tensor]]) -> None:
    """With equal probabilities everywhere only clicks and colours speak: few pixels at first, mostly right."""
    near = Gaussian(sigma_start=8.0, sigma_end=160.0)
    generator = PseudoMaskGenerator(None, PseudoMaskSettings(spatial_prior=near, selection=ClassThresholds()))
    for seed, (image, mask) in enumerate(street_scenes):
        clicks = one_click_per_component(mask, seed)
        probabilities = torch.full((1, CLASSES, 180, 240), 1 / CLASSES)
        labels = generator(image, probabilities, [clicks], progress=0.0).labels[0]
        kept = (labels != 255) & (mask != CLASSES)
        assert kept.sum() >= len(clicks) * 0.9
        assert (labels == mask)[kept].float().mean() > 0.6
