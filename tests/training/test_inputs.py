"""What a training learns from: scale and window follow from the images."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.data.dataset import Item
from pointillist.data.inputs import MOST_FACTOR, Scale
from pointillist.data.layouts import load_dataset
from pointillist.errors import DatasetError
from pointillist.training import inputs
from pointillist.training.config import make_config
from pointillist.training.inputs import TrainingInput, learnt_scale, training_window
from pointillist.training.run import fit
from tests.conftest import TINY
from tests.rasters import draw, write_raster

Size = tuple[int, int]


@pytest.fixture
def sized(monkeypatch: pytest.MonkeyPatch) -> list[Size]:
    """Sizes of images that need not exist; item number n has the n-th."""
    sizes: list[Size] = []
    monkeypatch.setattr(inputs, "image_size", lambda path: sizes[int(path.name)])
    return sizes


def items(count: int) -> list[Item]:
    return [Item(str(n), Path(str(n))) for n in range(count)]


@pytest.mark.parametrize(
    ("sizes", "factor", "window"),
    [
        ([(48, 64)], 1.0, (48, 64)),  # never enlarged
        ([(320, 320)], 1.0, (256, 256)),
        ([(640, 640)], 0.5, (256, 256)),
        ([(100, 120), (640, 640), (4096, 4096)], 0.5, (256, 256)),  # the median decides
        ([(1280, 80)], 1.0, (256, 80)),
        ([(2560, 160)], 0.5, (256, 80)),
    ],
)
def test_without_a_size_the_median_image_decides(
    sized: list[Size], sizes: list[Size], factor: float, window: Size
) -> None:
    sized += sizes
    settings = make_config().data
    scale = learnt_scale(settings, items(len(sizes)))
    assert scale == Scale.of(factor)
    assert training_window(settings, scale, items(len(sizes))) == window


def test_a_smaller_window_asks_for_smaller_images(sized: list[Size]) -> None:
    sized += [(640, 640)]
    assert learnt_scale(make_config(None, {"data.window": "64x256"}).data, items(1)) == Scale.of(0.25)


def test_what_lies_on_a_map_keeps_its_scale(sized: list[Size], monkeypatch: pytest.MonkeyPatch) -> None:
    sized += [(9000, 9000), (500, 700)]
    monkeypatch.setattr(inputs, "on_a_map", lambda path: path == Path("1"))
    assert learnt_scale(make_config().data, items(2)) == Scale.of(1.0)


def test_a_bounded_number_of_images_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(inputs, "image_size", lambda path: asked.append(path) or (640, 640))
    assert learnt_scale(make_config().data, items(10_000)) == Scale.of(0.5)
    assert len(asked) == 200


def test_a_given_size_is_a_box_and_no_image_is_seen_smaller_than_learnt(sized: list[Size]) -> None:
    sized += [(300, 400), (600, 800), (90, 90)]
    settings = make_config(None, {"data.size": "150x200"}).data
    scale = learnt_scale(settings, items(3))
    assert scale == Scale((150, 200), least=0.25, most=math.inf)
    assert scale.size_of((6000, 8000)) == (1500, 2000)
    assert training_window(settings, scale, items(3)) == (150, 200)
    windowed = make_config(None, {"data.size": "150x200", "data.window": "64"}).data
    assert training_window(windowed, scale, items(3)) == (64, 64)


def test_tiny_images_in_a_large_box_leave_a_scale_that_a_model_may_have(sized: list[Size]) -> None:
    sized += [(20, 20)]
    scale = learnt_scale(make_config(None, {"data.size": "400"}).data, items(1))
    assert scale.least == MOST_FACTOR
    assert scale.size_of((20, 20)) == (400, 400)


def test_native_images_stay_as_they_are(sized: list[Size]) -> None:
    sized += [(3000, 100)]
    settings = make_config(None, {"data.size": "native"}).data
    assert learnt_scale(settings, items(1)) == Scale.of(1.0)
    assert training_window(settings, Scale.of(1.0), items(1)) == (256, 100)


def test_what_is_learnt_is_said_in_a_line(tiny_data: Path) -> None:
    given = TrainingInput.of(load_dataset(tiny_data), make_config().data, "points")
    assert str(given) == "images of 64×48 px are learnt at their own size, in windows of 64×48"
    half = make_config(None, {"data.size": "24x32", "data.window": "16"}).data
    text = str(TrainingInput.of(load_dataset(tiny_data), half, "points"))
    assert text == "images of 64×48 px are learnt at 0.5 of their size, in windows of 16×16"


def test_images_of_two_kinds_do_not_train_together(tiny_data: Path, tmp_path: Path) -> None:
    path = tiny_data / "images" / "tiny_1.png"
    path.unlink()
    write_raster(path.with_suffix(".tif"), draw(48, 64, 5, "uint16"))
    for file in (tiny_data / "points.csv", tiny_data / "splits" / "train.txt"):
        file.write_text(file.read_text().replace("tiny_1.png", "tiny_1.tif"))
    with pytest.raises(DatasetError) as caught:
        fit(make_config(None, TINY), load_dataset(tiny_data), tmp_path / "run")
    assert "3 bands of uint8, such as 'tiny_0.png'" in caught.value.found
    assert "5 bands of uint16, such as 'tiny_1.tif'" in caught.value.found
    assert not (tmp_path / "run").exists()


def test_grey_photographs_train_with_those_in_colour(tiny_data: Path) -> None:
    path = tiny_data / "images" / "tiny_1.png"
    Image.fromarray(np.full((48, 64), 90, np.uint8)).save(path)
    assert TrainingInput.of(load_dataset(tiny_data), make_config().data, "points").spec.bands.photograph
