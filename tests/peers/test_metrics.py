"""Metrics of torchmetrics and segmentation_models_pytorch, and the formula of VOC's devkit, against our own scores.

All agree where every class occurs. They differ in what an absent class counts, and in what is averaged first.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pointillist.classes import IGNORE, ClassSet
from pointillist.training.metrics import Scores, confusion_matrix, scores
from tests.peers.packages import peer

torch = peer("torch", "torch")
classification = peer("torchmetrics.classification", "torchmetrics")
segmentation = peer("torchmetrics.segmentation", "torchmetrics")
smp = peer("segmentation_models_pytorch", "segmentation-models-pytorch")

C = 5
CLASSES = ClassSet.create([f"class {index}" for index in range(C)])


def drawn(*, ignored: float, absent: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """N×H×W prediction and mask; of `absent` classes the last is nowhere, and the last image has two classes only."""
    random = np.random.default_rng(7)
    known = C - 1 if absent else C
    mask = random.integers(0, known, (4, 20, 30))
    predicted = np.where(random.random(mask.shape) < 0.6, mask, random.integers(0, known, mask.shape))
    if absent:
        mask[3] = 0
        predicted[3] = random.random(mask[3].shape) < 0.1
    mask[random.random(mask.shape) < ignored] = IGNORE
    return predicted, mask


def ours(predicted: NDArray[np.int64], mask: NDArray[np.int64]) -> Scores:
    counts = [confusion_matrix(one, real.astype(np.uint8), C) for one, real in zip(predicted, mask, strict=True)]
    return scores(np.sum(counts, axis=0), CLASSES)


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("ignored", [0, 0.2])
def test_torchmetrics_jaccard_index_is_our_iou(ignored: float, absent: bool) -> None:
    predicted, mask = drawn(ignored=ignored, absent=absent)
    found, pair = ours(predicted, mask), (torch.tensor(predicted), torch.tensor(mask))
    each = classification.MulticlassJaccardIndex(C, average="none", ignore_index=IGNORE)(*pair)
    mean = classification.MulticlassJaccardIndex(C, average="macro", ignore_index=IGNORE)(*pair)
    counts = classification.MulticlassConfusionMatrix(C, ignore_index=IGNORE)(*pair)
    assert counts.tolist() == [list(row) for row in found.confusion]
    # A class that is nowhere has no IoU here, and 0 there; neither counts it in the mean.
    np.testing.assert_allclose(each, np.nan_to_num(found.iou), atol=1e-6)
    assert np.isnan(found.iou[-1]) == absent
    assert float(mean) == pytest.approx(found.miou, abs=1e-6)


def test_torchmetrics_mean_iou_averages_over_images_first() -> None:
    predicted, mask = drawn(ignored=0, absent=True)
    pair = torch.tensor(predicted), torch.tensor(mask)
    each = segmentation.MeanIoU(C, input_format="index", per_class=True)(*pair)
    of_images = np.array([ours(one[None], real[None]).iou for one, real in zip(predicted, mask, strict=True)])
    # By class, the mean over the images in which it occurs; -1 for one that is nowhere.
    np.testing.assert_allclose(each[:-1].numpy(), np.nanmean(of_images[:, :-1], axis=0), atol=1e-6)
    assert each[-1] == -1
    # A class that is rare in an image weighs as much as where it is common, so this is another figure.
    assert np.abs(each[:-1].numpy() - ours(predicted, mask).iou[:-1]).max() > 0.05


def test_torchmetrics_mean_iou_of_one_image_is_our_miou() -> None:
    predicted, mask = drawn(ignored=0, absent=False)
    metric = segmentation.MeanIoU(C, input_format="index")
    found = metric(torch.tensor(predicted[:1]), torch.tensor(mask[:1]))
    assert float(found) == pytest.approx(ours(predicted[:1], mask[:1]).miou, abs=1e-6)


def test_torchmetrics_mean_iou_has_no_ignored_pixels() -> None:
    predicted, mask = drawn(ignored=0.2, absent=False)
    with pytest.raises(RuntimeError, match="smaller than num_classes"):
        segmentation.MeanIoU(C, input_format="index")(torch.tensor(predicted), torch.tensor(mask))


@pytest.mark.parametrize("absent", [False, True])
def test_iou_score_of_segmentation_models_pytorch_is_our_iou(absent: bool) -> None:
    predicted, mask = drawn(ignored=0.2, absent=absent)
    stats = smp.metrics.get_stats(
        torch.tensor(predicted), torch.tensor(mask), mode="multiclass", num_classes=C, ignore_index=IGNORE
    )
    pooled = [part.sum(0, keepdim=True) for part in stats]
    each = smp.metrics.iou_score(*pooled, reduction="none")[0]
    # A class that is nowhere has an IoU of 1 there (`zero_division`).
    np.testing.assert_allclose(each, np.nan_to_num(ours(predicted, mask).iou, nan=1), atol=1e-6)


def voc_accuracies(predicted: NDArray[np.int64], mask: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """What VOC's devkit prints for each class, in percent.

    Its definition: for each class, true positives / (true positives + false positives + false negatives), counted over
    the pixels of all images, without those of void (255); the result is the mean over all classes, background included.
    Source: Everingham, Winn, *The PASCAL Visual Object Classes Challenge 2012 Development Kit*, section on segmentation
    (`VOCevalseg`); Everingham et al., IJCV 2015, section on the segmentation evaluation.
    """
    counted = mask != 255
    percent = np.empty(count)
    for index in range(count):
        real, found = counted & (mask == index), counted & (predicted == index)
        right, wrong, missed = (real & found).sum(), (found & ~real).sum(), (real & ~found).sum()
        percent[index] = 100 * right / total if (total := right + wrong + missed) else np.nan
    return percent


@pytest.mark.parametrize("absent", [False, True])
def test_accuracies_of_the_voc_devkit_are_our_iou(absent: bool) -> None:
    predicted, mask = drawn(ignored=0.2, absent=absent)
    percent, found = voc_accuracies(predicted, mask, C), ours(predicted, mask)
    np.testing.assert_allclose(np.array(found.iou) * 100, percent, atol=1e-9)
    if not absent:
        assert found.miou * 100 == pytest.approx(percent.mean(), abs=1e-9)
    else:
        # On VOC's own lists every class occurs. A class that does not makes the devkit's mean no number; ours omits it.
        assert np.isnan(percent.mean())
        assert found.miou * 100 == pytest.approx(np.nanmean(percent), abs=1e-9)
