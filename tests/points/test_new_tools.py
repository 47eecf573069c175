"""Files of VIA 3, of VIA as CSV, of makesense.ai and of napari's stacks, as these tools write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pointillist.errors import PointsError
from pointillist.points.formats import ReadContext, get_format, recognise_format
from pointillist.points.table import PointTable
from tests.points.tool_files import write


def values(table: PointTable) -> list[tuple[str, float, float, str]]:
    return [(point.image, point.x, point.y, point.label) for point in table]


def via3(attribute: dict[str, Any], *metadata: dict[str, Any]) -> dict[str, Any]:
    return {
        "project": {"pid": "__VIA_PROJECT_ID__", "data_format_version": "3.1.1", "vid_list": ["1", "2", "3"]},
        "config": {},
        "attribute": {"1": {"aname": "kind", "anchor_id": "FILE1_Z0_XY1", "options": {}, **attribute}},
        "file": {
            "1": {"fid": "1", "fname": "a.png", "type": 2, "loc": 1, "src": ""},
            "2": {"fid": 2, "fname": "b.png", "type": 2, "loc": 3, "src": "file:///photos/east/b.png"},
            "3": {"fid": "3", "fname": "c.mp4", "type": 4, "loc": 1, "src": ""},
        },
        "metadata": {f"1_{index}": {"flg": 0, "z": [], **entry} for index, entry in enumerate(metadata)},
        "view": {
            "1": {"fid_list": ["1"]},
            "2": {"fid_list": [2]},
            "3": {"fid_list": [3]},
            "4": {"fid_list": ["1", "2"]},
        },
    }


RADIO = {"type": 4, "options": {"0": "berry", "1": "soil"}}


@pytest.mark.parametrize(
    ("attribute", "value", "label"),
    [(RADIO, "1", "soil"), ({"type": 1}, "leaf", "leaf"), (RADIO, "", None), (RADIO, None, None)],
)
def test_via3_names_the_class_by_an_option_or_in_text(
    attribute: dict[str, Any], value: str | None, label: str | None, tmp_path: Path
) -> None:
    content = via3(attribute, {"vid": "1", "xy": [1, 10.25, 20.5], "av": {} if value is None else {"1": value}})
    path = write(tmp_path / "a.json", content)
    assert recognise_format(path).name == "via3"
    table = get_format("via3").read(path)
    assert values(table) == ([] if label is None else [("a.png", 10.25, 20.5, label)])
    assert table.skipped == ({"point without a class": 1} if label is None else {})
    assert table.listed == ("a.png", "file:///photos/east/b.png")


def test_via3_leaves_out_what_is_no_point_of_one_image(tmp_path: Path) -> None:
    box = {"vid": "2", "xy": [2, 1, 2, 3, 4], "av": {"1": "0"}}
    film = {"vid": "3", "xy": [1, 1, 2], "z": [1.5], "av": {"1": "0"}}
    pair = {"vid": "4", "xy": [1, 1, 2], "av": {"1": "0"}}
    whole = {"vid": "1", "xy": [], "av": {"1": "0"}}
    point = {"vid": "2", "xy": [1, 3, 4], "av": {"1": "0"}}
    path = write(tmp_path / "a.json", via3(RADIO, box, film, pair, whole, point))
    table = get_format("via3").read(path)
    assert values(table) == [("file:///photos/east/b.png", 3.0, 4.0, "berry")]
    assert table.skipped == {"rectangle": 1, "region of a video, or of no single image": 2, "no shape": 1}


VIA_ROWS = [
    'a.png,123,"{}",2,0,"{""name"":""point"",""cx"":10,""cy"":20}","{""class"":""berry""}"',
    'a.png,123,"{}",2,1,"{""name"":""rect"",""x"":1}","{}"',
    'b.png,45,"{}",0,0,"{}","{}"',
]
VIA_HEADER = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"


@pytest.mark.parametrize("header", [VIA_HEADER, f"#{VIA_HEADER}"], ids=["VIA 2", "VIA 1"])
def test_via_csv_has_json_in_its_cells(header: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "\n".join([header, *VIA_ROWS]))
    assert recognise_format(path).name == "via-csv"
    table = get_format("via-csv").read(path)
    assert values(table) == [("a.png", 10.5, 20.5, "berry")]
    assert (table.listed, table.skipped) == (("a.png", "b.png"), {"rect": 1})


def test_via_csv_keeps_files_of_one_name_apart(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "\n".join([VIA_HEADER, *VIA_ROWS, VIA_ROWS[0].replace("123", "124")]))
    assert get_format("via-csv").read(path).repeated == {"a.png"}


def test_via_csv_names_the_line_of_a_broken_cell(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "\n".join([VIA_HEADER, VIA_ROWS[1], VIA_ROWS[0].replace(":10,", ":,")]))
    with pytest.raises(PointsError, match="no JSON") as caught:
        get_format("via-csv").read(path)
    assert (caught.value.line, caught.value.field) == (3, "region_shape_attributes")


def test_makesense_has_no_header_and_rounds_to_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "berry,10,20,a.png,90,60\nsoil,11,21,a.png,90,60\n")
    assert recognise_format(path).name == "makesense"
    assert values(get_format("makesense").read(path)) == [
        ("a.png", 10.0, 20.0, "berry"),
        ("a.png", 11.0, 21.0, "soil"),
    ]


STACK = "index,axis-0,axis-1,axis-2,class\n0,0.0,20.0,10.0,berry\n1,1.0,5.0,6.0,soil\n"


def read_stack(folder: Path, images: list[str], **options: Any) -> PointTable:
    path = write(folder / "points.csv", STACK)
    assert recognise_format(path).name == "napari"
    return get_format("napari", options).read(path, ReadContext(images=images))


def test_a_stack_of_images_is_sorted_by_name(tmp_path: Path) -> None:
    table = read_stack(tmp_path, ["b.png", "a.png"], stack="image")
    assert values(table) == [("a.png", 10.5, 20.5, "berry"), ("b.png", 6.5, 5.5, "soil")]
    assert table.listed == ("a.png", "b.png")
    for order, names in (("text", ["a10.png", "a2.png"]), ("number", ["a2.png", "a10.png"])):
        assert read_stack(tmp_path, ["a2.png", "a10.png"], stack="image", order=order).listed == tuple(names)


def test_a_stack_of_planes_has_one_that_counts(tmp_path: Path) -> None:
    table = read_stack(tmp_path, [], stack="plane", plane=1)
    assert values(table) == [("points", 6.5, 5.5, "soil")]
    assert table.skipped == {"point between images or on another plane": 1}


@pytest.mark.parametrize(
    ("images", "options", "words"),
    [
        (["a.png", "b.png"], {}, "--set stack=image"),
        (["a.png", "b.png"], {"stack": "plane"}, "--set plane="),
        (["a2.png", "a10.png"], {"stack": "image"}, "--set order=text"),
        (["a.png"], {"stack": "image"}, "more than the 1 images"),
        ([], {"stack": "image"}, "Name the data set"),
    ],
)
def test_a_stack_is_never_guessed(images: list[str], options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(PointsError, match=words):
        read_stack(tmp_path, images, **options)
