"""Exports of Label Studio as it writes them: whose annotations, which class, which of its two JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pointillist.errors import PointsError
from pointillist.points.formats import get_format, recognise_format
from pointillist.points.formats.base import ReadContext
from pointillist.points.table import PointTable

SIZE = {"original_width": 200, "original_height": 100}


def key_point(x: float, label: str | None = "berry", **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": 50, "width": 0.5} | ({} if label is None else {"keypointlabels": [label]})
    kind = "keypoint" if label is None else "keypointlabels"
    return {"type": kind, **SIZE, "value": value, **more}


def annotation(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"result": list(results), **more}


def read(folder: Path, content: Any, **options: str) -> PointTable:
    path = folder / "export.json"
    path.write_text(json.dumps(content))
    assert recognise_format(path).name == "label-studio"
    return get_format("label-studio", options).read(path)


def task(*annotations: dict[str, Any], image: str = "/data/upload/3/0a1b2c3d-a.png") -> dict[str, Any]:
    return {"id": 1, "data": {"image": image}, "annotations": list(annotations), "predictions": []}


def found(table: PointTable) -> list[tuple[float, str]]:
    return [(point.x, point.label) for point in table]


def test_an_upload_keeps_its_hash_so_that_two_of_one_name_stay_two(tmp_path: Path) -> None:
    other = task(annotation(key_point(20)), image="/data/upload/3/99999999-a.png")
    table = read(tmp_path, [task(annotation(key_point(10))), other])
    assert table.images == ("0a1b2c3d-a.png", "99999999-a.png")


def test_results_of_one_id_belong_together(tmp_path: Path) -> None:
    labels = {"id": "k", "type": "labels", **SIZE, "value": {"x": 10, "y": 50, "width": 0.5, "labels": ["soil"]}}
    box = {"id": "b", "type": "rectangle", **SIZE, "value": {"x": 1, "y": 2, "width": 3, "height": 4}}
    box_labels = {**box, "type": "labels", "value": {**box["value"], "labels": ["soil"]}}
    content = [task(annotation(labels, key_point(10, None, id="k"), key_point(20, None, id="lone"), box, box_labels))]
    table = read(tmp_path, content)
    assert found(table) == [(20.0, "soil")]
    assert table.skipped == {"key point without a label": 1, "rectangle": 1, "labels": 1}
    assert found(read(tmp_path, content, label="leaf")) == [(20.0, "soil"), (40.0, "leaf")]


def test_a_result_that_does_not_say_its_size_is_of_the_image_at_hand(tmp_path: Path) -> None:
    """As programs send results in: the size is for people's screens, and optional."""
    point = {key: value for key, value in key_point(10).items() if key not in SIZE}
    whole, minimal = [task(annotation(point))], [{"image": "a.png", "id": 1, "label": [point["value"]], "annotator": 1}]
    for content in (whole, minimal):
        path = tmp_path / "export.json"
        path.write_text(json.dumps(content))
        with pytest.raises(PointsError, match=r"'original_width' is missing, and .* --set size=HxW"):
            get_format("label-studio").read(path)
        (read_,) = get_format("label-studio").read(path, ReadContext(size_of=lambda _: (60, 90)))
        assert (read_.x, read_.y, read_.label) == (9.0, 30.0, "berry")
    half = [task(annotation({**point, "original_width": 90}))]
    with pytest.raises(PointsError, match="'original_height' is missing"):
        read(tmp_path, half)


BY = {"completed_by": 3}
ANA = {"completed_by": {"id": 5, "email": "ana@example.org"}}


@pytest.mark.parametrize(
    ("annotations", "options", "expected", "skipped"),
    [
        ([BY], {}, [0], {}),
        ([BY, BY], {}, [0, 1], {}),
        ([BY | {"was_cancelled": True}, ANA], {}, [1], {"cancelled annotation": 1}),
        ([BY, ANA | {"ground_truth": True}], {}, [1], {"annotation beside the ground truth": 1}),
        ([BY, ANA], {"annotator": "3"}, [0], {"annotation of another annotator": 1}),
        ([BY, ANA], {"annotator": "ana@example.org"}, [1], {"annotation of another annotator": 1}),
        ([BY, ANA], {"annotator": "5"}, [1], {"annotation of another annotator": 1}),
        ([BY, ANA | {"was_cancelled": True}], {"annotator": "all"}, [0], {"cancelled annotation": 1}),
        ([BY, ANA], {"annotator": "all"}, [0, 1], {}),
    ],
)
def test_annotations_that_do_not_count_are_counted(
    tmp_path: Path,
    annotations: list[dict[str, Any]],
    options: dict[str, str],
    expected: list[int],
    skipped: dict[str, int],
) -> None:
    made = [annotation(key_point(10 * index), **more) for index, more in enumerate(annotations)]
    table = read(tmp_path, [task(*made)], **options)
    assert found(table) == [(20.0 * index, "berry") for index in expected]
    assert table.skipped == skipped


@pytest.mark.parametrize("annotations", [[BY, ANA], [{}, {}], [BY, {}]])
def test_several_people_are_not_merged_unasked(tmp_path: Path, annotations: list[dict[str, Any]]) -> None:
    with pytest.raises(PointsError, match=r"several people.*--set annotator="):
        read(tmp_path, [task(*(annotation(key_point(10), **more) for more in annotations))])
    with pytest.raises(PointsError, match="nobody called 'eve'"):
        read(tmp_path, [task(annotation(key_point(10), **ANA))], annotator="eve")


def test_json_min_has_an_entry_per_annotation(tmp_path: Path) -> None:
    box = {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["leaf"], **SIZE}
    tagged = {"x": 30, "y": 50, "width": 0.5, **SIZE}
    entry = {
        **{"image": "/data/upload/3/0a1b2c3d-a.png", "id": 1, "annotator": 3, "annotation_id": 5, "lead_time": 9.5},
        "label": [{"x": 10, "y": 50, "width": 0.5, "keypointlabels": ["berry"], **SIZE}, box],
        "point": [tagged],
        "tag": [{**tagged, "labels": ["soil"]}],
    }
    table = read(tmp_path, [entry])
    assert found(table) == [(20.0, "berry"), (60.0, "soil")]
    assert (table.images, table.repeated) == (("0a1b2c3d-a.png",), frozenset())
    assert table.skipped == {"rectanglelabels": 1}
    both = [entry, entry | {"annotator": "ana@example.org"}]
    with pytest.raises(PointsError, match="several people"):
        read(tmp_path, both)
    assert len(read(tmp_path, both, annotator="all")) == 4
    assert len(read(tmp_path, both, annotator="3")) == 2
