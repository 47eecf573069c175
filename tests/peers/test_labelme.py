"""labelme itself, without a display: it opens and keeps what we write, and we read what it writes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pointillist.api import load
from pointillist.data.label_files import export_points, import_points
from pointillist.data.masks import read_instances
from pointillist.inference.writers import get_writer
from pointillist.inference.writers.labelme import NO_DATA
from pointillist.points.formats import get_format
from pointillist.points.formats.base import ReadContext
from pointillist.points.table import Point, PointTable
from tests.conftest import write_tiny
from tests.inference.blobs import CLASSES, result_of
from tests.peers.packages import peer

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
label_file = peer("labelme._label_file", "labelme")
utils = peer("labelme.utils", "labelme")
app = peer("labelme.app", "labelme")
widgets = peer("PyQt5.QtWidgets", "labelme")

ANSWER = {"source": "question", "inclusion": "0.125", "answered_by": "Ann"}


@pytest.fixture(scope="module")
def qt() -> Any:
    return widgets.QApplication.instance() or widgets.QApplication(["labelme"])


@pytest.fixture
def labelme(qt: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens a file in labelme's window, saves it under another name, and gives both."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "labelmerc").write_text("")

    def opened(path: Path, saved: Path) -> Any:
        window = app.MainWindow(
            config_file=tmp_path / "labelmerc", config_overrides={"auto_save": False}, file_or_dir=str(path)
        )
        qt.processEvents()
        shapes = list(window._canvas_widgets.canvas.shapes)
        assert window.save_labels(str(saved))
        window.close()
        return shapes

    return opened


def test_its_window_shows_our_clicks_where_they_are_and_saves_them_as_they_were(labelme: Any, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "b.png")
    points = [
        Point("b.png", 1.5, 2.123456789, "berry"),
        Point("b.png", 39.999, 0.0, "leaf, green", ANSWER),
        Point("b.png", 17.25, 29.5, "Wärme"),
    ]
    context = ReadContext(size_of=lambda _: (30, 40), path_of=lambda name: tmp_path / name)
    table = PointTable(points, tuple(ANSWER))
    get_format("labelme").write(table, tmp_path / "b.json", context)
    shapes = labelme(tmp_path / "b.json", tmp_path / "saved.json")
    found = [(shape.label, shape.shape_type, [(p.x(), p.y()) for p in shape.points]) for shape in shapes]
    assert found == [(point.label, "point", [(point.x, point.y)]) for point in points]
    saved = get_format("labelme").read(tmp_path / "saved.json")
    assert list(saved.listed) == ["b.png"]
    key = [(point.label, point.x, point.y, dict(point.extra)) for point in points]
    assert [(point.label, point.x, point.y, dict(point.extra)) for point in saved] == key
    assert json.loads((tmp_path / "saved.json").read_text())["version"] != "5.5.0", "it is labelme's own file"


def test_clicks_of_a_whole_data_set_open_beside_their_images(tmp_path: Path) -> None:
    """Also of a photograph that lies on its side: labelme turns it, and refuses a file of another size."""
    data = load(write_tiny(tmp_path / "data"))
    image = Image.open(data.items[0].image)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter
    image.transpose(Image.Transpose.ROTATE_90).save(data.items[0].image, exif=exif)
    data = load(tmp_path / "data")
    export_points(data, tmp_path / "labels", "labelme")
    for item in data.items:
        path = tmp_path / "labels" / Path(item.name).with_suffix(".json")
        file = label_file.LabelFile(str(path))
        shown = [(shape["label"], *shape["points"][0]) for shape in file.shapes]
        assert shown == [(point.label, point.x, point.y) for point in data.points.of(item.name)]
        file.save(str(path), file.shapes, file.image_path, 48, 64, image_data=file.image_data)
    with Image.open(data.items[0].image) as stored:
        assert stored.size == (48, 64)
    checked, _ = import_points(data, tmp_path / "labels", out=tmp_path / "again.csv")
    assert not checked.rejections
    assert set(checked.points) == set(data.points)


def test_it_draws_our_polygons_as_the_label_map(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = np.argmax([ndimage.gaussian_filter(random.standard_normal((60, 80)), 6) for _ in CLASSES], axis=0)
    labels = labels.astype(np.uint8)
    labels[20:30, 30:44] = 255
    Image.new("RGB", (80, 60)).save(tmp_path / "b.jpg")
    get_writer("labelme").write(result_of(labels), tmp_path / "b.json")
    file = label_file.LabelFile(str(tmp_path / "b.json"))
    values = {name: index for index, name in enumerate(CLASSES)} | {NO_DATA: 255}
    drawn, _ = utils.shapes_to_label((60, 80), file.shapes, values)
    # Pillow, with which it draws, takes corners of pixels for their centres: a pixel more to the right and below.
    beside = ndimage.grey_dilation(labels, (3, 3)) != ndimage.grey_erosion(labels, (3, 3))
    assert (drawn != labels)[beside].any()
    differs = (drawn != labels) & ~beside
    # What is around everything, background or not, is no object, and is drawn as nothing.
    assert not differs[labels != 255].any()
    assert set(np.unique(drawn[differs]).tolist()) <= {0}
    assert (drawn == 1).any()
    assert (drawn == 2).any()


def test_label_maps_that_it_draws_are_a_data_set(tmp_path: Path) -> None:
    """As `labelme2voc.py` of its examples does it, with labelme's own functions."""
    imgviz = peer("imgviz", "labelme")
    names = ["_background_", "potted plant", "tv/monitor"]
    for folder in ("JPEGImages", "SegmentationClass", "SegmentationObject"):
        (tmp_path / folder).mkdir()
    (tmp_path / "class_names.txt").write_text("\n".join(names))
    shapes = [
        {"label": label, "points": points, "group_id": None, "shape_type": "polygon"}
        for label, points in (
            ("potted plant", [[3, 3], [20, 5], [12, 18]]),
            ("tv/monitor", [[22, 8], [36, 8], [36, 25], [22, 25]]),
            ("__ignore__", [[0, 22], [10, 22], [10, 29], [0, 29]]),
        )
    ]
    values = {"__ignore__": -1} | {name: index for index, name in enumerate(names)}
    classes, objects = utils.shapes_to_label((30, 40), shapes, values)
    objects[classes == -1] = 0
    Image.new("RGB", (40, 30)).save(tmp_path / "JPEGImages" / "a.jpg")
    imgviz.io.lblsave(str(tmp_path / "SegmentationClass" / "a.png"), classes.astype(np.uint8))
    imgviz.io.lblsave(str(tmp_path / "SegmentationObject" / "a.png"), objects.astype(np.uint8))
    data = load(tmp_path)
    (item,) = data.items
    assert (data.layout, data.classes.names) == ("labelme", tuple(names))
    assert item.mask is not None
    np.testing.assert_array_equal(data.masks.read(item.mask, (30, 40)), np.where(classes < 0, 255, classes))
    assert item.instances is not None
    np.testing.assert_array_equal(read_instances(item.instances, (30, 40)), objects)


def test_shapes_of_its_examples_are_counted_and_its_points_read(tmp_path: Path) -> None:
    """All types of shapes of `examples/primitives`, written by labelme itself."""
    corners = {
        "rectangle": [[32, 35], [132, 135]],
        "circle": [[195, 84], [225, 125]],
        "polygon": [[10, 10], [60, 12], [30, 50]],
        "line": [[188, 178], [160, 224]],
        "linestrip": [[61, 101], [154, 145], [139, 70]],
        "point": [[345.5, 174.25]],
        "mask": [[3, 4], [5, 6]],
        "oriented_rectangle": [[1, 1], [9, 3], [8, 7], [0, 5]],
    }
    mask = utils.img_arr_to_b64(np.ones((3, 3), np.uint8))
    shapes = [
        {
            "label": kind,
            "points": points,
            "group_id": None,
            "description": "",
            "shape_type": kind,
            "flags": {},
            "mask": mask if kind == "mask" else None,
        }
        for kind, points in corners.items()
    ]
    Image.new("RGB", (400, 200)).save(tmp_path / "primitives.jpg")
    pixels = (tmp_path / "primitives.jpg").read_bytes()
    label_file.LabelFile().save(
        str(tmp_path / "primitives.json"),
        shapes,
        "primitives.jpg",
        200,
        400,
        pixels,
        {"season": "autumn"},
        {"ok": True},
    )
    table = get_format("labelme").read(tmp_path / "primitives.json")
    assert [(point.image, point.x, point.y, point.label) for point in table] == [
        ("primitives.jpg", 345.5, 174.25, "point")
    ]
    assert table.skipped == dict.fromkeys(corners.keys() - {"point"}, 1)
    # Written onto it, everything else stays, and it opens again.
    more = PointTable([*table, Point("primitives.jpg", 7, 8, "berry")])
    get_format("labelme").write(more, tmp_path / "primitives.json", ReadContext(size_of=lambda _: (200, 400)))
    again = label_file.LabelFile(str(tmp_path / "primitives.json"))
    assert [shape["shape_type"] for shape in again.shapes] == [*corners, "point"]
    assert (again.flags, again.other_data, again.image_data) == ({"ok": True}, {"season": "autumn"}, pixels)
