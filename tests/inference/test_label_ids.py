"""Label ids of Cityscapes, and probabilities for NumPy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.classes import ClassSet
from pointillist.data.layouts import cityscapes as layout
from pointillist.errors import ConfigError
from pointillist.inference.prediction import Prediction
from pointillist.inference.writers import get_writer
from tests.inference.blobs import result_of

STREET = ClassSet.create(["road", "car", "guard rail", "tram"], policy="none")


def test_label_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointillist.inference.prediction.STRIP", 3)
    labels = np.array([[0, 1, 2], [3, 255, 0], [1, 1, 1]], np.uint8)
    result = replace(result_of(labels), classes=STREET)
    get_writer("cityscapes", {"ids": {"tram": 31, "car": 27}}).write(result, tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as picture:
        assert picture.mode == "L"
        assert np.asarray(picture).tolist() == [[7, 27, 14], [31, 0, 7], [27, 27, 27]]
    # The 19 classes of the benchmark need no setting, and the layout reads them back.
    names = tuple(layout.CLASSES)
    labels = np.arange(20, dtype=np.uint8).reshape(4, 5) % 19
    result = replace(result_of(labels), classes=ClassSet.create(names, policy="none"))
    get_writer("cityscapes").write(result, tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as picture:
        back = {label_id: names.index(name) for name, (label_id, _) in layout.CLASSES.items()}
        assert np.array_equal(np.vectorize(back.get)(np.asarray(picture)), labels)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ({}, r"cityscapes\.ids.*no 'tram'\. .*--set 'cityscapes\.ids=\{tram: 0\}'"),
        ({"tarm": 3}, r"cityscapes\.ids.*'tarm' is no class.*tram"),
        ({"tram": 256}, r"cityscapes\.ids\.tram.*256"),
    ],
)
def test_classes_without_an_id(ids: dict[str, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        get_writer("cityscapes", {"ids": ids}).write(
            replace(result_of(np.zeros((1, 1), np.uint8)), classes=STREET), tmp_path / "b.png"
        )
    assert not list(tmp_path.iterdir())


def test_probabilities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointillist.inference.writers.probabilities.STRIP", 10)
    values = np.random.default_rng(0).random((3, 7, 5)).astype(np.float16)
    labels = values.argmax(0).astype(np.uint8)
    result = replace(result_of(labels), prediction=Prediction(labels, probabilities=values))
    get_writer("probabilities").write(result, tmp_path / "b.npy")
    read = np.load(tmp_path / "b.npy", mmap_mode="r", allow_pickle=False)
    assert read.dtype == np.float16
    assert np.array_equal(read, values)
