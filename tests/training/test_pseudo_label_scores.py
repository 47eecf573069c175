"""Coverage and precision: one definition, counted here by hand and by loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pointillist.training.pseudo_label_scores import class_counts, coverage, precision

LABELS = torch.tensor([[[0, 1, 255, 1], [255, 2, 2, 0]]])
MASK = torch.tensor([[[0, 2, 1, 1], [255, 2, 255, 1]]])


def test_known_values() -> None:
    valid = torch.ones(1, 2, 4, dtype=torch.bool)
    assert coverage(LABELS, valid) == 6 / 8
    valid[..., 3] = False
    assert coverage(LABELS, valid) == pytest.approx(4 / 6)
    assert precision(LABELS, MASK) == 3 / 5
    real, labelled, kept, right = class_counts(LABELS, MASK, 3).tolist()
    assert (real, labelled, kept, right) == ([1, 3, 2], [1, 2, 2], [2, 2, 1], [1, 1, 1])


def test_counts_equal_loops_and_add_up() -> None:
    rng = np.random.default_rng(0)
    labels, mask = (torch.from_numpy(rng.choice([0, 1, 2, 3, 255], (4, 9, 7))) for _ in range(2))
    counts = class_counts(labels, mask, 4)
    assert torch.equal(counts, sum(class_counts(labels[i], mask[i], 4) for i in range(4)))
    pairs = list(zip(labels.flatten().tolist(), mask.flatten().tolist(), strict=True))
    for c in range(4):
        assert counts[0, c] == sum(real == c for _, real in pairs)
        assert counts[1, c] == sum(real == c and label != 255 for label, real in pairs)
        assert counts[2, c] == sum(label == c and real != 255 for label, real in pairs)
        assert counts[3, c] == sum(label == real == c for label, real in pairs)
    assert precision(labels, mask) == pytest.approx(float(counts[3].sum() / counts[2].sum()))


def test_of_nothing_they_are_zero() -> None:
    nothing = torch.full((1, 2, 2), 255)
    assert coverage(nothing, torch.zeros(1, 2, 2, dtype=torch.bool)) == 0
    assert precision(nothing, nothing) == 0
    assert class_counts(nothing, nothing, 2).sum() == 0
