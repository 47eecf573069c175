"""Images that stay on disk: the same pixels as in memory, each strip decoded a few times at most."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pointillist.data import views
from pointillist.data.bands import RGB
from pointillist.data.inputs import InputSpec, Scale
from pointillist.data.views import FileView, WholeView, open_view
from pointillist.training import tiling
from tests.rasters import draw, write_raster


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
