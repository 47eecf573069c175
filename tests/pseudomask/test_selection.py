from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pointillist.errors import TensorError
from pointillist.pseudomask import ClassThresholds, ConfidenceThreshold, Rule, StageInput
from pointillist.pseudomask.selection import check_valid, choose_all, drop


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def choose(
    masks: Tensor,
    selection: ClassThresholds | ConfidenceThreshold | None,
    background: int | None = None,
    valid: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Labels and rules where every class is present."""
    batch, count = masks.shape[:2]
    given = StageInput(masks[:, :1], [], torch.arange(count).expand(batch, -1), (1.0,) * batch, background, None)
    labels, rules = choose_all(masks) if selection is None else selection.choose(masks, given, valid)
    drop(labels, rules, valid)
    return labels, rules


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
    selection = ClassThresholds(absolute=low, relative=cut, relative_background=cut_background)
    labels, _ = choose(masks, selection, 0 if background else None, valid)
    assert labels.dtype == torch.int64
    np.testing.assert_array_equal(labels.numpy(), by_loops(masks, low, cuts, valid))


def test_known_values() -> None:
    strengths = torch.tensor([[1.0, 0.70, 0.9, 0.1], [0.1, 0.20, 0.8, 0.9]]).view(1, 2, 1, 4)
    labels, rules = choose(strengths, ClassThresholds())
    assert labels.flatten().tolist() == [0, 255, 255, 1]
    assert rules.flatten().tolist() == [Rule.KEPT, Rule.BELOW_THRESHOLD, Rule.CONTESTED, Rule.KEPT]
    labels, rules = choose(torch.tensor([[0.7, 0.6, 0.0], [0.3, 0.4, 0.0]]).view(1, 2, 1, 3), ConfidenceThreshold())
    assert labels.flatten().tolist() == [0, 255, 255]
    assert rules.flatten().tolist() == [Rule.KEPT, Rule.CONTESTED, Rule.BELOW_THRESHOLD]


def test_padding_sets_no_threshold() -> None:
    masks = torch.tensor([[0.5, 0.3, 1.0]]).view(1, 1, 1, 3)
    valid = torch.tensor([[[True, True, False]]])
    assert choose(masks, ClassThresholds())[0].flatten().tolist() == [255, 255, 0]
    assert choose(masks, ClassThresholds(), valid=valid)[0].flatten().tolist() == [0, 255, 255]


def test_without_a_selection_only_pixels_without_scores_are_left_out() -> None:
    masks = torch.tensor([[0.0, 0.1, 0.4], [0.0, 0.2, 0.3]]).view(1, 2, 1, 3)
    assert choose(masks, None)[0].flatten().tolist() == [255, 1, 0]
    valid = torch.tensor([[[True, False, True]]])
    assert choose(masks, None, valid=valid)[0].flatten().tolist() == [255, 255, 0]


@pytest.mark.parametrize("selection", [None, ClassThresholds(), ConfidenceThreshold()], ids=str)
def test_batch_is_its_images_one_by_one(selection: ClassThresholds | ConfidenceThreshold | None) -> None:
    masks = noise(3, 4, 6, 7)
    single = torch.cat([choose(masks[b : b + 1], selection)[0] for b in range(3)])
    assert torch.equal(choose(masks, selection)[0], single)


def test_devices_and_dtypes(device: torch.device, dtype: torch.dtype) -> None:
    masks = noise(2, 3, 4, 5).to(device, dtype)
    labels, _ = choose(masks, ClassThresholds(), 0)
    assert (labels.shape, labels.dtype, labels.device) == ((2, 4, 5), torch.int64, masks.device)
    wide = masks.to(torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.equal(labels, choose(wide, ClassThresholds(), 0)[0])


@pytest.mark.parametrize(
    "valid",
    [
        torch.ones(1, 4, 5, dtype=torch.bool),
        torch.ones(1, 4, 4),
        torch.ones(1, 4, 4, dtype=torch.bool, device="meta"),
    ],
    ids=["size", "dtype", "device"],
)
def test_padding_that_does_not_fit(valid: Tensor) -> None:
    with pytest.raises(TensorError, match="valid"):
        check_valid(valid, noise(1, 3, 4, 4))
