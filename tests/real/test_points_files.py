"""Label files that people really use, against the images and masks at hand; figures are printed with `pytest -s`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pointillist.classes import IGNORE, VOC_CLASSES
from pointillist.data.dataset import Dataset
from pointillist.data.images import image_size
from pointillist.data.layouts import load_dataset
from pointillist.errors import PointsError
from pointillist.points.check import Checked, Reason
from pointillist.points.formats import get_format

CLICKS, INSTANCES, CITIES = (
    *("pascal2012_trainval_main.json", "instance_points_1.txt"),
    "Cityscape_1point_0ignore_uniform.txt",
)


@pytest.fixture(scope="module")
def labels(real_data: Path) -> Path:
    folder = real_data / "point_labels"
    for name in (CLICKS, INSTANCES, CITIES):
        assert (folder / name).is_file()
    return folder


@pytest.fixture(scope="module")
def voc(real_data: Path) -> Dataset:
    return load_dataset(real_data / "voc2012")


def checked(dataset: Dataset) -> Checked:
    assert dataset.rejected is not None
    return dataset.rejected


def agreement(dataset: Dataset, images: set[str], shift: float = 0.0) -> tuple[int, int, int]:
    """Points that agree with the mask under them, that do not, and that lie on an ignored pixel."""
    agree = differ = ignored = 0
    for item in dataset.items:
        if item.mask is None or item.name not in images or not dataset.points.of(item.name):
            continue
        size = image_size(item.image)
        mask = dataset.masks.read(item.mask, size)
        for point in dataset.points.of(item.name):
            row, column = min(int(point.y + shift), size[0] - 1), min(int(point.x + shift), size[1] - 1)
            value = int(mask[row, column])
            ignored += value == IGNORE
            agree += value == dataset.classes.index(point.label)
            differ += value not in (IGNORE, dataset.classes.index(point.label))
    return agree, differ, ignored


def test_every_human_click_is_accounted_for(labels: Path, voc: Dataset) -> None:
    table = get_format("whats-the-point").read(labels / CLICKS)
    assert (len(table.listed), len(table)) == (12_180, 32_697)
    assert len(table.listed) - len(table.images) == 20  # empty lists
    assert {point.label for point in table} == set(VOC_CLASSES[1:])
    outcome = checked(voc.with_points(labels / CLICKS))
    print(f"\nWhat's the Point: {outcome.total:,} points, {len(outcome.points):,} on the 587 images at hand,", end=" ")
    print(", ".join(f"{count:,} {reason}" for reason, count in outcome.reasons().most_common()))
    assert outcome.total == len(outcome.points) + len(outcome.rejections) == 32_697
    # No image of VOC is larger than 500 px, so points beyond are told without their images.
    assert outcome.reasons()[Reason.OUTSIDE] == sum(p.x >= 500 or p.y >= 500 for p in table) == 18
    train = set(voc.splits["train"])
    assert sum(len(outcome.points.of(name)) for name in train) == 859
    assert sum(bool(outcome.points.of(name)) for name in train) == 387


def test_rank_one_is_the_one_point_protocol(labels: Path) -> None:
    table = get_format("whats-the-point", {"rank": 1}).read(labels / CLICKS)
    assert len(table) == 18_475
    assert len(table) + sum(table.skipped.values()) == 32_697
    assert len({(point.image, point.label) for point in table}) == len(table)  # once per class and image


def test_human_clicks_agree_with_the_masks(labels: Path, voc: Dataset) -> None:
    dataset = voc.with_points(labels / CLICKS)
    everything = {item.name for item in dataset.items}
    agree, differ, ignored = agreement(dataset, everything)
    as_written = agreement(dataset, everything, -0.5)
    share, other = agree / (agree + differ), as_written[0] / (as_written[0] + as_written[1])
    print(f"\nclicks and masks: {agree} agree, {differ} differ, {ignored} on ignored pixels: {share:.4f}; ", end="")
    print(f"without + 0.5 it would be {other:.4f}")
    assert agree + differ + ignored == len(dataset.points)
    assert share > 0.98
    assert abs(share - other) < 0.005  # masks cannot tell which convention it is


def test_instance_points_agree_with_every_mask(labels: Path, voc: Dataset) -> None:
    dataset = voc.with_points(labels / INSTANCES, options={"order": "xy"})
    outcome = checked(dataset)
    train = set(voc.splits["train"])
    print(
        f"\ninstance points: {outcome.total:,}, on the images at hand {len(outcome.points):,}", dict(outcome.reasons())
    )
    assert set(outcome.reasons()) == {Reason.UNKNOWN_IMAGE}
    assert sum(bool(dataset.points.of(name)) for name in train) == 389
    assert agreement(dataset, train) == (1249, 0, 0)
    with pytest.raises(PointsError, match="--set order=xy"):
        voc.with_points(labels / INSTANCES, options={"order": "yx"})
    with pytest.raises(PointsError, match="order=yx or xy"):
        voc.with_points(labels / INSTANCES)


def test_cityscapes_points_are_refused_in_the_wrong_order(labels: Path) -> None:
    table = get_format("id-text", {"order": "yx", "size": "1024x2048"}).read(labels / CITIES)
    print(f"\nCityscapes: {len(table):,} points on {len(table.listed):,} images")
    assert len(table.listed) == 2975
    assert {point.label for point in table} == {str(index) for index in range(19)}
    assert len({(point.image, point.label) for point in table}) == len(table)
    assert all(0 <= point.x < 2048 and 0 <= point.y < 1024 for point in table)
    with pytest.raises(PointsError, match="--set order=yx") as caught:
        get_format("id-text", {"order": "xy", "size": "1024x2048"}).read(labels / CITIES)
    print(caught.value.found)
    with pytest.raises(PointsError, match="--set size="):
        get_format("id-text", {"order": "yx"}).read(labels / CITIES)


def test_real_clicks_survive_every_format_that_names_their_classes(labels: Path, tmp_path: Path) -> None:
    table = get_format("whats-the-point").read(labels / CLICKS)
    for name, target in (("csv", "a.csv"), ("cvat", "a.xml"), ("coco", "a.json"), ("via", "b.json")):
        kind = get_format(name)
        kind.write(table, tmp_path / target)
        back = kind.read(tmp_path / target)
        assert len(back) == len(table)
        there = sorted((p.image, p.label, p.x, p.y) for p in table)
        here = sorted((p.image, p.label, p.x, p.y) for p in back)
        assert [a[:2] for a in there] == [b[:2] for b in here]
        np.testing.assert_allclose([a[2:] for a in there], [b[2:] for b in here], atol=1e-9)
