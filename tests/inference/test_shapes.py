"""COCO and labelme files: what independent readers draw from them is the label map, pixel by pixel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import polygon2mask
from skimage.measure import label as connected

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.coco import CocoMasks
from pointillist.errors import ConfigError, SaveError
from pointillist.inference.writers import get_writer
from pointillist.inference.writers.labelme import NO_DATA
from pointillist.points.formats import get_format
from tests.inference.blobs import CLASSES, blobs, confidence_of, result_of, small_strips

SEEDS = range(12)


def content(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def without_holes(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Each piece of an object without its holes; pieces touch each other at corners only."""
    pieces = connected(inside, connectivity=1)
    filled = [ndimage.binary_fill_holes(pieces == n, np.ones((3, 3))) for n in range(1, pieces.max() + 1)]
    return np.any(filled, axis=0)


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of pycocotools
@pytest.mark.parametrize("segmentation", ["rle", "polygons"])
@pytest.mark.parametrize("seed", SEEDS)
def test_pycocotools_draws_the_label_map(
    seed: int, segmentation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = pytest.importorskip("pycocotools.coco")
    small_strips(monkeypatch, seed)
    labels = blobs(seed)
    file = tmp_path / "b_coco.json"
    get_writer("coco", {"segmentation": segmentation}).write(result_of(labels), file)
    coco = tools.COCO(str(file))
    assert coco.imgs == {1: {"id": 1, "file_name": "a/b.jpg", "height": len(labels), "width": labels.shape[1]}}
    assert {one["id"]: one["name"] for one in coco.cats.values()} == {2: "berry", 3: "leaf, green"}
    found, masks = [], np.zeros_like(labels)
    for annotation in coco.anns.values():
        inside = coco.annToMask(annotation).astype(bool)
        found.append((annotation["category_id"] - 1, annotation["area"], inside.tobytes()))
        masks[inside] = annotation["category_id"] - 1
        rows, columns = np.nonzero(inside)
        assert annotation["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert annotation["iscrowd"] == 0
        if segmentation == "rle":
            assert annotation["score"] == pytest.approx(confidence_of(labels)[inside].mean(dtype=float), rel=1e-9)
    expected = []
    for index in (1, 2):
        numbers = connected(labels == index, connectivity=2)
        for number in range(1, numbers.max() + 1):
            inside = numbers == number
            drawn_as = inside if segmentation == "rle" else without_holes(inside)
            expected.append((index, inside.sum(), drawn_as.tobytes()))
    assert sorted(found) == sorted(expected)
    if found and segmentation == "rle":
        # Our own reader: what belongs to no object is background.
        reader = CocoMasks(file, CLASSES, ["a/b.jpg"])
        assert np.array_equal(reader.read(reader.files["a/b.jpg"], labels.shape), masks)
        assert np.array_equal(masks, np.where(labels == IGNORE, 0, labels))


def test_run_lengths_are_those_of_pycocotools(tmp_path: Path) -> None:
    mask = pytest.importorskip("pycocotools.mask")
    # Through ends of columns, and to the last pixel.
    labels = np.array([[1, 1, 0, 1], [1, 0, 1, 1], [1, 1, 1, 1]], np.uint8)
    get_writer("coco").write(result_of(labels), tmp_path / "b_coco.json")
    (annotation,) = content(tmp_path / "b_coco.json")["annotations"]
    encoded = mask.encode(np.asfortranarray(labels))
    assert annotation["segmentation"] == {"size": [3, 4], "counts": encoded["counts"].decode()}


def test_coco_of_all_images(tmp_path: Path) -> None:
    writer = get_writer("coco")
    maps = {"a/b.jpg": blobs(1), "nothing": np.zeros((2, 3), np.uint8), "ü.png": blobs(2)}
    files = []
    for image, labels in maps.items():
        files.append(tmp_path / f"{len(files)}_coco.json")
        writer.write(result_of(labels, image), files[-1])
    writer.collect(iter(files), tmp_path)
    together, parts = content(tmp_path / "coco.json"), [content(file) for file in files]
    assert [image["file_name"] for image in together["images"]] == list(maps)
    assert [image["id"] for image in together["images"]] == [1, 2, 3]
    assert together["categories"] == parts[0]["categories"]
    annotations = together["annotations"]
    assert [one["id"] for one in annotations] == list(range(1, len(annotations) + 1))
    expected = [{**one, "image_id": number} for number, part in enumerate(parts, 1) for one in part["annotations"]]
    assert [{**one, "id": 0} for one in annotations] == [{**one, "id": 0} for one in expected]
    masks = CocoMasks(tmp_path / "coco.json", CLASSES, ["a/b.jpg"])
    assert np.array_equal(
        masks.read(masks.files["a/b.jpg"], maps["a/b.jpg"].shape) > 0, np.isin(maps["a/b.jpg"], (1, 2))
    )
    before = (tmp_path / "coco.json").read_bytes()
    whole = files[0].read_text()
    images = whole.splitlines()[2]
    for text in (
        "",
        "{}\n",
        whole.removesuffix("]}\n"),
        whole.replace("berry", "bery"),
        whole.replace(images, '"images": [1],'),
        whole.replace('{"id": 2, ', '[1, {"id": 2, '),
        whole.replace('"annotations": [\n', '"annotations": [\n7,\n'),
    ):
        files[1].write_text(text)
        with pytest.raises(SaveError, match=r"1_coco\.json"):
            writer.collect(files, tmp_path)
    assert (tmp_path / "coco.json").read_bytes() == before
    assert not list(tmp_path.glob(".*"))
    writer.collect([], tmp_path)
    assert content(tmp_path / "coco.json")["images"] == []


def drawn(shapes: list[dict[str, Any]], size: tuple[int, int]) -> NDArray[np.int64]:
    """The label map of shapes, each over those before it; -1 where there is none."""
    labels = np.full(size, -1)
    for shape in shapes:
        # scikit-image looks at the centres of pixels, and counts from the first one.
        inside = polygon2mask(size, np.array(shape["points"])[:, ::-1] - 0.5)
        labels[inside] = [*CLASSES, NO_DATA].index(shape["label"])
    return labels


@pytest.mark.parametrize("seed", SEEDS)
def test_labelme_shapes_drawn_in_order_are_the_label_map(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_strips(monkeypatch, seed)
    labels = blobs(seed, 40)
    get_writer("labelme").write(result_of(labels), tmp_path / "b.json")
    written = content(tmp_path / "b.json")
    found = drawn(written["shapes"], labels.shape)
    expected = np.where(labels == IGNORE, 3, labels)
    left_out = np.isin(expected, (0, 3))
    assert np.array_equal(found[~left_out], expected[~left_out])
    # Background and no data are drawn only where something is around them.
    assert ((found == expected) | (found == -1))[left_out].all()
    border = np.zeros(labels.shape, bool)
    border[[0, -1]] = border[:, [0, -1]] = True
    assert (found[left_out & border] == -1).all()


def test_labelme_reads_it(tmp_path: Path) -> None:
    """By the facts of labelme's `LabelFile`: the keys it needs and the types that it checks."""
    labels = np.ones((9, 11), np.uint8)
    labels[2:5, 3:6] = 0
    labels[3, 4] = 2
    labels[7, 7] = IGNORE
    get_writer("labelme").write(result_of(labels), tmp_path / "b.json")
    written = content(tmp_path / "b.json")
    shapes = written.pop("shapes")
    assert written == {
        "version": "5.5.0",
        "flags": {},
        "imagePath": "b.jpg",
        "imageData": None,
        "imageHeight": 9,
        "imageWidth": 11,
    }
    assert [shape["label"] for shape in shapes] == ["berry", "soil", "leaf, green", NO_DATA]
    assert shapes[0] == {
        "label": "berry",
        "points": [[0, 0], [0, 9], [11, 9], [11, 0]],
        "group_id": None,
        "description": "",
        "shape_type": "polygon",
        "flags": {},
        "mask": None,
    }
    # Our own reader of clicks knows the format, and says what it leaves out.
    table = get_format("labelme").read(tmp_path / "b.json")
    assert table.skipped == {"polygon": 4}
    assert list(table.listed) == ["b.jpg"]
    get_writer("labelme", {"simplify": 30}).write(result_of(labels), tmp_path / "few.json")
    assert {len(shape["points"]) for shape in content(tmp_path / "few.json")["shapes"]} == {3}


def test_without_a_background_everything_is_an_object(tmp_path: Path) -> None:
    result = result_of(np.zeros((2, 3), np.uint8))
    classes = ClassSet.create(["road", "car"], policy="none")
    result = type(result)(result.image, result.prediction, classes, None, result.picture)
    get_writer("coco").write(result, tmp_path / "b.json")
    written = content(tmp_path / "b.json")
    assert [one["name"] for one in written["categories"]] == ["road", "car"]
    assert [one["category_id"] for one in written["annotations"]] == [1]
    get_writer("labelme").write(result, tmp_path / "b.json")
    assert [shape["label"] for shape in content(tmp_path / "b.json")["shapes"]] == ["road"]


@pytest.mark.parametrize(
    ("name", "options"),
    [("coco", {"segmentation": "masks"}), ("labelme", {"simplify": -1}), ("objects", {"smallest": 0})],
)
def test_settings_that_cannot_be(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{name}.{next(iter(options))}"):
        get_writer(name, options)


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    for name in ("coco", "labelme", "areas", "objects"):
        with pytest.raises(SaveError):
            get_writer(name).write(result_of(blobs(1)), tmp_path / "missing" / "b.json")
    assert not list(tmp_path.iterdir())
