"""The columns of questions in files as other tools write them; that all come back is in `format_contract.py`."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from pointillist.data.label_files import convert_points
from pointillist.errors import PointsWarning
from pointillist.points.formats import ReadContext, get_format
from pointillist.points.formats.native import write_csv
from pointillist.points.questions import COLUMNS
from pointillist.points.table import Point, PointTable
from tests.points.tool_files import COCO, LABELME, write

ANSWER = {"source": "question", "inclusion": "0.25", "answered_by": "eva", "seconds": "1.5"}
OPEN = {"source": "question", "inclusion": "0.25", "answer": "border"}
SIZES = ReadContext({}, lambda _: (60, 90))
GIVEN: dict[str, Any] = {
    **ANSWER,
    "seconds": 1.5,  # as a number
    "mood": "ok",  # not ours
}

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><meta><task><labels><label><name>soil</name><attributes>
  <attribute><name>source</name><default_value>question</default_value></attribute></attributes></label></labels></task></meta>
<image id="0" name="a.png" width="90" height="60">
  <box label="soil" source="manual" xtl="1" ytl="1" xbr="2" ybr="2"><attribute name="source">question</attribute></box>
  <points label="soil" source="manual" points="5.5,6.5"><attribute name="seconds"></attribute></points>
  <points label="soil" source="manual" points="1.5,2.5;3.5,4.5">
    <attribute name="mood">ok</attribute>
    <attribute name="source">question</attribute><attribute name="inclusion">0.2&#53;</attribute>
    <attribute name="answered_by">eva</attribute><attribute name="seconds">1.5</attribute>
  </points>
</image></annotations>"""
LABEL_STUDIO = [
    {
        "data": {"image": "a.png"},
        "annotations": [
            {
                "result": [
                    {
                        **{"id": "x", "type": kind, "from_name": "label", "to_name": "image", "meta": meta},
                        **{"original_width": 100, "original_height": 100, "value": {"x": 1.5, "y": 2.5, **label}},
                    }
                    for kind, label, meta in (
                        ("keypoint", {}, {"text": ["a note"]}),
                        ("keypointlabels", {"keypointlabels": ["soil"]}, GIVEN),
                    )
                ]
            }
        ],
    }
]
QUPATH = {
    "type": "Feature",
    "geometry": {"type": "MultiPoint", "coordinates": [[1.5, 2.5], [3.5, 4.5]]},
    "properties": {"objectType": "annotation", "classification": {"name": "soil"}, "metadata": GIVEN},
}
COCO_FILE = {
    "images": [{"id": 1, "file_name": "a.png"}],
    "categories": [{"id": 1, "name": "soil"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "keypoints": [1, 2, 2], "attributes": GIVEN}],
}
VIA = {
    "a.png1": {
        "filename": "a.png",
        "regions": [
            {
                "shape_attributes": {"name": "point", "cx": 1, "cy": 2},
                "region_attributes": {"kind": "soil", **ANSWER, "seconds": 1.5},
            }
        ],
    }
}
LABELME_FILE = {"shapes": [{"label": "soil", "points": [[1.5, 2.5]], "shape_type": "point", "flags": {}, **GIVEN}]}


@pytest.mark.parametrize(
    ("name", "content", "clicks"),
    [
        ("labelme", LABELME_FILE, 0),
        ("coco", COCO_FILE, 0),
        ("cvat", CVAT, 1),
        ("label-studio", LABEL_STUDIO, 0),
        ("qupath", QUPATH, 0),
        ("via", VIA, 0),
    ],
)
def test_what_other_tools_write_is_read(name: str, content: Any, clicks: int, tmp_path: Path) -> None:
    table = get_format(name).read(write(tmp_path / "a.file", content))
    assert [dict(point.extra) for point in table][:clicks] == [{}] * clicks
    answers = list(table)[clicks:]
    assert (answers[0].x, answers[0].y, answers[0].label) == (1.5, 2.5, "soil")
    assert [dict(point.extra) for point in answers] == [ANSWER] * len(answers)
    assert table.columns == COLUMNS


@pytest.mark.parametrize("value", [{"a": True}, ["question"], True, "two\nlines", "\ud800", float("nan")])
def test_words_that_other_tools_use_for_something_else_are_no_columns(value: Any, tmp_path: Path) -> None:
    shape = {"label": "soil", "points": [[1, 2]], "shape_type": "point", "source": value, "seconds": "3"}
    (point,) = table = get_format("labelme").read(write(tmp_path / "a.json", {"shapes": [shape]}))
    assert (dict(point.extra), table.columns) == ({"seconds": "3"}, ("seconds",))


def test_tools_find_the_columns_where_they_look_for_them(tmp_path: Path) -> None:
    points = [Point("a.png", 1.5, 2.5, "soil", ANSWER), Point("a.png", 3.5, 2.5, "soil", {"source": ""})]
    table = PointTable(points, COLUMNS, unnamed=[Point("a.png", 5.5, 2.5, "", OPEN)])

    def written(name: str, file: str) -> str:
        get_format(name).write(table, tmp_path / file, SIZES)
        return (tmp_path / file).read_text()

    with pytest.warns(
        PointsWarning, match=r"cannot hold everything: 1 question without a class is left out\. A points"
    ):
        shapes = json.loads(written("labelme", "labelme.json"))["shapes"]
    assert [{key: shape.get(key) for key in ANSWER} for shape in shapes] == [ANSWER, dict.fromkeys(ANSWER)]
    with pytest.warns(PointsWarning):
        annotations = json.loads(written("coco", "coco.json"))["annotations"]
    assert [annotation.get("attributes") for annotation in annotations] == [ANSWER, None]
    with pytest.warns(PointsWarning):
        root = ElementTree.fromstring(written("cvat", "a.xml"))
    first, second = root.iter("points")
    # The task that the file is imported into must have these.
    labels = root.findall("meta/task/labels/label")
    assert {label.findtext("name") for label in labels} == {point.label for point in table}
    for label in labels:
        assert {one.findtext("name"): one.findtext("input_type") for one in label.iter("attribute")} == dict.fromkeys(
            ANSWER, "text"
        )
    assert ({one.get("name"): one.text for one in first}, list(second)) == (ANSWER, [])
    (task,) = json.loads(written("label-studio", "tasks.json"))
    results = task["annotations"][0]["result"]
    assert [(result["type"], result.get("meta")) for result in results] == [
        *(("keypointlabels", ANSWER), ("keypointlabels", None)),
        ("keypoint", OPEN),
    ]
    properties = [feature["properties"] for feature in json.loads(written("qupath", "a.geojson"))["features"]]
    assert [one.get("metadata") for one in properties] == [ANSWER, None, OPEN]
    assert ["classification" in one for one in properties] == [True, True, False]
    project = json.loads(written("via3", "via3.json"))
    names = {key: attribute["aname"] for key, attribute in project["attribute"].items()}
    regions = [{names[key]: value for key, value in region["av"].items()} for region in project["metadata"].values()]
    assert regions == [{"class": "0", **ANSWER}, {"class": "0"}, OPEN]


def test_a_class_for_unlabelled_key_points_is_none_for_answers_without_class(tmp_path: Path) -> None:
    table = PointTable([], COLUMNS, unnamed=[Point("a.png", 5.5, 2.5, "", OPEN)])
    kind = get_format("label-studio", {"label": "soil"})
    kind.write(table, tmp_path / "a.json", SIZES)
    assert [dict(point.extra) for point in kind.read(tmp_path / "a.json").unnamed] == [OPEN]


@pytest.mark.parametrize(("name", "old", "key"), [("labelme", LABELME, "shapes"), ("coco", COCO, "annotations")])
def test_an_answer_takes_the_place_of_a_click_in_a_file_and_stays(
    name: str, old: dict[str, Any], key: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.json", old)
    kind = get_format(name)
    points = [*kind.read(path)]
    renamed = [Point("a.png", p.x, p.y, p.label, ANSWER if index == 0 else {}) for index, p in enumerate(points[:2])]
    for _ in range(2):
        kind.write(PointTable(renamed, COLUMNS, listed=["a.png"]), path)
        first = path.read_text()
        assert sorted(len(p.extra) for p in kind.read(path) if p.image.endswith("a.png")) == [0, 4]
    kind.write(PointTable(renamed, COLUMNS, listed=["a.png"]), path)
    assert path.read_text() == first
    assert len(json.loads(first)[key]) == len(old[key])


def test_questions_alone_are_converted(tmp_path: Path) -> None:
    table = PointTable([], COLUMNS, unnamed=[Point("a.png", 5.5, 2.5, "", {"source": "question", "inclusion": "0.25"})])
    write_csv(table, tmp_path / "open.csv")
    _, written = convert_points(tmp_path / "open.csv", tmp_path / "open.json", "via3")
    convert_points(tmp_path / "open.json", tmp_path / "again.csv", "csv")
    assert len(written.unnamed) == 1
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "open.csv").read_text()
    with pytest.warns(PointsWarning, match="1 question without a class is left out"):
        _, written = convert_points(tmp_path / "open.csv", tmp_path / "open.xml", "cvat")
    assert not written.unnamed


def test_what_no_format_keeps_is_named(tmp_path: Path) -> None:
    extra = {**ANSWER, "weather": "wet"}
    points = [Point("a.png", x + 0.5, 1.5, "soil", extra) for x in range(3)]
    unnamed = [Point("a.png", 5.5, 2.5 + y, "", OPEN) for y in range(2)]
    table = PointTable(points, (*COLUMNS, "weather"), unnamed=unnamed)
    with pytest.warns(PointsWarning) as caught:
        get_format("makesense").write(table, tmp_path / "a.csv", SIZES)
    (only,) = caught
    assert str(only.message) == (
        f"{tmp_path / 'a.csv'}: the format makesense cannot hold everything: it has no place for source, inclusion, "
        "answered_by, seconds, weather; 3 answers become plain clicks; 2 questions without a class are left out. "
        "A points.csv keeps it."
    )
    with pytest.warns(PointsWarning, match=r"no place for weather\. A"):
        get_format("via").write(table, tmp_path / "a.json")
