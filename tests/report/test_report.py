from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from pointillist.api import load, train_config
from pointillist.classes import ClassSet
from pointillist.report.curves import curve_svg
from pointillist.report.page import protocol_rows
from pointillist.report.pictures import (
    data_url,
    draw_points,
    grid,
    picture_of_image,
    picture_of_labels,
    picture_of_mistakes,
)
from pointillist.training.config import make_config
from tests.conftest import TINY

CLASSES = ClassSet.create(["ground", "square"], [(10, 20, 30), (200, 100, 0)])


def test_labels_in_their_colours_and_pale_where_ignored() -> None:
    picture = np.asarray(picture_of_labels(np.array([[0, 1], [255, 0]], np.uint8), CLASSES, 4))
    assert picture.shape == (4, 4, 3)
    assert picture[0, 0].tolist() == [10, 20, 30]
    assert picture[0, 3].tolist() == [200, 100, 0]
    assert picture[3, 0].tolist() == [232, 234, 238]


def test_a_ring_leaves_the_clicked_pixel_visible() -> None:
    picture = picture_of_image(np.full((20, 20, 3), 77, np.uint8), 40)
    drawn = np.asarray(draw_points(picture, np.array([[10.5, 10.5, 1]]), (20, 20), CLASSES))
    assert drawn[21, 21].tolist() == [77, 77, 77]
    assert (drawn == np.array([200, 100, 0])).all(-1).any()


def test_mistakes_are_red_right_pixels_grey_and_ignored_ones_pale() -> None:
    labels, mask = np.array([[0, 1], [0, 1]], np.uint8), np.array([[0, 0], [255, 1]], np.uint8)
    picture = picture_of_mistakes(np.full((2, 2, 3), (0, 50, 0), np.uint8), labels, mask, 4)
    (right, wrong), (ignored, also_right) = np.asarray(picture)[::2, ::2].tolist()
    assert wrong == [196, 30, 30]
    assert ignored == [232, 234, 238]
    assert right == also_right == [right[0]] * 3


def test_thin_mistakes_of_a_large_image_are_seen() -> None:
    mask = np.zeros((800, 800), np.uint8)
    mask[:, 401] = 1
    picture = picture_of_mistakes(np.zeros((80, 80, 3), np.uint8), np.zeros_like(mask), mask, 80)
    red, green, _ = np.asarray(picture, dtype=int).transpose(2, 0, 1)
    assert ((red - green > 10).sum(axis=1) == 1).all()


def test_grid_holds_all_pictures() -> None:
    rows = [[Image.new("RGB", (10, 8), (i, j, 0)) for j in range(3)] for i in range(2)]
    sheet = grid(rows, ["a", "b", "c"])
    assert sheet.width == 3 * 10 + 4 * 8
    assert {sheet.getpixel((8 + 18 * j, 26 + 16 * i)) for i in range(2) for j in range(3)} == {
        (i, j, 0) for i in range(2) for j in range(3)
    }


def test_data_url_is_the_picture() -> None:
    picture = Image.new("RGB", (3, 2), (1, 2, 3))
    text = data_url(picture)
    again = Image.open(io.BytesIO(base64.b64decode(text.split(",")[1])))
    assert again.getpixel((0, 0)) == (1, 2, 3)


def test_curves_are_svg_with_every_series() -> None:
    svg = curve_svg("loss", {"all": ([1, 2], [3, 2]), "on clicks": ([1, 2], [1, 0.5])})
    assert svg.startswith("<svg")
    assert "on clicks" in svg


def test_protocol_rows_are_flat() -> None:
    assert protocol_rows({"a": {"b": 1, "c": [1, 2]}, "d": None}) == [("a.b", "1"), ("a.c", "1, 2"), ("d", "None")]


def test_snapshots_do_not_change_the_training(tiny_data: Path, tmp_path: Path) -> None:
    digests = set()
    for panels in (0, 2):
        config = make_config(None, {**TINY, "trainer.snapshots": panels})
        run = train_config(config, load(tiny_data), tmp_path / str(panels))
        digests.add((run.model / "model.safetensors").read_bytes())
    assert len(digests) == 1
