from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pointillist.errors import ConfigError, TensorError
from pointillist.pseudomask import distance_fields, expanding_gaussian, inverse_distance_weighting
from pointillist.pseudomask.fields import class_fields

SIZE = (23, 31)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def brute_force(points: Tensor, size: tuple[int, int], num_classes: int) -> np.ndarray:
    result = np.full((num_classes, *size), np.inf)
    for x, y, c in points.double().tolist():
        for row in range(size[0]):
            for column in range(size[1]):
                distance = math.hypot(column + 0.5 - x, row + 0.5 - y)
                result[int(c), row, column] = min(result[int(c), row, column], distance)
    return result


def scattered(count: int, classes: int, seed: int) -> Tensor:
    """Points in and around an image of SIZE."""
    height, width = SIZE
    points = noise(count, 3, seed=seed)
    points[:, 0] = points[:, 0] * 2 * width - width / 2
    points[:, 1] = points[:, 1] * 2 * height - height / 2
    points[:, 2] = (points[:, 2] * classes).floor()
    return points


@given(count=st.integers(0, 12), classes=st.integers(1, 4), seed=st.integers(0, 2**16))
def test_euclidean_equals_brute_force(count: int, classes: int, seed: int) -> None:
    points = scattered(count, classes, seed)
    fields = distance_fields([points], SIZE, classes)
    torch.testing.assert_close(
        fields[0].double(), torch.from_numpy(brute_force(points, SIZE, classes)), rtol=1e-6, atol=1e-6
    )


@given(
    count=st.integers(1, 6),
    gamma=st.sampled_from([0.0, 1.0, 30.0, 300.0, 5000.0]),
    height=st.integers(1, 16),
    width=st.integers(1, 16),
    levels=st.sampled_from([1, 4, 255, 10**6]),
    seed=st.integers(0, 2**16),
)
@pytest.mark.parametrize("bands", [1, 2, 3, 5, 13])
def test_geodesic_equals_scipy(
    bands: int,
    count: int,
    gamma: float,
    height: int,
    width: int,
    levels: int,
    seed: int,
    dijkstra_field: Callable[[np.ndarray, np.ndarray, float], np.ndarray],
) -> None:
    """Edges are stored in float32 and summed in float64: a relative error of half a unit in the last place each."""
    image = (noise(1, bands, height, width, seed=seed) * levels).round() / levels
    points = noise(count, 3, seed=seed + 1) * torch.tensor([3.0 * width, 3.0 * height, 0.0])
    points -= torch.tensor([1.0 * width, 1.0 * height, 0.0])
    fields = distance_fields([points], (height, width), 1, metric="geodesic", image=image, gamma=gamma)
    expected = dijkstra_field(points[:, :2].double().numpy(), image[0].double().numpy(), gamma)
    torch.testing.assert_close(fields[0, 0].double(), torch.from_numpy(expected), rtol=2e-7, atol=1e-7)


def test_geodesic_on_a_larger_image(dijkstra_field: Callable[[np.ndarray, np.ndarray, float], np.ndarray]) -> None:
    image, points = noise(1, 3, 150, 170), noise(10, 3) * torch.tensor([170.0, 150.0, 0.0])
    fields = distance_fields([points], (150, 170), 1, metric="geodesic", image=image, gamma=100.0)
    expected = dijkstra_field(points[:, :2].double().numpy(), image[0].double().numpy(), 100.0)
    torch.testing.assert_close(fields[0, 0].double(), torch.from_numpy(expected), rtol=2e-7, atol=1e-7)


@pytest.mark.parametrize("metric", ["euclidean", "geodesic"])
def test_known_values(metric: str) -> None:
    points = [torch.tensor([[2.5, 1.5, 1.0]]), torch.zeros(0, 3)]
    fields = distance_fields(points, (4, 5), 3, metric=metric, image=torch.full((2, 3, 4, 5), 0.5))
    assert (fields.shape, fields.dtype) == ((2, 3, 4, 5), torch.float32)
    assert fields[0, 1, 1].tolist() == [2.0, 1.0, 0.0, 1.0, 2.0]
    assert fields[0, 1, 0, 1].item() == pytest.approx(math.sqrt(2))
    assert fields[0, [0, 2]].isinf().all()
    assert fields[1].isinf().all()


@pytest.mark.parametrize("bands", [1, 2, 3, 5, 13])
def test_a_border_of_grey_costs_the_same_in_any_number_of_bands(bands: int) -> None:
    image = torch.zeros(1, bands, 1, 4)
    image[..., 2:] = 1.0
    fields = distance_fields([torch.tensor([[0.5, 0.5, 0.0]])], (1, 4), 1, metric="geodesic", image=image, gamma=10.0)
    edge = math.sqrt(1 + 100 * 3)
    assert fields[0, 0, 0].tolist() == pytest.approx([0, 1, 1 + edge, 2 + edge])


@pytest.mark.parametrize("bands", [1, 2, 5, 13])
def test_grey_repeated_over_any_number_of_bands_gives_the_same(bands: int) -> None:
    grey, points = noise(1, 1, *SIZE), [scattered(5, 2, seed=4)]
    three, fields = (
        distance_fields(points, SIZE, 2, metric="geodesic", image=grey.repeat(1, count, 1, 1)) for count in (3, bands)
    )
    torch.testing.assert_close(fields, three, rtol=2e-7, atol=0)


def test_one_band_of_three_costs_gamma() -> None:
    """The distance is the Euclidean norm over the bands, as it was when there were always three."""
    image = torch.zeros(1, 3, 1, 2)
    image[0, 1, 0, 1] = 1.0
    fields = distance_fields([torch.tensor([[0.5, 0.5, 0.0]])], (1, 2), 1, metric="geodesic", image=image, gamma=10.0)
    assert fields[0, 0, 0, 1].item() == np.float32(math.sqrt(101))


def test_a_geodesic_starts_at_the_click() -> None:
    image = torch.zeros(1, 3, 3, 3)
    fields = distance_fields([torch.tensor([[1.9, 1.4, 0.0]])], (3, 3), 1, metric="geodesic", image=image)
    start = math.hypot(0.4, 0.1)
    assert fields[0, 0, 1].tolist() == pytest.approx([1 + start, start, 1 + start], rel=1e-6)


def test_a_click_outside_enters_by_the_border_that_faces_it() -> None:
    """With dear colours the click on the left reaches the right column through the image, not around it."""
    image = torch.zeros(1, 3, 3, 4)
    image[..., 1:3] = 1.0
    fields = distance_fields([torch.tensor([[-3.5, 1.5, 0.0]])], (3, 4), 1, metric="geodesic", image=image, gamma=50.0)
    assert fields[0, 0, 1, 0] == 4.0
    assert fields[0, 0, 0, 0].item() == pytest.approx(math.hypot(4, 1))
    assert fields[0, 0, :, 3].min() > 2 * 50


def test_a_very_far_click_needs_no_more_room() -> None:
    image = noise(1, 3, 5, 5)
    fields = distance_fields([torch.tensor([[-1e7, 2.5, 0.0]])], (5, 5), 1, metric="geodesic", image=image)
    assert (fields >= 1e7).all()


@pytest.mark.parametrize("metric", ["euclidean", "geodesic"])
def test_rows_of_the_nearest_click(metric: str) -> None:
    points = scattered(9, 2, seed=3)
    image = noise(1, 3, *SIZE)
    together, rows = class_fields([points], SIZE, 2, metric, image, [20.0], torch.device("cpu"), nearest_click=True)
    assert rows is not None
    for row, point in enumerate(points):
        alone = distance_fields([point[None]], SIZE, 2, metric=metric, image=image, gamma=20.0)
        owned = rows[0, int(point[2])] == row
        assert torch.equal(alone[0, int(point[2])][owned], together[0, int(point[2])][owned])
    assert rows.min() >= 0


@pytest.mark.parametrize("metric", ["euclidean", "geodesic"])
def test_batch_is_its_images_one_by_one_bitwise(metric: str) -> None:
    image = noise(3, 3, *SIZE)
    points = [scattered(n, 3, seed=n) for n in (4, 0, 9)]
    together = distance_fields(points, SIZE, 3, metric=metric, image=image)
    single = [distance_fields(points[b : b + 1], SIZE, 3, metric=metric, image=image[b : b + 1]) for b in range(3)]
    assert torch.equal(together, torch.cat(single))


@pytest.mark.parametrize("metric", ["euclidean", "geodesic"])
def test_fields_move_with_a_flip(metric: str) -> None:
    image, points = noise(1, 3, *SIZE), scattered(5, 1, seed=1)
    flipped = points.clone()
    flipped[:, 0] = SIZE[1] - flipped[:, 0]
    field = distance_fields([points], SIZE, 1, metric=metric, image=image)
    mirror = distance_fields([flipped], SIZE, 1, metric=metric, image=image.flip(3))
    torch.testing.assert_close(mirror.flip(3), field, rtol=1e-5, atol=1e-4)


def test_devices_and_dtypes(device: torch.device, dtype: torch.dtype) -> None:
    image = noise(1, 3, *SIZE).to(device, dtype)
    for metric in ("euclidean", "geodesic"):
        fields = distance_fields([scattered(4, 2, seed=1)], SIZE, 2, metric=metric, image=image)
        assert (fields.dtype, fields.device.type) == (torch.float32, device.type)
        assert not fields.isnan().any()


def test_more_clicks_bring_everything_nearer() -> None:
    image, points = noise(1, 3, *SIZE), scattered(8, 1, seed=2)
    for metric in ("euclidean", "geodesic"):
        few = distance_fields([points[:3]], SIZE, 1, metric=metric, image=image)
        assert (distance_fields([points], SIZE, 1, metric=metric, image=image) <= few).all()


def test_filter_known_values() -> None:
    fields = torch.tensor([0.0, 2.0, math.inf]).view(1, 1, 1, 3)
    start = expanding_gaussian(fields, 0.0, sigma_start=2.0, sigma_end=8.0)
    assert start.flatten().tolist() == pytest.approx([1.0, math.exp(-0.5), 0.0])
    half = expanding_gaussian(fields, 0.5, sigma_start=2.0, sigma_end=8.0)
    assert half.flatten().tolist() == pytest.approx([1.0, math.exp(-4 / 32), 0.0])


@given(distance=st.floats(0, 1e6), first=st.floats(0, 1), second=st.floats(0, 1))
def test_filter_only_grows(distance: float, first: float, second: float) -> None:
    fields = torch.tensor([[[[distance]]]])
    early = expanding_gaussian(fields, min(first, second), sigma_start=3.0, sigma_end=300.0)
    late = expanding_gaussian(fields, max(first, second), sigma_start=3.0, sigma_end=300.0)
    assert 0 <= early.item() <= late.item() <= 1


def test_filter_keeps_the_dtype(dtype: torch.dtype) -> None:
    fields = torch.tensor([0.0, 3.0, 6e4, math.inf], dtype=dtype).view(1, 1, 2, 2)
    result = expanding_gaussian(fields, 0.3, sigma_start=2.0, sigma_end=100.0)
    assert result.dtype == dtype
    assert torch.isfinite(result).all()
    assert result[0, 0, 1, 1] == 0


def test_filter_gradient() -> None:
    fields = (10 * noise(1, 1, 3, 3)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda d: expanding_gaussian(d, 0.5, sigma_start=2.0, sigma_end=8.0), (fields,))


def test_competition_is_about_ratios_of_distances() -> None:
    fields = torch.tensor([0.0, 9.0, 99.0, math.inf]).view(1, 4, 1, 1)
    belief = inverse_distance_weighting(fields, power=1.5).flatten()
    assert torch.allclose(belief, torch.tensor([1.0, 10**-1.5, 100**-1.5, 0.0]))
    assert inverse_distance_weighting(fields, power=0.0).flatten().tolist() == [1, 1, 1, 0]
    for power in (-0.1, math.inf, math.nan):
        with pytest.raises(ConfigError, match="power"):
            inverse_distance_weighting(fields, power=power)


def test_inside_a_compiled_function() -> None:
    image, points = noise(1, 3, *SIZE), [scattered(3, 1, seed=2)]

    def both(image: Tensor) -> Tensor:
        fields = distance_fields(points, SIZE, 1, metric="geodesic", image=image)
        return expanding_gaussian(fields, 0.5, sigma_start=2.0, sigma_end=8.0)

    torch.testing.assert_close(torch.compile(both, backend="eager")(image), both(image))


POINT = torch.tensor([[1.0, 1.0, 0.0]])


@pytest.mark.parametrize(
    ("points", "field"),
    [
        (POINT, "points"),
        ([], "points"),
        ([POINT[:, :2]], "points[0]"),
        ([POINT, POINT[0]], "points[1]"),
        ([POINT.long()], "points[0]"),
        ([[1.0, 1.0, 0.0]], "points[0]"),
        ([POINT * math.nan], "points[0]"),
        ([POINT + 1], "points[0]"),
        ([POINT - 1], "points[0]"),
        ([POINT + 0.5], "points[0]"),
    ],
)
def test_points_that_cannot_be(points: object, field: str) -> None:
    with pytest.raises(TensorError) as caught:
        distance_fields(points, SIZE, 1)  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("change", "error", "field"),
    [
        ({"metric": "geodesic"}, TensorError, "image"),
        ({"metric": "manhattan"}, ConfigError, "metric"),
        ({"gamma": -1.0}, ConfigError, "gamma"),
        ({"gamma": math.inf}, ConfigError, "gamma"),
        ({"image": noise(1, 3, 5, 5)}, TensorError, "image"),
        ({"image": noise(2, 3, *SIZE)}, TensorError, "points"),
        ({"metric": "geodesic", "image": 255 * noise(1, 3, *SIZE)}, TensorError, "image"),
        ({"metric": "geodesic", "image": math.nan * noise(1, 3, *SIZE)}, TensorError, "image"),
    ],
)
def test_arguments_that_do_not_fit(change: dict[str, object], error: type[Exception], field: str) -> None:
    with pytest.raises(error) as caught:
        distance_fields([POINT], SIZE, 1, **change)  # type: ignore[arg-type]
    assert caught.value.field == field  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("progress", "sigmas"), [(-0.1, (1, 2)), (1.1, (1, 2)), (math.nan, (1, 2)), (0, (0, 2)), (0, (1, math.inf))]
)
def test_filter_settings_that_make_no_sense(progress: float, sigmas: tuple[float, float]) -> None:
    with pytest.raises(ConfigError):
        expanding_gaussian(torch.zeros(1, 1, 2, 2), progress, sigma_start=sigmas[0], sigma_end=sigmas[1])
