"""One file per format as its own tool writes it, and the points it must give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pointillist.errors import PointsError
from pointillist.points.formats import ReadContext, get_format
from pointillist.points.table import Point, PointTable
from tests.points.tool_files import COCO, LABELME, write


def values(table: PointTable) -> list[tuple[str, float, float, str]]:
    return [(point.image, point.x, point.y, point.label) for point in table]


def test_labelme(tmp_path: Path) -> None:
    table = get_format("labelme").read(write(tmp_path / "a.json", LABELME))
    # Continuous and corner-based, x first; a point outside is read, for a check to find.
    assert values(table) == [("images/a.png", 10.25, 20.5, "berry"), ("images/a.png", -4.0, 5.0, "soil")]
    assert table.skipped == {"polygon": 1}
    assert [point.place for point in table] == ["a.json, shapes[0]", "a.json, shapes[2]"]


def test_labelme_in_subfolders(tmp_path: Path) -> None:
    write(tmp_path / "east" / "a.json", LABELME | {"imagePath": "a.png"})
    write(tmp_path / "west" / "a.json", LABELME | {"imagePath": "a.png", "shapes": []})
    table = get_format("labelme").read(tmp_path)
    assert table.listed == ("east/a.png", "west/a.png")
    assert table.images == ("east/a.png",)


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><labels><label><name>berry</name></label></labels></task></meta>
  <image id="0" name="east/a.png" width="90" height="60">
    <points label="berry" source="manual" occluded="0" points="10.25,20.50;30.00,40.00" z_order="0">
      <attribute name="ripe">yes</attribute>
    </points>
    <box label="leaf" xtl="1" ytl="1" xbr="9" ybr="9"/>
    <points label="so&lt;il" source="manual" points="1,2"/>
    <points label="soil" outside="1" points="1,2;3,4"/>
  </image>
  <image id="1" name="b.png" width="90" height="60"></image>
</annotations>
"""


def test_cvat(tmp_path: Path) -> None:
    table = get_format("cvat").read(write(tmp_path / "a.xml", CVAT))
    assert values(table) == [
        ("east/a.png", 10.25, 20.5, "berry"),
        ("east/a.png", 30.0, 40.0, "berry"),
        ("east/a.png", 1.0, 2.0, "so<il"),
    ]
    assert [point.line for point in table] == [6, 6, 10]
    assert table.listed == ("east/a.png", "b.png")
    assert table.skipped == {"box": 1, "points marked as outside": 2}


def test_cvat_reads_other_encodings_that_are_declared(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(CVAT.replace("utf-8", "iso-8859-1").replace("berry", "Röte").encode("latin-1"))
    assert next(iter(get_format("cvat").read(path))).label == "Röte"


def label_studio(
    rotation: int = 0, width: int = 200, height: int = 100, image: str = "/data/upload/1/0a1b2c3d-a.png"
) -> Any:
    value = {"x": 25.0, "y": 10.0, "width": 0.4, "keypointlabels": ["berry"]}
    size = {"original_width": width, "original_height": height, "image_rotation": rotation}
    box = {"type": "rectanglelabels", "value": {"x": 1, "y": 1, "width": 5, "height": 5}, **size}
    result = [{"id": "k", "type": "keypointlabels", "value": value, **size}, box]
    annotations = [{"id": 1, "result": result}, {"id": 2, "was_cancelled": True, "result": result}]
    return [{"id": 1, "data": {"image": image}, "annotations": annotations, "predictions": [{"result": []}]}]


def test_label_studio_is_in_percent(tmp_path: Path) -> None:
    table = get_format("label-studio").read(write(tmp_path / "a.json", label_studio()))
    assert values(table) == [("0a1b2c3d-a.png", 50.0, 10.0, "berry")]
    assert table.skipped == {"rectanglelabels": 1, "cancelled annotation": 1, "prediction": 1}


@pytest.mark.parametrize(
    ("rotation", "stored", "expected"),
    [
        # Today the rotation concerns the display alone.
        *((degrees, (200, 100), (50.0, 10.0)) for degrees in (0, 90, 180, 270)),
        # Before 2021 everything was stored as turned: a view 100 wide and 200 high of an image 200 wide and 100 high,
        # with the click at (25, 20) of the view.
        (90, (100, 200), (20.0, 75.0)),
        (270, (100, 200), (180.0, 25.0)),
    ],
)
def test_label_studio_rotation(
    tmp_path: Path, rotation: int, stored: tuple[int, int], expected: tuple[float, float]
) -> None:
    path = write(tmp_path / "a.json", label_studio(rotation, *stored))
    (point,) = get_format("label-studio").read(path, ReadContext({}, lambda _: (100, 200)))
    assert (point.x, point.y) == expected


def test_label_studio_turned_points_are_found_by_turning_the_picture(tmp_path: Path) -> None:
    """The same as above, with Pillow as the judge: the clicked pixel keeps its colour."""
    picture = np.zeros((100, 200), np.uint8)
    for degrees, turn in ((90, Image.Transpose.ROTATE_270), (270, Image.Transpose.ROTATE_90)):
        content = label_studio(degrees, 100, 200)
        content[0]["annotations"][0]["result"][0]["value"] |= {"x": 25.5, "y": 10.25}
        path = write(tmp_path / "a.json", content)
        (point,) = get_format("label-studio").read(path, ReadContext({}, lambda _: (100, 200)))
        picture[:] = 0
        picture[int(point.y), int(point.x)] = 255
        view = np.array(Image.fromarray(picture).transpose(turn))
        assert view.shape == (200, 100)
        assert view[20, 25] == 255


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/local-files/?d=photos/east/a%20b.png", "photos/east/a b.png"),
        ("s3://bucket/east/a.png", "east/a.png"),
        ("https://host.example/east/a%C3%A4.png?token=1", "east/aä.png"),
        ("east\\a.png", "east/a.png"),
    ],
)
def test_label_studio_addresses(tmp_path: Path, address: str, name: str) -> None:
    path = write(tmp_path / "a.json", label_studio(image=address))
    assert get_format("label-studio").read(path).images == (name,)


def test_coco(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", COCO)
    table = get_format("coco").read(path)
    assert values(table) == [
        ("photos/a.png", 10.5, 20.5, "berry"),
        ("photos/a.png", 30.5, 40.5, "berry"),
        ("photos/a.png", 7.5, 8.5, "berry"),
    ]
    assert table.skipped == {"keypoint with v = 0": 1, "annotation without keypoints": 1}
    assert table.listed == ("photos/a.png", "photos/b.png")
    named = get_format("coco", {"label": "keypoint"}).read(path)
    assert [point.label for point in named] == ["stem", "tip", "tip"]
    corner = get_format("coco", {"origin": "corner"}).read(path)
    assert (next(iter(corner)).x, next(iter(corner)).y) == (10.0, 20.0)


QUPATH = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "id": "x",
            "geometry": {"type": "Point", "coordinates": [10.25, 20.5]},
            "properties": {"objectType": "annotation", "classification": {"name": "Tumor", "color": [200, 0, 0]}},
        },
        {
            "type": "Feature",
            "geometry": {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]},
            "properties": {"classification": {"names": ["Immune", "CD3"]}},
        },
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [5, 6]}, "properties": {}},
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [0, 0]]]}},
    ],
}


@pytest.mark.parametrize("content", [QUPATH, QUPATH["features"]], ids=["collection", "list"])
def test_qupath(tmp_path: Path, content: Any) -> None:
    table = get_format("qupath").read(write(tmp_path / "slide 1.geojson", content))
    assert values(table) == [
        ("slide 1", 10.25, 20.5, "Tumor"),
        ("slide 1", 1.0, 2.0, "Immune: CD3"),
        ("slide 1", 3.0, 4.0, "Immune: CD3"),
        ("slide 1", 5.0, 6.0, "Unclassified"),
    ]
    assert table.skipped == {"Polygon": 1}


def test_napari_has_y_first(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "index,axis-0,axis-1,label,confidence\n0.0,20.0,10.0,berry,0.9\n1.0,-0.5,3.25,soil,1\n")
    table = get_format("napari").read(tmp_path)
    assert values(table) == [("a", 10.5, 20.5, "berry"), ("a", 3.75, 0.0, "soil")]
    assert [dict(point.extra) for point in table] == [{"confidence": "0.9"}, {"confidence": "1"}]
    write(tmp_path / "a.csv", "index,axis-0,axis-1\n0,20,10\n")
    with pytest.raises(PointsError, match="no column names the class"):
        get_format("napari").read(tmp_path)
    assert values(get_format("napari", {"label": "nut"}).read(tmp_path)) == [("a", 10.5, 20.5, "nut")]


@pytest.mark.parametrize(
    "header", ["index,axis-0,axis-1,axis-2,axis-3,class", "index,shape-type,vertex-index,axis-0,axis-1,class", "a,b,c"]
)
def test_napari_refuses_other_layers(tmp_path: Path, header: str) -> None:
    with pytest.raises(PointsError, match="the columns are"):
        get_format("napari").read(write(tmp_path / "a.csv", f"{header}\n"))


def via(regions: Any) -> dict[str, Any]:
    return {"a.png1234": {"filename": "a.png", "size": 1234, "regions": regions, "file_attributes": {}}}


VIA_POINT = {
    "shape_attributes": {"name": "point", "cx": 10, "cy": 20},
    "region_attributes": {"class": "berry", "id": "7"},
}
VIA_TICKED = {
    "shape_attributes": {"name": "point", "cx": 1, "cy": 2},
    "region_attributes": {"class": {"soil": True, "berry": False}},
}
VIA_RECT = {"shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}, "region_attributes": {}}


@pytest.mark.parametrize(
    "content",
    [
        via([VIA_POINT, VIA_TICKED, VIA_RECT]),
        via({"0": VIA_POINT, "1": VIA_TICKED, "2": VIA_RECT}),
        {"_via_settings": {}, "_via_img_metadata": via([VIA_POINT, VIA_TICKED, VIA_RECT]), "_via_attributes": {}},
    ],
    ids=["VIA 2", "VIA 1", "project"],
)
def test_via(tmp_path: Path, content: Any) -> None:
    table = get_format("via").read(write(tmp_path / "a.json", content))
    assert values(table) == [("a.png", 10.5, 20.5, "berry"), ("a.png", 1.5, 2.5, "soil")]
    assert table.skipped == {"rect": 1}


def test_via_asks_which_attribute_is_the_class(tmp_path: Path) -> None:
    point = VIA_POINT | {"region_attributes": {"kind": "berry", "id": "7"}}
    path = write(tmp_path / "a.json", via([point]))
    with pytest.raises(PointsError, match="kind, id"):
        get_format("via").read(path)
    assert values(get_format("via", {"attribute": "kind"}).read(path)) == [("a.png", 10.5, 20.5, "berry")]


WTP = {
    "2007_000032": [{"y": 106.5, "x": 253.25, "rank": 1, "cls": 1}, {"y": 20, "x": 10, "rank": 2, "cls": 15}],
    "2007_000033": [],
    "2007_000039": [{"y": 1, "x": 2, "rank": 1, "cls": 21}],
}


def test_whats_the_point(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", WTP)
    table = get_format("whats-the-point").read(path)
    assert values(table) == [
        ("2007_000032", 253.75, 107.0, "aeroplane"),
        ("2007_000032", 10.5, 20.5, "person"),
        ("2007_000039", 2.5, 1.5, "21"),  # no VOC class: left for a check to count
    ]
    assert table.listed == tuple(WTP)
    assert [point.extra["rank"] for point in table] == ["1", "2", "1"]
    first = get_format("whats-the-point", {"rank": 1}).read(path)
    assert len(first) == 2
    assert first.skipped == {"click of another rank than 1": 1}


def test_whats_the_point_gives_ranks_by_order(tmp_path: Path) -> None:
    points = [Point("b.jpg", x, 1.5, label) for x, label in ((1.5, "cat"), (2.5, "dog"), (3.5, "cat"))]
    get_format("whats-the-point").write(PointTable(points), tmp_path / "a.json")
    clicks = json.loads((tmp_path / "a.json").read_text())["b"]
    assert [(click["x"], click["cls"], click["rank"]) for click in clicks] == [(1.0, 8, 1), (2.0, 12, 1), (3.0, 8, 2)]
    with pytest.raises(PointsError, match="no class of PASCAL VOC"):
        get_format("whats-the-point").write(PointTable([Point("b.jpg", 1, 1, "berry")]), tmp_path / "a.json")


CLASSES = ReadContext({0: "road", 1: "sidewalk", 2: "building"}, lambda _: (1024, 2048))


def test_id_text_class_y_x(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "krefeld_0 0,796,1351 1,736,2003\n\naachen_1 2,0,0 19,5,6\nulm_2\n")
    table = get_format("id-text", {"order": "yx"}).read(path, CLASSES)
    assert values(table) == [
        ("krefeld_0", 1351.5, 796.5, "road"),
        ("krefeld_0", 2003.5, 736.5, "sidewalk"),
        ("aachen_1", 0.5, 0.5, "building"),
        ("aachen_1", 6.5, 5.5, "19"),
    ]
    assert table.listed == ("krefeld_0", "aachen_1", "ulm_2")
    assert [point.line for point in table] == [1, 1, 3, 3]


def test_id_text_class_instance_x_y(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "2007_000032 0,0,263,190 1,1,314,133\n")
    table = get_format("id-text", {"order": "xy"}).read(path, CLASSES)
    assert values(table) == [("2007_000032", 263.5, 190.5, "road"), ("2007_000032", 314.5, 133.5, "sidewalk")]
    assert [point.extra["instance"] for point in table] == ["0", "1"]
    get_format("id-text", {"order": "xy"}).write(table, tmp_path / "b.txt", CLASSES)
    assert (tmp_path / "b.txt").read_text() == path.read_text()


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("a 0,1,2\n", {}, "Whether y or x comes first"),
        ("a 0,796,1351\n", {"order": "xy"}, "with yx it would be 0"),
        ("a 0,1\n", {"order": "yx"}, "in place of"),
        ("a 0,1,2,3,4\n", {"order": "yx"}, "in place of"),
        ("a 0,1,x\n", {"order": "yx"}, "no number"),
        ("a 1.5,1,2\n", {"order": "yx"}, "no number"),
        ("a 0,1,2\nb 0,1,2\na 0,3,4\n", {"order": "yx"}, "already, in line 1"),
    ],
)
def test_id_text_refuses(tmp_path: Path, content: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(PointsError, match=words) as caught:
        get_format("id-text", options).read(write(tmp_path / "a.txt", content), CLASSES)
    assert caught.value.where == str(tmp_path / "a.txt")


def test_id_text_needs_images_or_a_size(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "a 0,796,1351\n")
    with pytest.raises(PointsError, match="--set size="):
        get_format("id-text", {"order": "yx"}).read(path)
    assert len(get_format("id-text", {"order": "yx", "size": "1024x2048"}).read(path)) == 1


def png(path: Path, labels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)
    return path


@pytest.mark.parametrize("unlabelled", [0, 3, 255])
def test_point_png_with_each_convention_for_unlabelled(tmp_path: Path, unlabelled: int) -> None:
    labels = np.full((20, 30), unlabelled, np.uint8)
    labels[4, 7] = 1
    labels[0, 0] = 2
    png(tmp_path / "a.png", labels)
    table = get_format("point-png", {"unlabelled": unlabelled}).read(tmp_path, CLASSES)
    assert values(table) == [("a", 0.5, 0.5, "building"), ("a", 7.5, 4.5, "sidewalk")]


def test_point_png_blocks(tmp_path: Path) -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[5:8, 10:13] = 1
    labels[5:8, 13:16] = 1  # touches the first and is a point of its own
    labels[8:11, 10:13] = 2
    labels[0:2, 0:1] = 1  # cut by the border
    table = get_format("point-png", {"unlabelled": 0, "block": 3}).read(png(tmp_path / "a.png", labels), CLASSES)
    assert values(table) == [
        ("a", 0.5, 1.0, "sidewalk"),
        ("a", 11.5, 6.5, "sidewalk"),
        ("a", 14.5, 6.5, "sidewalk"),
        ("a", 11.5, 9.5, "building"),
    ]


def test_point_png_squares_that_cover_one_another(tmp_path: Path) -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[2:5, 2:5] = 1
    labels[3:6, 3:6] = 2  # drawn later, and over the first
    table = get_format("point-png", {"unlabelled": 0, "block": 3}).read(png(tmp_path / "a.png", labels), CLASSES)
    assert [(point.label, point.x, point.y) for point in table] == [
        ("sidewalk", pytest.approx((2 + 3 + 4 + 2 + 2) / 5 + 0.5), pytest.approx((2 + 2 + 2 + 3 + 4) / 5 + 0.5)),
        ("building", 4.5, 4.5),
    ]


def test_point_png_refuses(tmp_path: Path) -> None:
    mask = png(tmp_path / "mask.png", np.ones((30, 30), np.uint8))
    with pytest.raises(PointsError, match="--set unlabelled="):
        get_format("point-png").read(mask)
    with pytest.raises(PointsError, match=r"900 of 900 pixels are labelled.*--set unlabelled=1"):
        get_format("point-png", {"unlabelled": 0}).read(mask)
    colours = png(tmp_path / "colours.png", np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(PointsError, match="'RGB'"):
        get_format("point-png", {"unlabelled": 0}).read(colours)
    kind = get_format("point-png", {"unlabelled": 1})
    context = ReadContext({1: "cat", 2: "dog"}, lambda _: (9, 9))
    for points, words in (
        ([Point("a.png", 1, 1, "cat")], "cannot be drawn"),
        ([Point("a.png", 9.5, 1, "dog")], "lies outside"),
        ([Point("a.png", 1.1, 1, "dog"), Point("a.png", 1.9, 1, "dog")], "cover another"),
    ):
        with pytest.raises(PointsError, match=words):
            kind.write(PointTable(points), tmp_path / "out", context)
    with pytest.raises(PointsError, match="size of image"):
        kind.write(PointTable([Point("a.png", 1, 1, "2")]), tmp_path / "out")


def craid_labels(*squares: tuple[int, int, int]) -> np.ndarray:
    labels = np.zeros((456, 608), np.uint8)
    for row, column, value in squares:
        labels[row : row + 4, column : column + 4] = value
    return labels


def test_craid_single_layout(tmp_path: Path) -> None:
    png(tmp_path / "count_2_x.png", craid_labels((10, 20, 1), (30, 40, 1), (50, 60, 2)))
    png(tmp_path / "count_0_y.png", craid_labels())
    table = get_format("craid").read(tmp_path)
    name = "count_2_x"
    assert values(table) == [
        *((name, 22.0, 12.0, "berry"), (name, 42.0, 32.0, "berry")),
        (name, 62.0, 52.0, "background"),
    ]
    assert {point.extra["count"] for point in table} == {"2"}
    assert table.listed == ("count_0_y", "count_2_x")


def test_craid_layout_of_2020(tmp_path: Path) -> None:
    png(tmp_path / "masks" / "count_1_x.png", craid_labels((10, 20, 1)))
    png(tmp_path / "back_masks" / "count_1_x.png", craid_labels((50, 60, 1)))
    table = get_format("craid").read(tmp_path)
    assert values(table) == [("count_1_x", 22.0, 12.0, "berry"), ("count_1_x", 62.0, 52.0, "background")]
    png(tmp_path / "back_masks" / "count_5_y.png", craid_labels())
    with pytest.raises(PointsError, match=r"masks/count_5_y.png"):
        get_format("craid").read(tmp_path)


def test_craid_refuses_unknown_values_and_classes(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match="the value 3"):
        get_format("craid").read(png(tmp_path / "a.png", craid_labels((10, 20, 3))))
    with pytest.raises(PointsError, match="--set berry=NAME"):
        get_format("craid").write(PointTable([Point("a.png", 9, 9, "cat")]), tmp_path, CLASSES)
