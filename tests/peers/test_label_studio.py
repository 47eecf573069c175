"""Label Studio's SDK: its checks take what we write, its converter keeps our clicks, and its samples are read here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointillist.errors import PointsError
from pointillist.label_studio.regions import run_lengths
from pointillist.points.formats import get_format, recognise_format
from pointillist.points.formats.base import ReadContext
from pointillist.points.table import Point, PointTable
from tests.peers.packages import peer

interface = peer("label_studio_sdk.label_interface", "label-studio-sdk")
converter = peer("label_studio_sdk.converter", "label-studio-sdk")
coco_import = peer("label_studio_sdk.converter.imports.coco", "label-studio-sdk")

LABELS = '<Label value="berry" model_index="0"/><Label value="leaf, green" model_index="1"/>'
CONFIG = f"""<View>
  <Image name="image" value="$image"/>
  <KeyPointLabels name="label" toName="image">{LABELS}</KeyPointLabels>
</View>"""
SIZE = (30, 40)
CONTEXT = ReadContext(size_of=lambda _: SIZE)
POINTS = [
    Point("a/b.png", 1.5, 2.123456789, "berry"),
    Point("a/b.png", 39.99, 29.999, "leaf, green"),
    Point("c.png", 3.5, 0, "leaf, green", {"source": "question", "inclusion": "0.5"}),
]


def written(path: Path) -> Any:
    get_format("label-studio").write(PointTable(POINTS, ("source", "inclusion")), path, CONTEXT)
    return json.loads(path.read_text())


def rounded(table: PointTable) -> list[tuple[str, str, float, float]]:
    return [(point.image, point.label, round(point.x, 9), round(point.y, 9)) for point in table]


@pytest.fixture(scope="module")
def project() -> Any:
    made = interface.LabelInterface(CONFIG)
    made.validate()
    return made


def test_its_project_takes_our_annotations(project: Any, tmp_path: Path) -> None:
    tasks = written(tmp_path / "tasks.json")
    annotations = [annotation for task in tasks for annotation in task["annotations"]]
    assert len(annotations) == 2
    for annotation in annotations:
        # What makes it right as an annotation makes it right as a prediction; only this one gives its reasons.
        assert project.validate_prediction(annotation, return_errors=True) == []
        assert project.validate_annotation(annotation)
    wrong = json.loads(json.dumps(annotations[0]).replace("berry", "cherry"))
    assert project.validate_prediction(wrong, return_errors=True), "it does look"


def test_its_converter_writes_json_min_that_is_the_same_clicks(tmp_path: Path) -> None:
    tasks = written(tmp_path / "tasks.json")
    for number, task in enumerate(tasks, 1):
        # What Label Studio adds when it has imported them.
        task["id"] = number
        task["annotations"][0] |= {"id": 10 + number, "completed_by": 1}
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    made = converter.Converter(CONFIG, str(tmp_path), download_resources=False)
    made.convert(str(tmp_path / "export.json"), str(tmp_path / "min"), "JSON_MIN", is_dir=False)
    file = tmp_path / "min" / "result.json"
    assert recognise_format(file).name == "label-studio"
    expected = [(point.image, point.label, point.x, point.y) for point in POINTS]
    assert rounded(get_format("label-studio").read(file)) == expected
    # With its export as it is: also what was asked.
    whole = get_format("label-studio").read(tmp_path / "export.json")
    assert rounded(whole) == expected
    assert [dict(point.extra) for point in whole] == [{}, {}, dict(POINTS[2].extra)]


def test_a_sample_of_its_sdk_is_read_where_the_image_is_at_hand(project: Any, tmp_path: Path) -> None:
    """A task with an annotation and a prediction; it does not say how large the image is."""
    sample = project.generate_complete_sample_task(raise_on_failure=True)
    (tmp_path / "sample.json").write_text(json.dumps([sample]))
    format_ = recognise_format(tmp_path / "sample.json")
    assert format_.name == "label-studio"
    with pytest.raises(PointsError, match=r"size of the image is not known\. .*--set size=HxW"):
        format_.read(tmp_path / "sample.json")
    table = format_.read(tmp_path / "sample.json", CONTEXT)
    (result,) = sample["annotations"][0]["result"]
    value = result["value"]
    expected = (value["keypointlabels"][0], value["x"] * 40 / 100, value["y"] * 30 / 100)
    assert [(point.label, point.x, point.y) for point in table] == [expected]
    assert table.skipped == {"prediction": 1}
    assert table.listed == ("static/samples/sample.jpg",)


DOCUMENTED: dict[str, Any] = {
    "id": 1,
    "data": {"image": "https://example.com/photos/images/field.jpg"},
    "created_at": "2026-11-30T00:00:00.000000Z",
    "project": 2,
    "annotations": [
        {
            "id": "7",
            "result": [
                {
                    "from_name": "tag",
                    "id": "first",
                    "source": "$image",
                    "to_name": "img",
                    "type": "keypointlabels",
                    "value": {"keypointlabels": ["berry"], "width": 0.5, "x": 50.75, "y": 5.5},
                },
                {
                    "from_name": "tag",
                    "id": "second",
                    "source": "$image",
                    "to_name": "img",
                    "type": "rectanglelabels",
                    "value": {"height": 10.5, "rectanglelabels": ["berry"], "width": 12.4, "x": 9, "y": 5},
                },
            ],
            "was_cancelled": False,
            "ground_truth": False,
            "lead_time": 4.25,
            "result_count": 0,
            "task": 1,
            "completed_by": 10,
        }
    ],
    "predictions": [{"created_ago": "3 hours", "model_version": "model 1", "result": []}],
}
"""As its guide shows an annotated task, with a key point beside the rectangle; it gives no size of the image.

Source: Label Studio's guide, *Export annotations and data*, "Label Studio JSON format of annotated tasks", "JSON_MIN".
"""


def test_tasks_as_its_guide_shows_them_are_read(tmp_path: Path) -> None:
    results = DOCUMENTED["annotations"][0]["result"]
    minimal = {"image": DOCUMENTED["data"]["image"], "tag": [one["value"] for one in results]}
    for content in (DOCUMENTED, minimal):
        (tmp_path / "export.json").write_text(json.dumps([content]))
        assert recognise_format(tmp_path / "export.json").name == "label-studio"
        table = get_format("label-studio").read(tmp_path / "export.json", ReadContext(size_of=lambda _: (200, 1000)))
        (point,) = table
        assert (point.image, point.label) == ("photos/images/field.jpg", "berry")
        assert (point.x, point.y) == pytest.approx((507.5, 11))
        assert table.skipped["rectanglelabels"] == 1


def test_its_import_of_coco_takes_our_key_points_half_a_pixel_off(tmp_path: Path) -> None:
    get_format("coco").write(PointTable(POINTS[:2]), tmp_path / "coco.json", CONTEXT)
    out = tmp_path / "tasks.json"
    coco_import.convert_coco_to_ls(str(tmp_path / "coco.json"), str(out), out_type="annotations", image_root_url="/")
    table = get_format("label-studio").read(out)
    # COCO counts whole pixels, from their centres; it reads the numbers as lengths from the corner of the image.
    found = [(label, x + 0.5, y + 0.5) for _, label, x, y in rounded(table)]
    assert found == [(point.label, pytest.approx(point.x), pytest.approx(point.y)) for point in POINTS[:2]]
    # Who writes corner-based numbers loses nothing on the way.
    get_format("coco", {"origin": "corner"}).write(PointTable(POINTS[:2]), tmp_path / "corner.json", CONTEXT)
    coco_import.convert_coco_to_ls(str(tmp_path / "corner.json"), str(out), out_type="annotations", image_root_url="/")
    found = [(label, x, y) for _, label, x, y in rounded(get_format("label-studio").read(out))]
    assert found == [(point.label, pytest.approx(point.x), pytest.approx(point.y)) for point in POINTS[:2]]


def test_its_brush_shows_what_our_backend_paints() -> None:
    brush = peer("label_studio_sdk.converter.brush", "label-studio-sdk")
    random = np.random.default_rng(0)
    for share in (0.0, 0.02, 0.5, 0.98, 1.0):
        mask = random.random((37, 53)) < share
        pixels = np.reshape(brush.decode_rle(run_lengths(mask)), (37, 53, 4))
        np.testing.assert_array_equal(pixels[:, :, 3] > 0, mask)
