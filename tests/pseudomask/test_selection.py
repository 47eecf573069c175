from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pointillist.errors import ConfigError, TensorError
from pointillist.pseudomask import Rule, reliability
from pointillist.pseudomask.selection import argmax, decide


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def by_loops(masks: Tensor, low: float, cuts: list[float], valid: Tensor) -> np.ndarray:
    """The rule of METHOD 3.4, pixel by pixel."""
    m, ok = masks.numpy(), valid.numpy()
    labels = np.full(ok.shape, 255)
    for b in range(m.shape[0]):
        bars = []
        for c in range(m.shape[1]):
            counted = m[b, c][ok[b]]
            bars.append(max(np.float32(low), np.float32(cuts[c]) * (counted.max() if counted.size else np.float32(0))))
        for y in range(m.shape[2]):
            for x in range(m.shape[3]):
                above = [c for c in range(m.shape[1]) if m[b, c, y, x] > bars[c]]
                best = int(m[b, :, y, x].argmax())
                if ok[b, y, x] and above == [best]:
                    labels[b, y, x] = best
    return labels


@given(
    classes=st.integers(1, 4),
    low=st.floats(0, 1, width=32),
    cut=st.floats(0, 1, width=32),
    cut_background=st.floats(0, 1, width=32),
    background=st.booleans(),
    padding=st.integers(0, 4),
    seed=st.integers(0, 2**16),
)
def test_equals_the_rule(
    classes: int, low: float, cut: float, cut_background: float, background: bool, padding: int, seed: int
) -> None:
    masks = (noise(2, classes, 4, 5, seed=seed) * 8).round() / 8
    valid = torch.ones(2, 4, 5, dtype=torch.bool)
    valid[:, :, 5 - padding :] = False
    cuts = [cut] * classes
    if background:
        cuts[0] = cut_background
    labels = reliability(
        masks, low=low, cut=cut, background=0 if background else None, cut_background=cut_background, valid=valid
    )
    assert labels.dtype == torch.int64
    np.testing.assert_array_equal(labels.numpy(), by_loops(masks, low, cuts, valid))


def test_known_values() -> None:
    strengths = torch.tensor([[1.0, 0.70, 0.9, 0.1], [0.1, 0.20, 0.8, 0.9]]).view(1, 2, 1, 4)
    assert reliability(strengths).flatten().tolist() == [0, 255, 255, 1]
    _, rules = decide(strengths, 0.2, torch.full((1, 2), 0.75), None)
    assert rules.flatten().tolist() == [Rule.KEPT, Rule.BELOW_BAR, Rule.CONTESTED, Rule.KEPT]


def test_padding_sets_no_bar() -> None:
    masks = torch.tensor([[0.5, 0.3, 1.0]]).view(1, 1, 1, 3)
    valid = torch.tensor([[[True, True, False]]])
    assert reliability(masks).flatten().tolist() == [255, 255, 0]
    assert reliability(masks, valid=valid).flatten().tolist() == [0, 255, 255]


def test_argmax_leaves_out_only_pixels_without_evidence() -> None:
    masks = torch.tensor([[0.0, 0.1, 0.4], [0.0, 0.2, 0.3]]).view(1, 2, 1, 3)
    assert argmax(masks, None, None)[0].flatten().tolist() == [255, 1, 0]
    assert argmax(masks, None, torch.tensor([[[True, False, True]]]))[0].flatten().tolist() == [255, 255, 0]


def test_argmax_of_products_too_small_is_the_nearest_click() -> None:
    inf = float("inf")
    masks = torch.tensor([[0.0, 0.0, 0.4], [0.0, 0.0, 0.3]]).view(1, 2, 1, 3)
    distances = torch.tensor([[9.0, inf, 5.0], [7.0, inf, 1.0]]).view(1, 2, 1, 3)
    assert argmax(masks, distances, None)[0].flatten().tolist() == [1, 255, 0]


def test_devices_and_dtypes(device: torch.device, dtype: torch.dtype) -> None:
    masks = noise(2, 3, 4, 5).to(device, dtype)
    labels = reliability(masks, background=0)
    assert (labels.shape, labels.dtype, labels.device) == ((2, 4, 5), torch.int64, masks.device)
    wide = masks.to(torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.equal(labels, reliability(wide, background=0))


def test_batch_is_its_images_one_by_one() -> None:
    masks = noise(3, 4, 6, 7)
    assert torch.equal(reliability(masks), torch.cat([reliability(masks[b : b + 1]) for b in range(3)]))


def test_inside_a_compiled_function() -> None:
    masks = noise(1, 3, 4, 4)
    assert torch.equal(torch.compile(lambda m: reliability(m), backend="no_compile")(masks), reliability(masks))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"masks": noise(3, 4, 4)}, TensorError),
        ({"masks": torch.zeros(1, 3, 4, 4, dtype=torch.int64)}, TensorError),
        ({"valid": torch.ones(1, 4, 5, dtype=torch.bool)}, TensorError),
        ({"valid": torch.ones(1, 4, 4)}, TensorError),
        ({"valid": torch.ones(1, 4, 4, dtype=torch.bool, device="meta")}, TensorError),
        ({"low": -0.1}, ConfigError),
        ({"cut": 1.1}, ConfigError),
        ({"cut_background": float("nan")}, ConfigError),
        ({"background": 3}, ConfigError),
    ],
)
def test_arguments_that_do_not_fit(change: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        reliability(**({"masks": noise(1, 3, 4, 4)} | change))  # type: ignore[arg-type]
