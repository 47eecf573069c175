"""Boundary F-score, calibration and bootstrap against brute force, scikit-image and values made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.morphology import dilation, disk
from skimage.segmentation import find_boundaries

from pointillist.classes import ClassSet
from pointillist.inference import boundary
from pointillist.inference.bootstrap import RESAMPLES, SEED, interval, resampled_miou
from pointillist.inference.boundary import TOLERANCE, boundary_f_scores
from pointillist.inference.calibration import BINS, CalibrationCounter
from pointillist.training.metrics import scores


def blocks(generator: np.random.Generator, height: int, width: int, values: list[int]) -> np.ndarray:
    """A map of blocks of 12×12 pixels, shifted, so that its borders lie anywhere."""
    coarse = generator.choice(values, size=(height // 12 + 2, width // 12 + 2)).astype(np.uint8)
    top, left = generator.integers(12, size=2)
    return np.kron(coarse, np.ones((12, 12), np.uint8))[top : top + height, left : left + width]


def brute_force(labels: np.ndarray, mask: np.ndarray, classes: int) -> list[float]:
    """Boundary F-score from the distances between all pairs of boundary pixels."""
    labels = np.where(mask == 255, 255, labels)
    limit = TOLERANCE * np.hypot(*mask.shape)
    found = []
    for index in range(classes):
        # A pixel of the class whose neighbours are not all of it; those outside the image are taken as equal.
        ends = []
        for inside in (labels == index, mask == index):
            padded = np.pad(inside, 1, mode="edge")
            around = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
            ends.append(np.argwhere(inside & ~around))
        if not len(ends[0]) and not len(ends[1]):
            found.append(float("nan"))
            continue
        if not len(ends[0]) or not len(ends[1]):
            found.append(0.0)
            continue
        near = np.linalg.norm(ends[0][:, None] - ends[1][None], axis=-1) <= limit
        precision, recall = near.any(1).mean(), near.any(0).mean()
        found.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return found


@pytest.mark.parametrize(
    ("height", "width", "classes"),
    [(40, 50, 3), (150, 200, 3), (60, 360, 12), (150, 200, 20), (90, 300, 40), (90, 300, 70), (1, 300, 2)],
)
def test_boundary_f_scores_equal_brute_force(height: int, width: int, classes: int) -> None:
    generator = np.random.default_rng(height + classes)
    mask = blocks(generator, height, width, [*range(classes), 255])
    labels = np.roll(mask, generator.integers(-2, 3, size=2), axis=(0, 1))
    labels[labels == 255] = classes - 1
    labels[: height // 3] = blocks(generator, height // 3, width, list(range(classes)))
    found = boundary_f_scores(labels, mask, classes)
    assert found == pytest.approx(brute_force(labels, mask, classes), nan_ok=True)
    assert height == 1 or np.nanstd(found) > 0


def test_a_boundary_f_score_equals_dilation_by_a_disc() -> None:
    """Of scikit-image: inner boundaries, dilated by the disc of the tolerance, which is a whole number here."""
    height, width = 240, 320  # the diagonal is 400, the tolerance 3
    rows, columns = np.mgrid[:height, :width]
    real = (rows - 120) ** 2 + (columns - 150) ** 2 < 70**2
    seen = ((rows - 118) / 1.1) ** 2 + (columns - 153) ** 2 < 68**2
    ends = [find_boundaries(inside, connectivity=1, mode="inner") for inside in (seen, real)]
    precision = dilation(ends[1], disk(3))[ends[0]].mean()
    recall = dilation(ends[0], disk(3))[ends[1]].mean()
    assert 0.2 < precision < 0.9
    found = boundary_f_scores(seen.astype(np.uint8), real.astype(np.uint8), 2)
    assert found[1] == pytest.approx(2 * precision * recall / (precision + recall))


@pytest.mark.parametrize(
    ("labels", "mask", "expected"),
    [
        pytest.param([0, 0, 1, 1], [0, 0, 1, 1], [1, 1, np.nan], id="equal"),
        pytest.param([0, 0, 0, 0], [0, 0, 1, 1], [0, 0, np.nan], id="not found"),
        pytest.param([0, 0, 0, 0], [0, 0, 0, 0], [np.nan] * 3, id="no boundary"),
        pytest.param(
            [0, 1, 2, 1], [0, 255, 255, 1], [1, 1, np.nan], id="what happens inside ignored pixels is nothing"
        ),
        pytest.param([1, 1, 1, 1], [255] * 4, [np.nan] * 3, id="all ignored"),
    ],
)
def test_boundary_f_scores_at_the_ends(labels: list[int], mask: list[int], expected: list[float]) -> None:
    found = boundary_f_scores(np.array([labels], np.uint8), np.array([mask], np.uint8), 3)
    assert found == pytest.approx(expected, nan_ok=True)


def test_boundary_f_scores_of_a_large_image_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    mask, labels = (np.kron(rng.integers(0, 4, (60, 20)), np.ones((7, 7))).astype(np.uint8) for _ in range(2))
    labels = np.where(rng.random(mask.shape) < 0.9, mask, labels)
    mask[30:50, 20:90] = 255
    whole = boundary_f_scores(labels, mask, 4)
    monkeypatch.setattr(boundary, "AT_ONCE", 1)
    assert boundary_f_scores(labels, mask, 4).tolist() == whole.tolist()
    assert 0 < whole.min() < whole.max() < 1


def test_calibration_of_values_made_by_hand() -> None:
    counter = CalibrationCounter()
    # Three pixels in the last interval but one (13/15 to 14/15), two in the last.
    counter.update(np.array([0.9, 0.9], np.float32), np.array([True, False]))
    counter.update(np.array([0.9, 1.0, 0.96], np.float32), np.array([False, True, True]))
    found = counter.compute()
    assert found.pixels == (*[0] * 13, 3, 2)
    assert found.confidence[-2:] == pytest.approx((0.9, 0.98))
    assert found.accuracy[-2:] == pytest.approx((1 / 3, 1))
    assert found.error == pytest.approx(3 / 5 * (0.9 - 1 / 3) + 2 / 5 * (1 - 0.98))
    assert found.to_dict()["bins"][0] == {"from": 0, "to": 1 / 15, "pixels": 0, "confidence": None, "accuracy": None}


def test_calibration_equals_a_loop_over_intervals() -> None:
    """Guo et al. 2017, equations 1 to 3; whoever is right as often as sure has hardly an error."""
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.2, 1, 20_000).astype(np.float32)
    for right, most in ((generator.random(20_000) < confidence, 0.02), (generator.random(20_000) < 0.5, 0.4)):
        expected = 0.0
        for n in range(BINS):
            inside = (confidence > n / BINS) & (confidence <= (n + 1) / BINS)
            if inside.any():
                gap = abs(right[inside].mean() - confidence[inside].mean(dtype=np.float64))
                expected += inside.sum() / len(confidence) * gap
        counter = CalibrationCounter()
        for part in np.array_split(np.arange(20_000), 7):
            counter.update(confidence[part], right[part])
        assert counter.compute().error == pytest.approx(expected, abs=1e-7)
        assert 0 < expected < most


def test_nothing_counted_has_no_calibration() -> None:
    assert np.isnan(CalibrationCounter().compute().error)


def test_resampled_miou_equals_scores_of_the_drawn_images() -> None:
    generator = np.random.default_rng(1)
    matrices = generator.integers(0, 50, (6, 3, 3)) * (generator.random((6, 3, 1)) < 0.6)
    counts = np.stack([[m.diagonal(), m.sum(1), m.sum(0)] for m in matrices])
    drawn = np.random.default_rng(SEED).integers(6, size=(RESAMPLES, 6))
    classes = ClassSet.create(["a", "b", "c"])
    expected = [scores(torch.from_numpy(matrices[one].sum(0)), classes).miou for one in drawn]
    found = resampled_miou(counts)
    assert found == pytest.approx(expected)
    low, high = interval(found, 6)
    ranked = np.sort(found)
    assert ranked[24] <= low <= ranked[25]
    assert ranked[974] <= high <= ranked[975]


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Of one class in two, IoU is known where every image draws its pixels from the same shares."""
    generator = np.random.default_rng(2)
    hits, tries = 0, 60
    for _ in range(tries):
        shift = generator.normal(0.6, 0.1, 40).clip(0, 1)  # share of right pixels, other in every image
        correct = np.round(1000 * shift).astype(int)
        counts = np.stack(
            [np.stack([correct, 0 * correct], 1), np.full((40, 2), (1000, 0)), np.full((40, 2), (1000, 0))], 1
        )
        low, high = interval(resampled_miou(counts), 40)
        hits += low <= 600 / 1400 <= high  # |A ∩ B| / |A ∪ B| = 600 / (1000 + 1000 − 600)
    assert 0.85 <= hits / tries <= 1


def test_one_image_has_no_interval() -> None:
    assert interval(resampled_miou(np.ones((1, 3, 2), int)), 1) is None
    assert interval(resampled_miou(np.zeros((4, 3, 2), int)), 4) is None
