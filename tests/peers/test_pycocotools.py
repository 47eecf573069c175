"""COCO's own API scores what we write: objects, their masks and confidences, and clicks as key points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pointillist.inference.writers import get_writer
from pointillist.points.formats import get_format
from pointillist.points.formats.base import ReadContext
from pointillist.points.table import Point, PointTable
from tests.inference.blobs import CLASSES, result_of
from tests.peers.packages import peer

coco = peer("pycocotools.coco", "pycocotools")
cocoeval = peer("pycocotools.cocoeval", "pycocotools")
mask_api = peer("pycocotools.mask", "pycocotools")
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

WITH_CORNERS = np.ones((3, 3))


def smooth(seed: int) -> NDArray[np.uint8]:
    """Large blobs of all classes."""
    random = np.random.default_rng(seed)
    return np.argmax([ndimage.gaussian_filter(random.standard_normal((60, 80)), 5) for _ in CLASSES], axis=0).astype(
        np.uint8
    )


def objects(labels: NDArray[np.uint8]) -> list[tuple[int, NDArray[np.bool_]]]:
    """Class index and mask of each object, by another library than ours."""
    found = []
    for index in (1, 2):
        numbers, count = ndimage.label(labels == index, WITH_CORNERS)
        found += [(index, numbers == number) for number in range(1, count + 1)]
    return found


def truth(maps: list[NDArray[np.uint8]]) -> Any:
    """A COCO data set that its own functions have encoded."""
    annotations = []
    for image, labels in enumerate(maps, 1):
        for index, inside in objects(labels):
            encoded = mask_api.encode(np.asfortranarray(inside.astype(np.uint8)))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": index + 1,
                    "segmentation": encoded,
                    "area": float(mask_api.area(encoded)),
                    "bbox": mask_api.toBbox(encoded).tolist(),
                    "iscrowd": 0,
                }
            )
    data = coco.COCO()
    data.dataset = {
        "info": {},
        "images": [{"id": image, "width": 80, "height": 60} for image in range(1, len(maps) + 1)],
        "categories": [{"id": index + 1, "name": CLASSES.names[index]} for index in (1, 2)],
        "annotations": annotations,
    }
    data.createIndex()
    return data


def evaluated(real: list[NDArray[np.uint8]], predicted: list[NDArray[np.uint8]], folder: Path, how: str) -> Any:
    """COCOeval of the file that `predict --write coco` makes of all images."""
    writer = get_writer("coco", {"segmentation": how})
    files = []
    for number, labels in enumerate(predicted, 1):
        files.append(folder / f"{number}_coco.json")
        writer.write(result_of(labels, f"{number}.jpg"), files[-1])
    writer.collect(iter(files), folder)
    data = truth(real)
    written = coco.COCO(str(folder / "coco.json"))
    assert [image["file_name"] for image in written.dataset["images"]] == [f"{n}.jpg" for n in range(1, len(real) + 1)]
    found = cocoeval.COCOeval(data, data.loadRes(written.dataset["annotations"]), "segm")
    found.evaluate()
    return found


def test_a_perfect_prediction_has_an_average_precision_of_one(tmp_path: Path) -> None:
    maps = [smooth(seed) for seed in range(3)]
    found = evaluated(maps, maps, tmp_path, "rle")
    found.accumulate()
    found.summarize()
    # AP over all IoU thresholds, at 0.5, at 0.75; the objects are many, so recall with up to 100 per image as well.
    assert found.stats[[0, 1, 2, 8]].tolist() == [1, 1, 1, 1]
    for key, ious in found.ious.items():
        if len(ious):
            assert (np.asarray(ious).max(axis=1) == 1).all(), key


@pytest.mark.parametrize("how", ["rle", "polygons"])
def test_iou_of_each_pair_of_objects_is_that_of_their_masks(how: str, tmp_path: Path) -> None:
    real, predicted = smooth(1), np.roll(smooth(1), (2, 3), (0, 1))
    predicted[20:24, 30:34] = 0
    found = evaluated([real], [predicted], tmp_path, how)
    compared = 0
    for index in (1, 2):
        ours = [inside for one, inside in objects(predicted) if one == index]
        if how == "polygons":
            ours = [ndimage.binary_fill_holes(inside) for inside in ours]  # COCO's polygons have none
        theirs = [inside for one, inside in objects(real) if one == index]
        expected = [[(a & b).sum() / (a | b).sum() for b in theirs] for a in ours]
        given = np.asarray(found.ious[1, index + 1])
        # It sorts objects by their score.
        np.testing.assert_allclose(sorted(given.tolist()), sorted(np.array(expected).tolist()), atol=1e-12)
        compared += given.size
    assert compared > 4


def test_clicks_are_key_points_of_whole_pixels_and_the_half_between(tmp_path: Path) -> None:
    points = PointTable(
        [Point("a.jpg", 10.5, 3.5, "berry"), Point("a.jpg", 7.25, 8, "soil"), Point("b.jpg", 1, 2, "berry")]
    )
    get_format("coco").write(points, tmp_path / "clicks.json", ReadContext(size_of=lambda _: (60, 80)))
    data = coco.COCO(str(tmp_path / "clicks.json"))
    (berry,) = data.getCatIds(catNms=["berry"])
    image = next(one["id"] for one in data.dataset["images"] if one["file_name"] == "a.jpg")
    (found,) = data.loadAnns(data.getAnnIds(imgIds=[image], catIds=[berry]))
    assert found["keypoints"] == [10, 3, 2], "the centre of a pixel is its index there"
    assert {tuple(one["keypoints"]) for one in data.anns.values()} == {(10, 3, 2), (6.75, 7.5, 2), (0.5, 1.5, 2)}
