"""One entry that holds no point is counted and left out; the points around it are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pointillist.errors import PointsError
from pointillist.points.formats import formats, get_format
from pointillist.points.table import Point
from tests.points.format_contract import write_valid

LABELME_POINT = {"shape_type": "point", "label": "cat", "points": [[1, 2]]}
FEATURE = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}
COCO_POINT = {"id": 99, "image_id": 1, "category_id": 1, "keypoints": [1, 2, 2]}
VIA_POINT = {"shape_attributes": {"name": "point", "cx": 1, "cy": 2}, "region_attributes": {"class": "cat"}}
STUDIO_POINT = {
    "type": "keypointlabels",
    "original_width": 9,
    "original_height": 9,
    "value": {"x": 1, "y": 2, "keypointlabels": ["cat"]},
}


def entries(name: str, content: Any) -> list[Any]:
    """The list of a file in which points stand."""
    return {
        "labelme": lambda: content["shapes"],
        "qupath": lambda: content["features"],
        "coco": lambda: content["annotations"],
        "via": lambda: next(iter(content.values()))["regions"],
        "label-studio": lambda: content[0]["annotations"][0]["result"],
    }[name]()


@pytest.mark.parametrize(
    ("name", "entry", "kind"),
    [
        ("labelme", LABELME_POINT | {"points": []}, "point without a position or a label"),
        ("labelme", LABELME_POINT | {"points": None}, "point without a position or a label"),
        ("labelme", LABELME_POINT | {"label": None}, "point without a position or a label"),
        ("qupath", FEATURE | {"geometry": None}, "feature without a geometry"),
        ("qupath", FEATURE | {"geometry": {"type": "Point", "coordinates": []}}, "Point without coordinates"),
        ("qupath", FEATURE | {"geometry": {"type": "GeometryCollection"}}, "GeometryCollection without coordinates"),
        ("coco", COCO_POINT | {"keypoints": []}, "annotation without keypoints"),
        ("coco", COCO_POINT | {"image_id": 77}, "annotation whose image is not listed"),
        ("coco", COCO_POINT | {"category_id": None}, "annotation whose category is not listed"),
        ("via", VIA_POINT | {"shape_attributes": {}}, "region without a shape"),
        ("via", VIA_POINT | {"shape_attributes": {"name": "point", "cx": None, "cy": 2}}, "point without a position"),
        ("via", VIA_POINT | {"region_attributes": {}}, "point without a class"),
        ("via", VIA_POINT | {"region_attributes": {"class": ""}}, "point without a class"),
        ("via", VIA_POINT | {"region_attributes": {"class": {"cat": False}}}, "point without a class"),
        ("label-studio", STUDIO_POINT | {"value": {"x": 1, "y": 2}}, "key point without a label"),
        ("label-studio", STUDIO_POINT | {"value": {"x": None, "y": 2}}, "keypointlabels"),
        ("label-studio", {"type": "relation", "from_id": "a"}, "relation"),
    ],
)
def test_json(name: str, entry: dict[str, Any], kind: str, tmp_path: Path) -> None:
    path = write_valid(formats()[name], tmp_path, [Point("a.png", 10.5, 20.5, "cat"), Point("a.png", 5.5, 6.5, "dog")])
    content = json.loads(path.read_text())
    entries(name, content).insert(1, entry)
    path.write_text(json.dumps(content))
    table = get_format(name).read(path)
    assert table.counts() == {"cat": 1, "dog": 1}
    assert table.skipped == {kind: 1}


def test_xml(tmp_path: Path) -> None:
    odd = '<points label="cat"/><points label="cat" points=""/><points points="1,2"/>'
    path = tmp_path / "a.xml"
    path.write_text(f'<annotations><image name="a">{odd}<points label="cat" points="1,2"/></image></annotations>')
    table = get_format("cvat").read(path)
    assert len(table) == 1
    assert table.skipped == {"points without a position": 2, "points without a label": 1}


PROJECT = """<annotations>
<image name="a.png" subset="Train" task_id="7"><points label="cat" points="1,2"/></image>
<image name="a.png" subset="Validation" task_id="7"><points label="cat" points="3,4"/></image>
<image name="a.png" subset="Train" task_id="8"><points label="cat" points="5,6"/></image>
<image name="b.png" subset="default" task_id="8"><points label="cat" points="7,8"/></image>
</annotations>"""


@pytest.mark.parametrize(
    ("options", "images", "repeated"),
    [
        ({}, ["Train/a.png", "Validation/a.png", "b.png"], {"Train/a.png"}),
        ({"task": 7}, ["Train/a.png", "Validation/a.png"], set()),
        ({"task": 8}, ["Train/a.png", "b.png"], set()),
        ({"subset": "Train"}, ["Train/a.png"], {"Train/a.png"}),
        ({"subset": "Train", "task": 8}, ["Train/a.png"], set()),
    ],
)
def test_a_project_of_cvat_is_known_by_subset_and_task(
    options: dict[str, Any], images: list[str], repeated: set[str], tmp_path: Path
) -> None:
    path = tmp_path / "a.xml"
    path.write_text(PROJECT)
    table = get_format("cvat", options).read(path)
    assert list(table.images) == images
    assert table.repeated == repeated
    assert len(table) + table.skipped["points of another subset or task"] == 4


@pytest.mark.parametrize(("options", "hint"), [({"task": 9}, "7, 8"), ({"subset": "test"}, "Train, Validation")])
def test_a_subset_or_task_that_is_not_there(options: dict[str, Any], hint: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(PROJECT)
    with pytest.raises(PointsError, match=hint) as caught:
        get_format("cvat", options).read(path)
    assert caught.value.field == next(iter(options))
