from __future__ import annotations

import numpy as np
import pytest
import torch

from pointillist.classes import ClassSet
from pointillist.training.metrics import scores
from pointillist.training.module import confusion_metric

CLASSES = ClassSet.create(["a", "b", "c", "d"])


def independent(pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, list[float], float]:
    """IoU by sets of pixels, pooled over all images: the PASCAL VOC protocol, without a confusion matrix."""
    ious, right, total = [], 0, 0
    for index in range(len(CLASSES)):
        inter = sum(int(((p == index) & (m == index)).sum()) for p, m in pairs)
        union = sum(int((((p == index) & (m != 255)) | (m == index)).sum()) for p, m in pairs)
        ious.append(inter / union if union else float("nan"))
    for p, m in pairs:
        right += int(((p == m) & (m != 255)).sum())
        total += int((m != 255).sum())
    return float(np.nanmean(ious)), ious, right / total


def test_equals_an_independent_count() -> None:
    rng = np.random.default_rng(0)
    pairs = []
    metric = confusion_metric(CLASSES)
    for _ in range(5):
        mask = rng.choice([0, 1, 2, 255], size=(13, 17))
        labels = rng.integers(0, 3, (13, 17))
        pairs.append((labels, mask))
        metric.update(torch.from_numpy(labels), torch.from_numpy(mask))
    result = scores(metric.compute(), CLASSES)
    miou, ious, accuracy = independent(pairs)
    assert result.miou == pytest.approx(miou, abs=1e-12)
    assert result.iou == pytest.approx(ious, abs=1e-12, nan_ok=True)
    assert result.pixel_accuracy == pytest.approx(accuracy, abs=1e-12)


def test_pooled_is_not_the_mean_over_images() -> None:
    metric = confusion_metric(CLASSES)
    metric.update(torch.zeros(10, 10, dtype=torch.long), torch.zeros(10, 10, dtype=torch.long))
    metric.update(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1, dtype=torch.long))
    result = scores(metric.compute(), CLASSES)
    assert result.iou[:2] == pytest.approx((100 / 101, 0.0))
    assert result.miou == pytest.approx(50 / 101)


def test_absent_classes_are_left_out_and_false_alarms_are_not() -> None:
    confusion = torch.tensor([[5, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert scores(confusion, CLASSES).miou == 1
    assert scores(confusion, CLASSES).per_class == {"a": 1.0, "b": None, "c": None, "d": None}
    confusion[0, 3] = 5  # class d occurs nowhere, but is predicted
    assert scores(confusion, CLASSES).per_class["d"] == 0


def test_all_ignored() -> None:
    metric = confusion_metric(CLASSES)
    metric.update(torch.zeros(4, 4, dtype=torch.long), torch.full((4, 4), 255))
    result = scores(metric.compute(), CLASSES)
    assert np.isnan(result.miou)
    assert np.isnan(result.pixel_accuracy)


def test_precision_recall_f1_and_shares_of_a_matrix_made_by_hand() -> None:
    result = scores(torch.tensor([[6, 2, 0, 0], [1, 3, 0, 0], [0, 0, 0, 0], [3, 1, 0, 0]]), CLASSES)
    nan = float("nan")
    assert result.precision == pytest.approx((6 / 10, 3 / 6, nan, nan), nan_ok=True)
    assert result.recall == pytest.approx((6 / 8, 3 / 4, nan, 0), nan_ok=True)
    assert result.f1 == pytest.approx((12 / 18, 6 / 10, nan, 0), nan_ok=True)
    assert result.confusion_shares[0] == pytest.approx((6 / 8, 2 / 8, 0, 0))
    assert result.confusion_shares[3] == pytest.approx((3 / 4, 1 / 4, 0, 0))
    assert np.isnan(result.confusion_shares[2]).all()
    assert result.pixels == (8, 4, 0, 4)
