"""Pixels without data, of every kind of file, and questions that leave them out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.data import gaps
from pointillist.data.ask import answered, ask
from pointillist.data.gaps import pixels_with_data
from pointillist.data.layouts import open_dataset
from pointillist.points.questions import inclusion_of
from tests.conftest import write_tiny

SHAPE = (48, 64)


@pytest.fixture
def hole() -> np.ndarray:
    """Where there are no data."""
    found = np.zeros(SHAPE, bool)
    found[10:40, :19] = True
    return found


@pytest.mark.parametrize("at_once", [2**24, 500])
@pytest.mark.parametrize("kind", ["nodata", "nan", "partly nan"])
def test_rasters(tmp_path: Path, hole: np.ndarray, monkeypatch: pytest.MonkeyPatch, kind: str, at_once: int) -> None:
    rasterio = pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")
    monkeypatch.setattr(gaps, "AT_ONCE", at_once)
    dtype = "uint16" if kind == "nodata" else "float32"
    values = np.random.default_rng(0).integers(1, 900, (2, *SHAPE)).astype(dtype)
    values[:, hole] = 0 if kind == "nodata" else np.nan
    if kind == "partly nan":
        values[1] = 5.0  # one band has data there
    options = {"driver": "GTiff", "height": SHAPE[0], "width": SHAPE[1], "count": 2, "dtype": dtype}
    with rasterio.open(tmp_path / "a.tif", "w", **options, nodata=0 if kind == "nodata" else None) as file:
        file.write(values)
    found = pixels_with_data(tmp_path / "a.tif")
    if kind == "partly nan":
        assert found is None
    else:
        assert found is not None
        assert np.array_equal(found, ~hole)


def test_photographs(tmp_path: Path, hole: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (*SHAPE, 3), dtype=np.uint8))
    image.save(tmp_path / "a.jpg")
    image.save(tmp_path / "a.png")
    image.putalpha(Image.fromarray(np.where(hole, 0, 255).astype(np.uint8)))
    image.save(tmp_path / "b.png")
    found = pixels_with_data(tmp_path / "b.png")
    assert found is not None
    assert np.array_equal(found, ~hole)
    monkeypatch.setattr(gaps, "read_pixels", lambda *_: pytest.fail("decoded for nothing"))
    assert pixels_with_data(tmp_path / "a.jpg") is None
    assert pixels_with_data(tmp_path / "a.png") is None


def test_estimated_shares_are_those_of_the_pixels_with_data(tmp_path: Path, hole: np.ndarray) -> None:
    data = write_tiny(tmp_path / "tiny")
    masks = {}
    for path in (data / "images").glob("*.png"):
        image = Image.open(path).convert("RGB")
        image.putalpha(Image.fromarray(np.where(hole, 0, 255).astype(np.uint8)))
        image.save(path)
        masks[path.name] = np.asarray(Image.open(data / "masks" / path.name))
    dataset = open_dataset(data)
    known = np.array([masks[item.name][~hole] for item in dataset.split("train")])
    found = []
    for seed in range(150):
        questions = answered(ask(dataset, per_image=12, seed=seed), dataset)
        assert all(not hole[point.pixel] for point in questions.rows)
        weights = np.array([1 / inclusion_of(point) for point in questions])
        labels = np.array([dataset.classes.names.index(point.label) for point in questions])
        assert sum(1 / inclusion_of(point) for point in questions.rows) == pytest.approx(4 * (~hole).sum(), rel=0.02)
        found.append([weights[labels == label].sum() for label in range(3)])
    truth = np.array([(known == label).sum() for label in range(3)])
    assert (truth > 0).all()
    assert (np.abs(np.mean(found, axis=0) - truth) < 4 * np.std(found, axis=0) / 150**0.5).all()
