"""What a predictor takes: files, arrays, tensors, PIL images, and lists of them; what it does not take is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pointillist as pt
from pointillist.data.pixels import Pixels
from pointillist.errors import ImageError
from tests.conftest import CLASSES, TINY, draw_tiny

IMAGE = draw_tiny(0)[0]


def trained(folder: Path, images: list[np.ndarray]) -> pt.Predictor:
    points = [draw_tiny(index)[2] for index in range(len(images))]
    data = pt.Dataset.from_arrays(images, points, CLASSES)
    return pt.Predictor(pt.train(data, out=folder, method="points", settings={**TINY, "trainer.epochs": 6}), "cpu")


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> pt.Predictor:
    return trained(tmp_path_factory.mktemp("rgb") / "run", [draw_tiny(index)[0] for index in range(4)])


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> pt.Predictor:
    """Of one band of 16 bits."""
    images = [draw_tiny(index)[0][:, :, 1].astype(np.uint16) * 100 for index in range(4)]
    return trained(tmp_path_factory.mktemp("deep") / "run", images)


def channels_first(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)


FORMS: dict[str, Callable[[np.ndarray, Path], Any]] = {
    "numpy": lambda image, _: image,
    "columns first in memory": lambda image, _: np.asfortranarray(image),
    "torch": lambda image, _: channels_first(image),
    "PIL": lambda image, _: Image.fromarray(image),
    "Pixels": lambda image, _: Pixels(image),
    "Path": lambda _, file: file,
    "str": lambda _, file: str(file),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_image_in_every_form(predictor: pt.Predictor, tmp_path: Path, form: str) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    wanted = predictor(Path(tmp_path / "a.png"))
    assert len(np.unique(wanted)) > 1, "a model that says the same everywhere tells no form from another"
    before = IMAGE.copy()
    assert np.array_equal(predictor(FORMS[form](IMAGE, tmp_path / "a.png")), wanted)
    assert np.array_equal(before, IMAGE)


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_gives_a_list(predictor: pt.Predictor, kind: type) -> None:
    other = draw_tiny(1, 40, 56)[0]
    several = kind([IMAGE, channels_first(other)])
    found = predictor(several)
    assert isinstance(found, list)
    assert np.array_equal(found[0], predictor(IMAGE))
    assert np.array_equal(found[1], predictor(other))
    maps = predictor.predict(several, confidence=True)
    assert [one.confidence.shape for one in maps] == [(48, 64), (40, 56)]
    assert maps[0].uncertainty is None
    assert predictor([]) == []


def test_grey_photographs(predictor: pt.Predictor) -> None:
    grey = IMAGE[:, :, 0]
    wanted = predictor(np.repeat(grey[:, :, None], 3, axis=2))
    for form in (grey, grey[:, :, None], torch.from_numpy(grey.copy()), Image.fromarray(grey)):
        assert np.array_equal(predictor(form), wanted)


def test_one_deep_band(deep: pt.Predictor) -> None:
    assert len(deep.spec.bands) == 1
    image = IMAGE[:, :, 1].astype(np.uint16) * 100
    wanted = deep(image[:, :, None])
    assert len(np.unique(wanted)) > 1
    for form in (image, torch.from_numpy(image), torch.from_numpy(image)[None], image.astype(">u2")):
        assert np.array_equal(deep(form), wanted)


def test_what_has_no_data_is_255(predictor: pt.Predictor) -> None:
    valid = np.ones((48, 64), bool)
    valid[:, :20] = False
    assert np.array_equal(predictor(Pixels(IMAGE, valid)) == 255, ~valid)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (None, "something of type NoneType is no image. Give a file, NumPy height"),
        ({"image": IMAGE}, "something of type dict is no image"),
        (3, "something of type int is no image"),
        (IMAGE / 255, r"an array of shape \(48, 64, 3\) and type float64 is no image.*float32"),
        (torch.zeros(3, 8, 8, dtype=torch.bfloat16), r"a tensor of shape \(3, 8, 8\) and type bfloat16 is no image"),
        (np.zeros((2, 48, 64, 3), np.uint8), r"shape \(2, 48, 64, 3\) and type uint8 is no image"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\) and type uint8 is no image"),
        (np.zeros(5, np.uint8), r"shape \(5,\) and type uint8 is no image"),
        (IMAGE.transpose(2, 0, 1), r"would be 48 wide, 3 high, and have 64 bands.*height × width × bands for NumPy"),
        (torch.from_numpy(IMAGE), r"would be 3 wide, 64 high, and have 48 bands.*bands × height × width for torch"),
        (IMAGE.astype(np.float32), "has 3 bands of float32; what was learnt has 3 bands of uint8"),
        (np.zeros((8, 8, 4), np.uint8), "has 4 bands of uint8; what was learnt has 3 bands"),
        (Pixels(IMAGE, np.ones((48, 63), bool)), r"shape \(48, 63\) and type bool does not say which pixels count"),
        ([IMAGE, None], r"image\[1\].*NoneType is no image"),
        ([IMAGE, IMAGE.astype(np.uint16)], r"image\[1\].*has 3 bands of uint16"),
        ([[IMAGE]], r"image\[0\].*something of type list is no image"),
        ("nothing.png", "there is no such file"),
    ],
)
def test_what_is_no_image(predictor: pt.Predictor, image: Any, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        predictor(image)


def test_a_broken_file_opened_with_pil(predictor: pt.Predictor, tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with Image.open(tmp_path / "a.png") as image, pytest.raises(ImageError, match="no readable image"):
        predictor(image)
