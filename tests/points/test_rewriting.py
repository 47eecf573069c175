"""Writing points into files of other tools, which hold more than points and keep it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointillist.errors import PointsError
from pointillist.points.formats import ReadContext, get_format
from pointillist.points.table import Point, PointTable
from tests.points.tool_files import COCO, LABELME, write


def test_labelme_keeps_what_it_does_not_know(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", LABELME)
    points = [Point("a.png", 10.25, 20.5, "berry"), Point("a.png", 7.5, 8.5, "soil")]
    get_format("labelme").write(PointTable(points), tmp_path)
    content = json.loads(path.read_text())
    assert {key: content[key] for key in content if key != "shapes"} == {
        key: LABELME[key] for key in LABELME if key != "shapes"
    }
    assert content["shapes"][:2] == LABELME["shapes"][:2]  # type: ignore[index]
    assert [shape["label"] for shape in content["shapes"]] == ["berry", "leaf", "soil"]
    assert content["shapes"][2]["points"] == [[7.5, 8.5]]


def test_labelme_does_not_overwrite_what_it_cannot_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", '{"shapes": [')
    with pytest.raises(PointsError, match="not valid JSON"):
        get_format("labelme").write(PointTable([Point("a.png", 1, 1, "soil")]), tmp_path)
    assert path.read_text() == '{"shapes": ['


def test_labelme_points_to_the_image(tmp_path: Path) -> None:
    context = ReadContext({}, lambda _: (60, 90), lambda name: tmp_path / "images" / name)
    get_format("labelme").write(PointTable([Point("sub/a.png", 1, 1, "soil")]), tmp_path / "labels", context)
    content = json.loads((tmp_path / "labels" / "sub" / "a.json").read_text())
    assert content["imagePath"] == "../../images/sub/a.png"
    assert (content["imageHeight"], content["imageWidth"]) == (60, 90)


def test_coco_keeps_what_it_does_not_know(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", COCO)
    points = [
        *(Point("a.png", x, y, "berry") for x, y in ((10.5, 20.5), (30.5, 40.5))),
        *(Point("c.png", 1.5, 2.5, "leaf"), Point("b.png", 3.5, 4.5, "berry")),
    ]
    context = ReadContext({}, {"c.png": (6, 8)}.get)
    get_format("coco").write(PointTable(points, listed=["a.png", "b.png", "c.png"]), path, context)
    content = json.loads(path.read_text())
    assert (content["info"], content["licenses"]) == (COCO["info"], COCO["licenses"])
    # Images keep the names and keys they have; only what is new is added.
    assert content["images"][:2] == COCO["images"]
    assert content["images"][2:] == [{"id": 13, "file_name": "c.png", "width": 8, "height": 6}]
    assert content["categories"][0] == COCO["categories"][0]  # type: ignore[index]
    assert (content["categories"][1]["id"], content["categories"][1]["name"]) == (6, "leaf")
    kept, box, *added = content["annotations"]
    assert (kept, box) == (COCO["annotations"][0], COCO["annotations"][2])  # type: ignore[index]
    assert [(a["id"], a["image_id"], a["category_id"], a["keypoints"]) for a in added] == [
        (10, 13, 6, [1.0, 2.0, 2]),
        (11, 12, 5, [3.0, 4.0, 2]),
    ]
    assert len(get_format("coco").read(path)) == 4


def test_coco_keeps_the_annotations_of_images_that_are_not_written(tmp_path: Path) -> None:
    """As when one split goes onto the file of the whole data set."""
    foreign = {
        "id": 20,
        "image_id": 12,
        "category_id": 5,
        "keypoints": [3, 4, 2],
        "bbox": [1, 1, 5, 5],
        "segmentation": [[1, 1, 6, 1, 6, 6]],
        "attributes": {"ripe": True},
    }
    old = COCO | {"annotations": [*COCO["annotations"], foreign]}  # type: ignore[misc]
    path = write(tmp_path / "a.json", old)
    get_format("coco").write(PointTable([Point("a.png", 7.5, 8.5, "berry")], listed=["a.png"]), path)
    content = json.loads(path.read_text())
    # Of the image that is written, the annotation with points that are gone goes.
    assert content["annotations"] == old["annotations"][1:]  # type: ignore[index]
    assert content["images"] == COCO["images"]


def test_coco_does_not_overwrite_annotations_of_no_image(tmp_path: Path) -> None:
    lost = {"id": 20, "image_id": 99, "category_id": 5, "keypoints": [3, 4, 2]}
    path = write(tmp_path / "a.json", COCO | {"annotations": [lost]})
    before = path.read_text()
    with pytest.raises(PointsError, match="nothing has the id 99"):
        get_format("coco").write(PointTable(listed=["a.png"]), path)
    assert path.read_text() == before
