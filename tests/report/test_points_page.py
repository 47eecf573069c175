from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.api import load
from pointillist.data.dataset import Dataset
from pointillist.errors import SaveError
from pointillist.points.formats.native import write_csv
from pointillist.points.table import Point, PointTable
from pointillist.report import points_page
from pointillist.report.points_page import write_points_page


def with_points(data: Path, *points: Point) -> Dataset:
    path = data.parent / "clicks.csv"
    write_csv(PointTable(points), path)
    return load(data).with_points(path, strict=False)


def page(dataset: Dataset, path: Path, **settings: int) -> str:
    write_points_page(dataset, path, **settings)  # type: ignore[arg-type]
    return path.read_text()


def pictures(text: str) -> list[np.ndarray]:
    urls = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(url)))) for url in urls]


def flat(data: Path, name: str) -> None:
    """Replace an image by one without edges."""
    Image.new("RGB", (64, 48), (90, 90, 90)).save(data / "images" / name)


def test_each_image_with_its_points_and_a_summary(tiny_data: Path, tmp_path: Path) -> None:
    text = page(load(tiny_data), tmp_path / "check.html")
    assert len(pictures(text)) == 6
    for name in ("tiny_0.png", "tiny_5.png", "ground", "square", "disc"):
        assert name in text
    assert "<script" not in text
    assert not re.search(r'(src|href)="(?!data:)', text)  # self-contained
    assert "fewer than 5 points</span>" not in text


def test_suspicious_points_are_named_and_marked(tiny_data: Path, tmp_path: Path) -> None:
    flat(tiny_data, "tiny_0.png")
    flat(tiny_data, "tiny_1.png")
    many = [Point("tiny_1.png", 3 + 6 * i, 30, label) for i in range(5) for label in ("square",)]
    dataset = with_points(
        tiny_data,
        *many,
        *(Point("tiny_0.png", 30.5, 20.5, "square"), Point("tiny_0.png", 32.5, 20.5, "ground")),
        Point("tiny_0.png", 90, 20, "square"),
    )
    text = page(dataset, tmp_path / "check.html")
    assert "square (30.5, 20.5) and ground (32.5, 20.5) are 2.0 px apart." in text
    assert "ground (32.5, 20.5) is one of 1 of its class." in text
    assert "(90, 20) lies outside" in text
    assert "tiny_2.png, tiny_3.png, tiny_4.png, tiny_5.png" in text
    first, second = pictures(text)  # the suspicious image comes first
    red = lambda picture: (picture[..., 0] > 180) & (picture[..., 1] < 90) & (picture[..., 2] < 90)  # noqa: E731
    assert red(first).any()
    assert red(first)[:, -3:].any()  # the one outside, at the border
    assert not red(second).any()


def test_points_on_edges(tiny_data: Path, tmp_path: Path) -> None:
    pixels = np.full((48, 64, 3), 30, np.uint8)
    pixels[:, 32:] = 220
    Image.fromarray(pixels).save(tiny_data / "images" / "tiny_0.png")
    points = [Point("tiny_0.png", x, 9 * (1 + i % 5), "square") for i, x in enumerate((5, 10, 15, 50, 31.5))]
    dataset = with_points(tiny_data, *points)
    assert page(dataset, tmp_path / "a.html").count("strong edge.") == 1
    text = page(dataset, tmp_path / "b.html", max_opened=0)
    assert "strong edge." not in text
    assert "6 images were not opened" in text


def test_the_page_is_bounded_and_says_what_is_left_out(tiny_data: Path, tmp_path: Path) -> None:
    for index in range(6):
        flat(tiny_data, f"tiny_{index}.png")
    points = [Point(f"tiny_{i}.png", x, 20, "disc") for i in range(6) for x in (5, 25)]
    points += [Point(f"tiny_{i}.png", 27, 20, "square") for i in (1, 3, 4, 4, 5)]
    text = page(with_points(tiny_data, *points), tmp_path / "check.html", max_images=3)
    assert len(pictures(text)) == 3
    assert "3 images are left out, 1 of them suspicious" in text
    assert "tiny_0.png</b>" not in text


def test_what_users_write_is_escaped(tiny_data: Path, tmp_path: Path) -> None:
    name = "<b>&.png"
    (tiny_data / "images" / "tiny_0.png").rename(tiny_data / "images" / name)
    (tiny_data / "splits" / "train.txt").unlink()
    (tiny_data / "points.csv").unlink()
    dataset = with_points(tiny_data, Point(name, 5, 5, "square"), Point(name, 5, 9, "<script>alert(1)</script>"))
    text = page(dataset, tmp_path / "check.html")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "<b>&.png" not in text


def test_background_of_the_border_policy_is_not_missed(tiny_data: Path, tmp_path: Path) -> None:
    points = [Point("tiny_0.png", 3 + 6 * i, 5 + 30 * (k == "disc"), k) for i in range(5) for k in ("square", "disc")]
    dataset = with_points(tiny_data, *points)
    assert "fewer than 5 points</span>" in page(dataset, tmp_path / "a.html")
    assert "fewer than 5 points</span>" not in page(dataset.with_policy("border"), tmp_path / "b.html")


def test_no_points_at_all_and_a_folder_that_is_not_there(tiny_data: Path, tmp_path: Path) -> None:
    dataset = replace(load(tiny_data), points=PointTable(), rejected=None, points_file=None)
    text = page(dataset, tmp_path / "check.html")
    assert pictures(text) == []
    assert "no label file" in text
    with pytest.raises(SaveError):
        write_points_page(dataset, tmp_path / "nothing" / "check.html")


def test_points_on_large_images_are_looked_at_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.zeros((60, 300, 3), np.uint8)
    image[:, 150:] = 200
    points = [[(150.5, 30.5, "a"), (20.5, 30.5, "a"), (299.5, 59.5, "b")]]
    dataset = Dataset.from_arrays([image], points, ["a", "b"]).with_bands()
    look = points_page.Look(dataset.items[0], tuple(dataset.points.of(dataset.items[0].name)))
    whole = points_page._edges(look, dataset.known_bands)
    monkeypatch.setattr(points_page, "_WHOLE", 1)
    monkeypatch.setattr(points_page, "_AROUND", 100)
    assert points_page._edges(look, dataset.known_bands) == whole == [0]
