from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pointillist.classes import IGNORE
from pointillist.data import views
from pointillist.data.bands import RGB
from pointillist.data.inputs import InputSpec, Scale
from pointillist.data.layouts import load_dataset
from pointillist.training import tiling
from pointillist.training.methods import NetworkOutput
from pointillist.training.networks import Network
from pointillist.training.scoring import ScoredImage, ScoredImages, runner
from tests.rasters import write_raster


class Brightness(Network):
    """Says 1 where the first band is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, images: Tensor) -> NetworkOutput:
        bright = images[:, :1] * 20 - 10
        return NetworkOutput(torch.cat([-bright, bright], dim=1), images)


def scored(image: ScoredImage) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Labels and mask, of blocks."""
    labels, mask = np.zeros(image.size, np.int64), np.zeros(image.size, np.uint8)
    for block, real in image.blocks(runner(Brightness())):
        labels[block.part], mask[block.part] = block.logits.argmax(0), real
    return labels, mask


def test_pixels_without_data_are_not_scored(tiny_data: Path) -> None:
    dataset = load_dataset(tiny_data)
    item = dataset.items[0]
    with Image.open(item.file) as image:
        alpha = np.dstack([np.asarray(image), np.full((48, 64), 255, np.uint8)])
    before = scored(ScoredImage(dataset, item, InputSpec()))[1]
    alpha[3:9, 5:11, 3] = 0
    Image.fromarray(alpha).save(item.file)
    mask = scored(ScoredImage(dataset, item, InputSpec()))[1]
    gone = alpha[:, :, 3] == 0
    assert (mask[gone] == IGNORE).all()
    assert (mask[~gone] == before[~gone]).all()


@pytest.mark.parametrize("factor", [0.4, 1.0, 1.7])
def test_a_large_image_is_scored_from_disk_as_in_memory(
    factor: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    for folder in ("images", "masks"):
        (data / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    values = rng.integers(2, 255, (90, 150, 3), dtype=np.uint8)
    values[10:15, 20:30] = 1
    write_raster(data / "images" / "a.tif", values, nodata=1)
    write_raster(data / "masks" / "a.tif", rng.integers(0, 2, (90, 150, 1), dtype=np.uint8))
    (data / "dataset.yaml").write_text("classes: [dark, bright]\nmasks: index\n")
    (data / "points.csv").write_text("image,class,x,y\n")
    dataset = load_dataset(data)
    spec = InputSpec(RGB, Scale.of(factor))
    labels, mask = scored(ScoredImage(dataset, dataset.items[0], spec))
    monkeypatch.setattr(views, "LARGE", 1000)
    monkeypatch.setattr(views, "AT_ONCE", 700)
    for name, value in (("LARGEST_PASS", 40 * 40), ("TILE", 40), ("OVERLAP", 8)):
        monkeypatch.setattr(tiling, name, value)
    from_disk = ScoredImage(dataset, dataset.items[0], spec)
    assert from_disk._view is None
    tiled_labels, tiled_mask = scored(from_disk)
    assert (tiled_labels == labels).mean() > 0.999
    assert (tiled_mask == mask).all()
    assert (mask == IGNORE).sum() == 50


def test_processes_share_the_scored_images(tiny_data: Path) -> None:
    dataset = load_dataset(tiny_data)
    items = [*dataset.items[:4], replace(dataset.items[4], mask=None), dataset.items[5]]
    spec = InputSpec(RGB, Scale((24, 99)))
    shares = [ScoredImages(dataset, items, spec, rank, 2) for rank in (0, 1)]
    names = [share[i].name for share in shares for i in range(len(share))]
    assert sorted(names) == [f"tiny_{i}.png" for i in (0, 1, 2, 3, 5)]
