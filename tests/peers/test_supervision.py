"""supervision (Roboflow) reads what we write: objects as Detections with masks, clicks as Detections of points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pointillist.api import load
from pointillist.inference.writers import get_writer
from tests.inference.blobs import CLASSES, result_of
from tests.peers.packages import peer

sv = peer("supervision", "supervision")


@pytest.mark.parametrize("segmentation", ["polygons", "rle"])
def test_objects_of_a_coco_file_are_detections_that_cover_the_label_map(segmentation: str, tmp_path: Path) -> None:
    labels = np.zeros((30, 40), np.uint8)
    labels[3:12, 5:17] = 1
    labels[14:27, 20:38] = 2
    if segmentation == "rle":
        labels[18:22, 25:30] = 0  # a hole, which polygons of COCO do not have
    (tmp_path / "a").mkdir()
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "a" / "b.jpg")
    get_writer("coco", {"segmentation": segmentation}).write(result_of(labels), tmp_path / "coco.json")
    data = sv.DetectionDataset.from_coco(str(tmp_path), str(tmp_path / "coco.json"), force_masks=True)
    ((path, _, found),) = list(data)
    assert Path(path) == tmp_path / "a" / "b.jpg"
    drawn = np.zeros_like(labels)
    for mask, number in zip(found.mask, found.class_id, strict=True):
        drawn[mask] = CLASSES.names.index(data.classes[number])
    if segmentation == "polygons":
        # It draws outlines with OpenCV, which takes corners of pixels for their centres: a pixel more to the right and
        # below. All but that is the label map.
        beside = ndimage.grey_dilation(labels, (3, 3)) != ndimage.grey_erosion(labels, (3, 3))
        assert (drawn != labels)[beside].any()
        drawn[beside] = labels[beside]
    np.testing.assert_array_equal(drawn, labels)


def test_clicks_are_detections_in_the_zones_they_lie_in(tiny_data: Path) -> None:
    data = load(tiny_data)
    points = data.points.of("tiny_0.png")
    xy = np.array([(point.x, point.y) for point in points])
    clicks = sv.Detections(
        xyxy=np.hstack([xy, xy]), class_id=np.array([data.classes.names.index(point.label) for point in points])
    )
    anchors = clicks.get_anchors_coordinates(sv.Position.CENTER)
    np.testing.assert_allclose(anchors, xy)
    mask = np.asarray(Image.open(tiny_data / "masks" / "tiny_0.png"))
    columns, rows = np.floor(anchors).astype(int).T
    np.testing.assert_array_equal(mask[rows, columns], clicks.class_id)
