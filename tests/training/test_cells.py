from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from pointillist.training.methods.cells import (
    cell_clicks,
    cell_features,
    cell_means,
    clicked_images,
    feature_stride,
    features_at,
    valid_cells,
)
from pointillist.training.network_settings import NetworkSettings
from pointillist.training.networks import build_network


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_cell_is_the_mean_of_its_pixels_and_valid_without_padding(stride: int) -> None:
    maps = torch.rand(2, 3, 9, 11, dtype=torch.float64)
    valid = torch.ones(2, 9, 11, dtype=torch.bool)
    valid[0, :, 6:] = False
    valid[1, 5] = False
    means, whole = cell_means(maps, stride), valid_cells(valid, stride)
    assert means.shape == (2, 3, 9 // stride, 11 // stride)
    assert means.dtype == torch.float32
    for i in range(2):
        for y in range(9 // stride):
            for x in range(11 // stride):
                block = (slice(y * stride, (y + 1) * stride), slice(x * stride, (x + 1) * stride))
                assert torch.allclose(means[i, :, y, x].double(), maps[i, :, *block].mean((1, 2)), atol=1e-6)
                assert whole[i, y, x] == valid[i][block].all()


def test_a_click_lies_in_the_cell_of_its_pixel() -> None:
    clicks = torch.tensor([[0.0, 0.0, 1], [3.99, 4.0, 2], [11.5, 7.9, 3], [-0.5, 2.0, 1], [12.0, 2.0, 1]])
    labels = cell_clicks([clicks], (2, 3), 4, torch.device("cpu"))
    assert labels.tolist() == [[[1, 255, 255], [2, 255, 3]]]


@pytest.mark.parametrize("architecture", ["unet", "fpn", "deeplabv3plus", "segformer"])
def test_the_stride_of_features_is_found_through_the_padding(architecture: str) -> None:
    network = build_network(NetworkSettings(architecture=architecture), 3)
    with torch.no_grad():
        features = network(torch.rand(1, 3, 40, 70)).features
    stride = feature_stride(features, (40, 70))
    assert (features.shape[-2] * stride, features.shape[-1] * stride) == (64, 96)


def test_features_are_brought_to_the_cells_and_lose_their_padding() -> None:
    features = torch.rand(1, 2, 16, 24)  # of a 13×21 image
    assert torch.equal(cell_features(features, (13, 21), (13, 21), 1), features[..., :13, :21])
    assert torch.equal(cell_features(features, (13, 21), (3, 5), 4), F.avg_pool2d(features, 4)[..., :3, :5])
    coarse = torch.rand(1, 2, 4, 6)  # four pixels each
    assert torch.equal(cell_features(coarse, (13, 21), (3, 5), 4), coarse[..., :3, :5])
    finer = cell_features(coarse, (13, 21), (6, 10), 2)
    assert torch.equal(finer, F.interpolate(coarse, scale_factor=2, mode="bilinear")[..., :6, :10])


@pytest.mark.parametrize("size", [(4, 6), (16, 24)])
def test_features_of_single_pixels_and_their_gradients_are_those_of_all(size: tuple[int, int]) -> None:
    features = torch.rand(2, 3, *size, dtype=torch.float32, requires_grad=True)  # of 13×21 images
    pixels = (torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 12, 5, 7, 7]), torch.tensor([0, 20, 9, 20, 20]))
    image, row, column = pixels
    expected = cell_features(features, (13, 21), (13, 21), 1).permute(0, 2, 3, 1)[image, row, column]
    found = features_at(features, (13, 21), pixels)
    weights = torch.rand(5, 3)
    torch.testing.assert_close(found, expected)
    wanted, got = (torch.autograd.grad((made * weights).sum(), features)[0] for made in (expected, found))
    torch.testing.assert_close(got, wanted)


def test_an_image_whose_clicks_lie_outside_the_window_is_a_clicked_one() -> None:
    points = [torch.tensor([[-5.0, 3.0, 0.0]]), torch.zeros(0, 3)]
    assert clicked_images(points, torch.device("cpu")).tolist() == [1.0, 0.0]
