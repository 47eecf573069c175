"""A window of what a network sees is that part of the whole, from memory and from disk."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from pointillist.data import views
from pointillist.data.bands import RGB, Bands
from pointillist.data.inputs import InputSpec, Scale
from pointillist.data.pixels import Pixels
from pointillist.data.views import FileView, WholeView, open_view
from pointillist.training import tiling
from tests.rasters import draw, write_raster

FIVE = Bands(tuple("abcde"), "uint16", ((0.0, 40_000.0),) * 5, (0, 1, 2))


@pytest.mark.parametrize("at_once", [300, 2**22])
@pytest.mark.parametrize("factor", [0.07, 0.3, 1.0, 1.9])
@pytest.mark.parametrize(("bands", "size"), [(RGB, (90, 131)), (FIVE, (131, 47)), (RGB, (1, 200)), (RGB, (200, 3))])
def test_windows_are_parts_of_the_whole(
    bands: Bands, size: tuple[int, int], factor: float, at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = draw(*size, len(bands), bands.dtype)
    values[5:9, 2:9] = 7
    spec = InputSpec(bands, Scale.of(factor))
    path = write_raster(tmp_path / "a.tif", values, nodata=7)
    expected = spec.array(bands.read(path))
    gaps = bands.read(path).valid
    monkeypatch.setattr(views, "LARGE", 0)
    monkeypatch.setattr(views, "AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    with open_view(spec, path) as from_disk:
        assert isinstance(from_disk, FileView)
        for view in (from_disk, WholeView(spec, bands.scaled(Pixels(values, gaps)))):
            assert view.size == expected.shape[1:]
            np.testing.assert_allclose(view.read(0, 0, *view.size), expected, atol=2e-5)
            for _ in range(8):
                top, left = (int(rng.integers(0, side)) for side in view.size)
                height, width = (
                    int(rng.integers(1, view.size[0] - top + 1)),
                    int(rng.integers(1, view.size[1] - left + 1)),
                )
                part = view.read(top, left, height, width)
                np.testing.assert_allclose(part, expected[:, top : top + height, left : left + width], atol=2e-5)
            valid = view.valid(0, 0, *size)
            assert (valid is None) == (gaps is None)
            assert valid is None or (valid == gaps).all()
            np.testing.assert_array_equal(view.picture(0, size[0]), bands.picture_of(path))


def test_a_large_image_in_memory_is_not_copied_as_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "LARGE", 100)
    view = WholeView(InputSpec(RGB, Scale.of(0.5)), Pixels(np.zeros((20, 30, 3), np.uint8)))
    assert all(not (isinstance(held, np.ndarray) and held.dtype == np.float32) for held in vars(view).values())
    assert view.read(0, 0, 10, 15).shape == (3, 10, 15)
    assert math.prod(view.size) == 150


@pytest.mark.parametrize("factor", [0.05, 0.37, 1, 2.3])
def test_gaps_lie_where_they_lie_in_the_whole(factor: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other pixel has no data, so that one that is rounded otherwise shows."""
    monkeypatch.setattr(views, "LARGE", 0)
    values = draw(300, 211, 4, "uint8")
    values[..., 3] = 255 * (np.indices((300, 211)).sum(0) % 2)
    file = write_raster(tmp_path / "a.tif", values, alpha=True)
    spec = InputSpec(RGB, Scale.of(factor))
    whole = WholeView(spec, spec.bands.read(file))
    with open_view(spec, file) as view:
        assert isinstance(view, FileView)
        for top in range(0, view.size[0], 97):
            for left in range(0, view.size[1], 60):
                window = (top, left, min(97, view.size[0] - top), min(60, view.size[1] - left))
                np.testing.assert_allclose(view.read(*window), whole.read(*window), atol=1e-5)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system does not count what was read")
@pytest.mark.parametrize("factor", [1, 0.5])
def test_strips_are_read_few_times(factor: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A strip goes across all tiles of a row, which need it one after the other."""
    rasterio = pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")
    for name, value in (("LARGEST_PASS", 0), ("TILE", 96), ("OVERLAP", 32)):
        monkeypatch.setattr(tiling, name, value)
    monkeypatch.setattr(views, "LARGE", 0)
    file = write_raster(tmp_path / "a.tif", draw(200, 6000, 3, "uint8"), tiled=False)
    # Less than a row of tiles needs, as GDAL's usual cache is for a large image.
    with rasterio.Env(GDAL_CACHEMAX=2**20), open_view(InputSpec(RGB, Scale.of(factor)), file) as view:
        before = _read_so_far()
        for _ in tiling.logit_blocks(lambda image: image, view.read, view.size, view.own):
            pass
        assert _read_so_far() - before < 3 * file.stat().st_size


def _read_so_far() -> int:
    """Bytes that this process has read from files."""
    return int(Path("/proc/self/io").read_text().split()[1])
