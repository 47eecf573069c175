"""Where images lie, read by what GDAL wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pointillist.data.places import place_of
from pointillist.data.regions import Region

rasterio = pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

UTM = "EPSG:32632"
NORTH_UP = (0.5, 0.0, 600000.0, 0.0, -0.5, 5300000.0)
ROTATED = (0.4, 0.3, 600000.0, 0.3, -0.4, 5300000.0)


def write(path: Path, crs: str | None, transform: tuple[float, ...] | None, driver: str = "GTiff") -> Path:
    options = {} if transform is None else {"transform": rasterio.Affine(*transform)}
    with rasterio.open(path, "w", driver, 60, 40, 3, crs=crs, dtype="uint8", **options) as file:
        file.write(np.random.default_rng(0).integers(0, 255, (3, 40, 60)).astype(np.uint8))
    return path


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED])
@pytest.mark.parametrize(("crs", "driver"), [(UTM, "GTiff"), (None, "GTiff"), (UTM, "JP2OpenJPEG")])
def test_a_place_is_what_was_written(
    crs: str | None, driver: str, transform: tuple[float, ...], tmp_path: Path
) -> None:
    path = write(tmp_path / ("a.tif" if driver == "GTiff" else "a.jp2"), crs, transform, driver)
    place = place_of(path)
    assert place is not None
    assert place.transform == pytest.approx(transform)
    assert (rasterio.CRS.from_wkt(place.crs) == rasterio.CRS.from_user_input(crs)) if crs else place.crs == ""


def test_a_window_lies_where_its_corner_lies(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", UTM, ROTATED)
    place = place_of(Region(path, top=10, left=20, height=5, width=6))
    assert place is not None
    with rasterio.open(path) as file:
        assert place.transform == pytest.approx(tuple(file.window_transform(((10, 15), (20, 26))))[:6])


@pytest.mark.parametrize("name", ["a.tif", "a.jp2", "a.png", "a.jpg"])
def test_files_beside_it_are_not_asked(name: str, tmp_path: Path) -> None:
    driver = {"tif": "GTiff", "jp2": "JP2OpenJPEG", "png": "PNG", "jpg": "JPEG"}[name[2:]]
    path = write(tmp_path / name, None, None, driver)
    for world in (".tfw", ".j2w", ".pgw", ".jgw", ".wld"):
        path.with_suffix(world).write_text("2\n0\n0\n-2\n5\n7\n")
    beside = "<PAMDataset><SRS>EPSG:4326</SRS><GeoTransform>1,2,0,4,0,-2</GeoTransform></PAMDataset>"
    path.with_name(f"{name}.aux.xml").write_text(beside)
    with rasterio.open(path) as file:
        assert tuple(file.transform)[:6] != (1, 0, 0, 0, 1, 0), "GDAL finds them"
    assert place_of(path) is None


def test_no_position_is_no_place(tmp_path: Path) -> None:
    assert place_of(write(tmp_path / "a.tif", UTM, None)) is None
    assert place_of(write(tmp_path / "b.tif", UTM, (0.5, 0.0, 3.0, 0.0, 0.0, 4.0))) is None, "all pixels in one line"


def test_heights_are_left_out(tmp_path: Path) -> None:
    place = place_of(write(tmp_path / "a.tif", "EPSG:7415", NORTH_UP))
    assert place is not None
    assert rasterio.CRS.from_wkt(place.crs).to_epsg() == 28992
