"""What is kept of large images, where, and how little is decoded for a first picture of one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from pointillist.annotator.images import catalogue, files
from pointillist.annotator.session import Session
from pointillist.data import find_bands
from pointillist.data.rasters import OpenRaster
from tests.annotator.test_bands import write_raster

Open = Callable[[Path], Session]


def levels() -> list[Path]:
    """Files of levels in the user's cache folder."""
    return sorted(Path(os.environ["XDG_CACHE_HOME"], "pointillist", "annotator", "images").rglob("*.raw"))


def smooth(height: int, width: int) -> Image.Image:
    rows, columns = np.indices((height, width))
    return Image.fromarray(np.stack([rows * 255 // height, columns * 255 // width, 0 * rows + 90], 2).astype(np.uint8))


def test_levels_of_all_folders_together_are_bounded(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "IN_MEMORY", 1000)
    monkeypatch.setattr(files, "DISK", 400_000)
    for name in ("one", "two"):
        home = tmp_path / name
        (home / "images").mkdir(parents=True)
        smooth(250, 300).save(home / "images" / "a.png")
        (home / ".pointillist" / "cache" / "images" / "old").mkdir(parents=True)
        session = opened(home)
        session.pyramids.tile("a.png", 0, 0, 0)
        assert not (home / ".pointillist" / "cache").exists()
        assert sum(file.stat().st_size for file in levels()) == 250 * 300 * 3
        assert session.project()["cache"] == {"bytes": 250 * 300 * 3, "most": 4 * 2**30}
    assert Path(os.environ["XDG_CACHE_HOME"], "pointillist", "annotator").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_thumbnail_of_a_photograph_makes_no_levels(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, orientation: int
) -> None:
    monkeypatch.setattr(catalogue, "IN_MEMORY", 1000)
    (tmp_path / "images").mkdir()
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth(900, 1301).save(tmp_path / "images" / "a.png", exif=exif)
    session = opened(tmp_path)
    found = session.pyramids.reduced("a.png", 20_000).values
    assert not levels()
    upright = ImageOps.exif_transpose(Image.open(tmp_path / "images" / "a.png"))
    expected = np.asarray(upright.resize(found.shape[1::-1], Image.Resampling.BOX))
    assert np.abs(found.astype(int) - expected).max() <= 3
    # Once the levels are there they serve.
    session.pyramids.tile("a.png", 0, 0, 0)
    assert levels()


def test_rows_that_are_compressed_together_are_gone_through_once(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")
    values = np.asarray(smooth(2100, 1000))
    write_raster(tmp_path / "images" / "a.tif", values, blockysize=2100, compress="lzw")
    monkeypatch.setattr(catalogue, "IN_MEMORY", 1_000_000)
    monkeypatch.setattr(find_bands, "MEASURED_WHOLE", 1000)
    session = opened(tmp_path)
    opens: list[Any] = []
    inside = find_bands.open_raster
    monkeypatch.setattr(find_bands, "open_raster", lambda *given: opens.append(given) or inside(*given))  # type: ignore[func-returns-value]
    session.bands.of("a.tif")
    assert len(opens) == 1
    stored = session.catalogue.stored("a.tif")
    assert stored is not None
    assert stored.in_one_piece
    rows: list[int] = []
    read = OpenRaster.read

    def noted(self: OpenRaster, top: int, left: int, height: int, width: int) -> Any:
        rows.extend(range(top, top + height))
        return read(self, top, left, height, width)

    monkeypatch.setattr(session.pyramids.windows, "_order", lambda _: None)
    monkeypatch.setattr(OpenRaster, "read", noted)
    found = session.pyramids.reduced("a.tif", 20_000)
    assert rows == list(range(2100))
    expected = np.asarray(smooth(2100, 1000).resize(found.values.shape[1::-1], Image.Resampling.BOX))
    assert np.abs(found.values.astype(int) - expected).max() <= 3
