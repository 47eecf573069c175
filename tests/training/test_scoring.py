from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from pointillist.classes import IGNORE
from pointillist.data.bands import RGB
from pointillist.data.inputs import InputSpec, Scale
from pointillist.data.layouts import load_dataset
from pointillist.training.methods import NetworkOutput
from pointillist.training.scoring import ScoredImages, labels_at, scored_image


class Brightness(nn.Module):
    """Says 1 where the first band is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, images: Tensor) -> NetworkOutput:
        bright = images[:, :1] * 20 - 10
        return NetworkOutput(torch.cat([-bright, bright], dim=1), images)


@pytest.mark.parametrize("size", [(20, 30), (40, 60), (13, 70)])
def test_labels_are_those_of_the_likeliest_class_at_the_images_own_size(size: tuple[int, int]) -> None:
    image = torch.zeros(3, 20, 30)
    image[:, :, 15:] = 1
    labels = labels_at(Brightness(), image, size)
    assert labels.shape == size
    assert labels.dtype == torch.int64
    half = size[1] // 2
    assert torch.equal(labels, (torch.arange(size[1]) >= half).long().expand(size))


def test_pixels_without_data_are_not_scored(tiny_data: Path) -> None:
    dataset = load_dataset(tiny_data)
    item = dataset.items[0]
    with Image.open(item.file) as image:
        alpha = np.dstack([np.asarray(image), np.full((48, 64), 255, np.uint8)])
    before = scored_image(dataset, item, InputSpec())[1]
    alpha[3:9, 5:11, 3] = 0
    Image.fromarray(alpha).save(item.file)
    pixels, mask = scored_image(dataset, item, InputSpec())
    assert pixels.valid is not None
    assert torch.equal(mask == IGNORE, ~torch.from_numpy(pixels.valid))
    assert int((mask == IGNORE).sum()) == 36
    assert torch.equal(mask[mask != IGNORE], before[mask != IGNORE])


def test_processes_share_the_scored_images(tiny_data: Path) -> None:
    dataset = load_dataset(tiny_data)
    items = [*dataset.items[:4], replace(dataset.items[4], mask=None), dataset.items[5]]
    spec = InputSpec(RGB, Scale((24, 99)))
    shares = [ScoredImages(dataset, items, spec, rank, 2) for rank in (0, 1)]
    names = [name for share in shares for name, _, _ in (share[i] for i in range(len(share)))]
    assert sorted(names) == [f"tiny_{i}.png" for i in (0, 1, 2, 3, 5)]
    _, image, mask = shares[0][0]
    assert image.shape == (3, 24, 32)
    assert mask.shape == (48, 64)
