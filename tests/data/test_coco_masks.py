"""Masks of COCO files: shapes against an encoder of our own and what pycocotools draws, and the rules about objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from skimage.draw import polygon2mask

from pointillist.data.check import check
from pointillist.data.convert import convert
from pointillist.data.layouts import load_dataset
from pointillist.data.rle import LONGEST, counts_of, mask_of_counts, mask_of_outlines
from pointillist.errors import DatasetError, MaskError

# Shapes.


def encoded(mask: np.ndarray) -> list[int]:
    """Run lengths, down each column, by the book."""
    counts, inside = [0], False
    for value in mask.T.ravel():
        if bool(value) != inside:
            counts.append(0)
            inside = not inside
        counts[-1] += 1
    return counts


def compressed(counts: list[int]) -> str:
    """The text of run lengths: `rleToString` of pycocotools, a number at a time."""
    text = ""
    for index, count in enumerate(counts):
        number = count - (counts[index - 2] if index > 2 else 0)
        while True:
            digit, number = number & 31, number >> 5
            more = number != (-1 if digit & 16 else 0)
            text += chr((digit | (32 if more else 0)) + 48)
            if not more:
                break
    return text


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_come_back(seed: int) -> None:
    random = np.random.default_rng(seed)
    size = tuple(int(side) for side in random.integers(1, 200, 2))
    mask = np.repeat(random.random((size[0], 1 + size[1] // 7)) < random.random(), 7, axis=1)[:, : size[1]]
    counts = encoded(mask)
    assert counts_of(compressed(counts)).tolist() == counts
    assert np.array_equal(mask_of_counts(np.array(counts), mask.shape), mask)


PYCOCOTOOLS = """
............
.##.........
.##########.
..#######.#.
..#######.##
..#######.##
..#..###....
..#...##....
.......#....
............
"""
"""What pycocotools 2.0.11 draws for `OUTLINES`."""

TEXT = ";285LM2001O1O1OM3M33ONL"
"""And how it writes it."""

OUTLINES = [
    [1.2, 1.1, 9.7, 2.3, 7.5, 8.9, 4.0, 5.2, 2.1, 8.8],
    [10.5, 0.5, 11.9, 6.2, 10.1, 6.3],
]


def test_outlines_are_drawn_as_pycocotools_does() -> None:
    expected = np.array([[sign == "#" for sign in row] for row in PYCOCOTOOLS.split()])
    assert np.array_equal(mask_of_outlines([np.array(outline) for outline in OUTLINES], (10, 12)), expected)
    assert np.array_equal(mask_of_counts(counts_of(TEXT), (10, 12)), expected)


@pytest.mark.parametrize("seed", range(8))
def test_outlines_are_those_of_skimage_but_for_the_pixels_they_pass(seed: int) -> None:
    random = np.random.default_rng(seed)
    angles = np.sort(random.uniform(0, 2 * np.pi, 9))
    corners = np.stack([40 + 30 * np.cos(angles), 33 + 28 * np.sin(angles)], axis=1) + random.uniform(-2, 2, (9, 2))
    ours = mask_of_outlines([corners.ravel()], (70, 80))
    theirs = polygon2mask((70, 80), corners[:, ::-1] - 0.5)  # there, a pixel's centre is a whole number
    around = np.zeros((70, 80), bool)
    for (x, y), (u, v) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        for t in np.linspace(0, 1, 400):
            row, column = int(y + t * (v - y)), int(x + t * (u - x))
            around[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = True
    assert ours.sum() > 500
    assert np.array_equal(ours[~around], theirs[~around])


def test_what_leads_far_out_is_refused_before_it_fills_the_memory() -> None:
    for far in (1e300, float("inf"), float("nan"), float(LONGEST)):
        with pytest.raises(ValueError, match="far out"):
            mask_of_outlines([np.array([0.0, 0.0, far, 1.0, 3.0, 3.0])], (4, 4))
    with pytest.raises(ValueError, match="add up"):
        mask_of_counts(np.array([10**18, 6]), (2, 3))


# The file.

CLASSES = ["soil", "berry", "leaf"]


def square(left: float, top: float, side: float) -> list[list[float]]:
    return [[left, top, left + side, top, left + side, top + side, left, top + side]]


def annotation(segmentation: Any, category: int = 7, image: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": image, "category_id": category, "segmentation": segmentation, **more}


@pytest.fixture
def write(tmp_path: Path, save):
    """Writes a data set of two images, 10 high and 12 wide, with COCO masks."""

    def make(annotations: list[Any], settings: dict[str, Any] | None = None, **content: Any) -> Path:
        for name in ("a.jpg", "deep/b.jpg"):
            save(tmp_path / "data/images" / name, (10, 12))
        images = [
            {"id": number, "file_name": name, "height": 10, "width": 12}
            for number, name in enumerate(("a.jpg", "images/deep/b.jpg"), start=1)
        ]
        categories = [{"id": 7, "name": "berry"}, {"id": 3, "name": "leaf"}, {"id": 4, "name": "stone"}]
        coco = {"images": images, "categories": categories, "annotations": annotations, **content}
        (tmp_path / "data/coco.json").write_text(json.dumps(coco))
        described = {"classes": CLASSES, "masks": "coco", "paths": {"masks": "coco.json"}, **(settings or {})}
        (tmp_path / "data/dataset.yaml").write_text(yaml.safe_dump(described))
        return tmp_path / "data"

    return make


def labels_of(root: Path, index: int = 0) -> np.ndarray:
    dataset = load_dataset(root)
    return dataset.masks.read(dataset.items[index].mask, (10, 12))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("overlap", [None, "smaller", "later"])
def test_objects_of_every_shape_lie_on_each_other_as_declared(write, seed: int, overlap: str | None) -> None:
    random = np.random.default_rng(seed)
    annotations, masks = [], []
    for _ in range(6):
        left, top = random.integers(0, 8, 2)
        side = int(random.integers(2, 12))
        mask = np.zeros((10, 12), bool)
        mask[top : top + side, left : left + side] = True
        kind = random.integers(3)
        counts = encoded(mask)
        shape: Any = square(float(left), float(top), side)
        if kind:
            shape = {"size": [10, 12], "counts": counts if kind == 1 else compressed(counts)}
        category = int(random.choice([7, 3]))
        annotations.append(annotation(shape, category, image=2, iscrowd=int(kind > 0)))
        masks.append((1 if category == 7 else 2, mask))
    root = write(annotations, None if overlap is None else {"overlap": overlap})
    expected = np.zeros((10, 12), np.uint8)
    for label, mask in masks if overlap == "later" else sorted(masks, key=lambda pair: -pair[1].sum()):
        expected[mask] = label
    assert np.array_equal(labels_of(root, 1), expected)
    assert not labels_of(root, 0).any()  # listed, and without an object


@pytest.mark.parametrize(("policy", "rest"), [("points", 0), ({"policy": "border", "class": "leaf"}, 2), ("none", 255)])
def test_what_is_no_object_is_background_or_ignored(write, policy: object, rest: int) -> None:
    labels = labels_of(write([annotation(square(2, 3, 4))], {"background": policy}))
    assert (labels[3:7, 2:6] == 1).all()
    assert (labels == rest).sum() == 120 - 16


def test_images_that_are_not_at_hand_are_counted_and_those_not_listed_have_no_mask(write) -> None:
    root = write(
        [annotation(square(0, 0, 3)), annotation([], category=4, image=2)],
        images=[
            {"id": 1, "file_name": "a.jpg", "height": 10, "width": 12},
            {"id": 2, "file_name": "elsewhere.jpg"},
        ],
    )
    dataset = load_dataset(root)
    assert [item.mask is not None for item in dataset.items] == [True, False]
    assert dataset.left_out.files == {"image of the COCO file that is not there": 1}


def test_they_are_checked_and_converted_like_others(write, tmp_path: Path) -> None:
    root = write([annotation(square(2, 3, 4)), annotation(square(6, 6, 3), category=3, image=2)])
    report = check(load_dataset(root))
    assert (report.masks, report.errors) == (2, 0)
    assert report.pixels == {"soil": 240 - 16 - 9, "berry": 16, "leaf": 9}
    convert(load_dataset(root), tmp_path / "native")
    native = load_dataset(tmp_path / "native")
    for index, item in enumerate(native.items):
        assert np.array_equal(native.masks.read(item.mask, (10, 12)), labels_of(root, index))


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"segmentation": []}, "no outline"),
        ({"segmentation": None}, "'segmentation' is missing"),
        ({"segmentation": "x"}, "in place of a list"),
        ({"segmentation": [[1, 2, 3]]}, "no pairs"),
        ({"segmentation": [[]]}, "no pairs"),
        ({"segmentation": [["1", "2"]]}, "no list of numbers"),
        ({"segmentation": [[[1, 2], [3]]]}, "no list of numbers"),
        ({"segmentation": [{"x": 1}]}, "no list of numbers"),
        ({"segmentation": {"size": [12, 10], "counts": [120]}}, "but the image has"),
        ({"segmentation": {"size": [10, 12]}}, "'counts' is missing"),
        ({"segmentation": {"size": [10, 12], "counts": [1.5, 118.5]}}, "no list of numbers"),
        ({"segmentation": {"size": [10, 12], "counts": [10**30]}}, "no list of numbers"),
        ({"category_id": 4}, "its category 'stone' is no class"),
        ({"category_id": 5}, "no category has the id 5"),
        ({"image_id": 9}, "no image has the id 9"),
        ({"image_id": "1"}, "no number"),
    ],
)
def test_annotations_that_cannot_be_meant_are_named(write, wrong: dict[str, Any], found: str) -> None:
    root = write([annotation(square(0, 0, 2)), {**annotation(square(0, 0, 2)), **wrong}])
    with pytest.raises(DatasetError, match=found) as caught:
        load_dataset(root)
    assert "annotations[1]" in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ([[0, 0, 1e9, 0, 3, 3]], "far out"),
        ({"size": [10, 12], "counts": [100]}, "do not add up"),
        ({"size": [10, 12], "counts": [-1, 121]}, "do not add up"),
        ({"size": [10, 12], "counts": ""}, "no compressed list"),
        ({"size": [10, 12], "counts": "a b"}, "no compressed list"),
        ({"size": [10, 12], "counts": "P"}, "middle of a number"),
        ({"size": [10, 12], "counts": "P" * 30 + "0"}, "too long"),
    ],
)
def test_shapes_that_cannot_be_drawn_are_mask_errors(write, shape: Any, found: str) -> None:
    root = write([annotation(square(0, 0, 2), image=2), annotation(shape, image=2)])
    with pytest.raises(MaskError, match=found) as caught:
        labels_of(root, 1)
    assert caught.value.where == str(root / "coco.json")
    assert caught.value.field == "annotations[1]"
    assert "'deep/b.jpg'" in caught.value.found


@pytest.mark.parametrize(
    ("settings", "content", "found"),
    [
        ({"paths": {}}, {}, "no COCO file is named"),
        ({"paths": {"masks": "images"}}, {}, "is a folder"),
        ({"overlap": "larger"}, {}, "overlap"),
        ({"masks": "index", "overlap": "later", "paths": {}}, {}, "only goes with masks: coco"),
        ({"classes": [{"name": "soil", "value": 0}, {"name": "berry", "value": 1}]}, {}, "have no value"),
        ({}, {"images": []}, "none of its 0 images"),
        ({}, {"images": [{"id": 1, "file_name": "x.jpg", "height": 10, "width": 12}]}, "'x.jpg' is one of them"),
        ({}, {"images": [{"id": i, "file_name": "a.jpg", "height": 10, "width": 12} for i in (1, 2)]}, "listed twice"),
        ({}, {"images": [{"id": 1, "file_name": "a.jpg"}]}, "'height' is missing"),
        ({}, {"images": 3}, "in place of a list"),
    ],
)
def test_settings_and_files_that_cannot_be_meant_are_named(write, settings: Any, content: Any, found: str) -> None:
    with pytest.raises(DatasetError, match=found):
        load_dataset(write([], settings, **content))


def test_another_size_than_the_image_is_refused(write) -> None:
    root = write([], images=[{"id": 1, "file_name": "a.jpg", "height": 12, "width": 10}])
    with pytest.raises(MaskError, match="is 10×12, but its image is 12×10"):
        labels_of(root)
