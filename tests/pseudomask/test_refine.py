from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pointillist.errors import ConfigError, TensorError
from pointillist.pseudomask import refine, refine_cpu, refine_torch

DEFAULT = (1, 2, 4, 8, 12, 24)
TOLERANCE = 1e-5


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def photo_like(height: int, width: int) -> Tensor:
    """Smooth shades, hard borders, a flat patch and a little grain."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    shade = torch.stack([x, y, (x + y) / 2])
    shade = torch.where((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1, 1 - shade, shade)
    shade = shade + 0.01 * noise(3, height, width)
    shade[:, : height // 4, : width // 4] = 0.25
    return shade.clamp(0, 1)[None]


IMAGES = {
    "random": noise(1, 3, 40, 53),
    "constant": torch.full((1, 3, 31, 33), 0.3),
    "black": torch.zeros(1, 3, 20, 20),
    "near grey": 0.5 + 1e-3 * noise(1, 3, 40, 37),
    "nearly constant": 0.5 + 1e-6 * noise(1, 3, 24, 37),
    "photo-like": photo_like(60, 50),
    "black and white": (noise(1, 3, 40, 40) > 0.5).float(),
    "one white pixel": torch.nn.functional.one_hot(torch.tensor(700), 1600)
    .float()
    .view(1, 1, 40, 40)
    .repeat(1, 3, 1, 1),
    "tiny values": 1e-20 * noise(1, 3, 20, 30),
    "one column": noise(1, 3, 50, 1),
    "one row": noise(1, 3, 1, 50),
    "one pixel": noise(1, 3, 1, 1),
    "17 wide": noise(1, 3, 9, 17),
}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("dilations", [DEFAULT, (1,), (3, 100)], ids=str)
def test_equals_the_formulas(name: str, dilations: tuple[int, ...], literal_refine: Callable[..., Tensor]) -> None:
    image = IMAGES[name]
    masks = noise(1, 4, *image.shape[2:], seed=1).softmax(1)
    result = refine(image, masks, dilations=dilations)
    torch.testing.assert_close(result.double(), literal_refine(image, masks, dilations, 10), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 9, 21, 150])
def test_any_number_of_classes(count: int, literal_refine: Callable[..., Tensor]) -> None:
    image, masks = noise(1, 3, 20, 35), noise(1, count, 20, 35, seed=1)
    torch.testing.assert_close(
        refine(image, masks).double(), literal_refine(image, masks, DEFAULT, 10), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("bands", [1, 2, 3, 5, 13])
@pytest.mark.parametrize("path", [refine_cpu.refine_channels, refine_torch.refine_channels, refine])
def test_any_number_of_bands(path: Callable[..., Tensor], bands: int, literal_refine: Callable[..., Tensor]) -> None:
    image, masks = noise(2, bands, 11, 19), noise(2, 3, 11, 19, seed=1).softmax(1)
    image[:, 0, :5] = 0.5
    result = path(image, masks, dilations=DEFAULT, iterations=10)
    torch.testing.assert_close(result.double(), literal_refine(image, masks, DEFAULT, 10), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("bands", [1, 2, 5, 13])
def test_grey_repeated_over_any_number_of_bands_gives_the_same(bands: int) -> None:
    grey, masks = photo_like(30, 35)[:, :1], noise(1, 3, 30, 35, seed=1).softmax(1)
    three, result = (refine(grey.repeat(1, count, 1, 1), masks) for count in (3, bands))
    torch.testing.assert_close(result, three, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("iterations", [0, 1, 2, 20])
def test_any_number_of_iterations(iterations: int, literal_refine: Callable[..., Tensor]) -> None:
    image, masks = noise(1, 3, 20, 35), noise(1, 3, 20, 35, seed=1)
    result = refine(image, masks, iterations=iterations)
    expected = literal_refine(image, masks, DEFAULT, iterations)
    torch.testing.assert_close(result.double(), expected, atol=TOLERANCE, rtol=0)


@given(
    height=st.integers(1, 20),
    width=st.integers(1, 40),
    classes=st.integers(1, 6),
    dilations=st.lists(st.integers(1, 50), min_size=1, max_size=4),
    iterations=st.integers(0, 4),
    levels=st.integers(1, 255),
    seed=st.integers(0, 2**16),
)
def test_properties(
    height: int,
    width: int,
    classes: int,
    dilations: list[int],
    iterations: int,
    levels: int,
    seed: int,
    literal_refine: Callable[..., Tensor],
) -> None:
    image = (noise(1, 3, height, width, seed=seed) * levels).round() / levels
    masks = noise(1, classes, height, width, seed=seed + 1).softmax(1)
    result = refine(image, masks, dilations=dilations, iterations=iterations)
    expected = literal_refine(image, masks, dilations, iterations)
    torch.testing.assert_close(result.double(), expected, atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(result.sum(1), torch.ones(1, height, width), atol=TOLERANCE, rtol=0)
    assert result.min() >= masks.min() - TOLERANCE
    assert result.max() <= masks.max() + TOLERANCE


def test_constant_image_averages_the_neighbours() -> None:
    masks = torch.zeros(1, 1, 5, 5)
    masks[0, 0, 2, 2] = 8.0
    result = refine(torch.full((1, 3, 5, 5), 0.5), masks, dilations=(1,), iterations=1)
    expected = torch.zeros(1, 1, 5, 5)
    expected[0, 0, 1:4, 1:4] = 1.0
    expected[0, 0, 2, 2] = 0.0
    torch.testing.assert_close(result, expected)


def test_masks_stay_on_their_side_of_a_border() -> None:
    image = torch.zeros(1, 3, 16, 32)
    image[..., 16:] = 1.0
    masks = torch.zeros(1, 2, 16, 32)
    masks[:, 0, :, :16], masks[:, 1, :, 16:] = 1.0, 1.0
    result = refine(image, masks)
    assert result[:, 0, :, :16].min() > 0.9
    assert result[:, 1, :, 16:].min() > 0.9


def test_shapes_dtypes_and_devices(
    device: torch.device, dtype: torch.dtype, literal_refine: Callable[..., Tensor]
) -> None:
    image = noise(2, 3, 12, 19).to(device, dtype)
    masks = noise(2, 5, 12, 19, seed=1).softmax(1).to(device, dtype)
    result = refine(image, masks)
    assert (result.shape, result.dtype, result.device) == (masks.shape, dtype, masks.device)
    # All arithmetic is float32 at least: half precision costs no more than the rounding of the result.
    bound = 1e-12 if dtype == torch.float64 else max(TOLERANCE, torch.finfo(dtype).eps / 2)
    torch.testing.assert_close(result.double().cpu(), literal_refine(image, masks, DEFAULT, 10), atol=bound, rtol=0)


def test_both_paths_on_the_cpu_agree() -> None:
    image, masks = noise(2, 3, 30, 41), noise(2, 6, 30, 41, seed=1)
    plain = refine_torch.refine_channels(image, masks, DEFAULT, 10)
    torch.testing.assert_close(refine_cpu.refine_channels(image, masks, DEFAULT, 10), plain, atol=TOLERANCE, rtol=0)


def test_batch_is_its_images_one_by_one_bitwise() -> None:
    image, masks = noise(3, 3, 33, 47), noise(3, 5, 33, 47, seed=1)
    single = [refine(image[b : b + 1], masks[b : b + 1]) for b in range(3)]
    assert torch.equal(refine(image, masks), torch.cat(single))


def test_threads_change_no_bit() -> None:
    image, masks = noise(1, 3, 33, 47), noise(1, 5, 33, 47, seed=1)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 7):
            torch.set_num_threads(threads)
            results.append(refine(image, masks))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_present_gives_the_same_channels() -> None:
    image, masks = noise(2, 3, 20, 20), noise(2, 7, 20, 20, seed=1)
    present = torch.zeros(2, 7, dtype=torch.bool)
    present[0, [1, 4, 6]], present[1, [0]] = True, True
    masks *= present[:, :, None, None]
    expected = refine(image, masks)
    assert torch.equal(refine(image, masks, present=present), expected)
    assert torch.equal(refine(image, masks, present=[[1, 4, 6], torch.tensor([0])]), expected)
    assert not refine(image, masks, present=[[], []]).any()


def test_features_count_as_further_channels(literal_refine: Callable[..., Tensor]) -> None:
    image, masks, features = noise(1, 3, 20, 20), noise(1, 2, 20, 20, seed=1), 100 * noise(1, 5, 20, 20, seed=2)
    expected = literal_refine(torch.cat([image, features], 1), masks, DEFAULT, 10)
    torch.testing.assert_close(refine(image, masks, features=features).double(), expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("path", [refine_cpu.refine_channels, refine_torch.refine_channels])
def test_finite_masks_never_give_nan(path: Callable[..., Tensor]) -> None:
    for image in IMAGES.values():
        for top in (torch.finfo(torch.float16).max, 1e30, -1e30):
            masks = torch.where(noise(1, 2, *image.shape[2:]) > 0.5, top, 0.0)
            assert torch.isfinite(path(image, masks, DEFAULT, 10)).all()


def test_fp16_masks_at_their_limit_stay_finite() -> None:
    masks = torch.full((1, 1, 8, 8), torch.finfo(torch.float16).max, dtype=torch.float16)
    assert torch.isfinite(refine(noise(1, 3, 8, 8).half(), masks)).all()


def test_carries_no_gradient() -> None:
    masks = noise(1, 2, 8, 8).requires_grad_()
    assert not refine(noise(1, 3, 8, 8), masks).requires_grad
    assert not refine(noise(1, 3, 8, 8), masks, iterations=0).requires_grad


def test_leaves_its_arguments_alone() -> None:
    image, masks = noise(1, 3, 8, 8), noise(1, 2, 8, 8)
    copies = image.clone(), masks.clone()
    result = refine(image, masks, iterations=0)
    result.zero_()
    refine(image, masks)
    assert torch.equal(image, copies[0])
    assert torch.equal(masks, copies[1])


def test_layout_in_memory_does_not_matter() -> None:
    image, masks = noise(1, 3, 20, 30), noise(1, 4, 20, 30, seed=1)
    last = torch.channels_last
    assert torch.equal(refine(image.to(memory_format=last), masks.to(memory_format=last)), refine(image, masks))
    assert torch.equal(refine(image.mT, masks.mT), refine(image.mT.contiguous(), masks.mT.contiguous()))


def test_autocast_changes_nothing() -> None:
    image, masks = noise(1, 3, 20, 30), noise(1, 4, 20, 30, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(refine(image, masks), refine(image, masks))
        inside = refine(image, masks)
    assert torch.equal(inside, refine(image, masks))


def test_inside_a_compiled_function() -> None:
    """The kernels are opaque to the compiler: it breaks its graph around them and goes on."""
    image, masks = noise(1, 3, 12, 12), noise(1, 2, 12, 12, seed=1)
    compiled = torch.compile(lambda i, m: refine(i, m * 0.5) + 1, backend="eager")
    assert torch.equal(compiled(image, masks), refine(image, masks * 0.5) + 1)


def test_memory_is_bounded() -> None:
    """Stacked copies would take 48 floats per pixel and class; the kernel takes 48 per pixel and three per class."""
    image, masks = noise(1, 3, 200, 200), noise(1, 40, 200, 200, seed=1)
    refine(image, masks)
    tracemalloc.start()
    refine(image, masks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 200 * 200 * 48 * 40 / 10


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"image": noise(3, 8, 8)}, "image"),
        ({"image": noise(1, 0, 8, 8)}, "image"),
        ({"image": torch.zeros(1, 3, 8, 8, dtype=torch.uint8)}, "image"),
        ({"image": "photo.jpg"}, "image"),
        ({"image": noise(1, 3, 0, 8), "masks": noise(1, 2, 0, 8)}, "image"),
        ({"masks": noise(1, 2, 8, 9)}, "masks"),
        ({"masks": noise(2, 2, 8, 8)}, "masks"),
        ({"masks": torch.zeros(1, 2, 8, 8, dtype=torch.int64)}, "masks"),
        ({"masks": torch.zeros(1, 2, 8, 8, device="meta")}, "masks"),
        ({"features": noise(1, 2, 4, 4)}, "features"),
        ({"present": torch.ones(1, 3, dtype=torch.bool)}, "present"),
        ({"present": torch.ones(1, 2)}, "present"),
        ({"present": [[2]]}, "present"),
        ({"present": [[0], [1]]}, "present"),
    ],
)
def test_tensors_that_do_not_fit(change: dict[str, object], field: str) -> None:
    arguments = {"image": noise(1, 3, 8, 8), "masks": noise(1, 2, 8, 8)} | change
    with pytest.raises(TensorError) as caught:
        refine(**arguments)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert caught.value.found
    assert caught.value.hint


@pytest.mark.parametrize("change", [{"dilations": ()}, {"dilations": (0,)}, {"dilations": (1.5,)}, {"iterations": -1}])
def test_settings_that_make_no_sense(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        refine(noise(1, 3, 8, 8), noise(1, 2, 8, 8), **change)  # type: ignore[arg-type]
