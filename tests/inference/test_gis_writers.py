"""Outputs for geographic information systems, read back by other programs than wrote them where there are some."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pointillist.classes import ClassSet
from pointillist.data.places import Place, place_of
from pointillist.errors import ConfigError, SaveError
from pointillist.inference.prediction import Prediction
from pointillist.inference.shapes import polygons
from pointillist.inference.shapes.polygons import Regions, find_regions
from pointillist.inference.writers import get_writer
from pointillist.inference.writers.base import Result
from tests.conftest import Cli

OLD = Path(__file__).parents[1] / "fixtures" / "version_0_1"
GEO = "the extra 'geo' is not installed"
rasterio = pytest.importorskip("rasterio", reason=GEO)
shapely = pytest.importorskip("shapely", reason=GEO)
pyogrio = pytest.importorskip("pyogrio", reason=GEO)
pyproj = pytest.importorskip("pyproj", reason=GEO)
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

CLASSES = ClassSet.create(["ground", "Wärme & Wasser", "disc"], ["#202020", "#e69f00", "#56b4e9"])
UTM = Place(rasterio.CRS.from_epsg(32632).to_wkt(version="WKT2_2019"), (0.5, 0.0, 600000.0, 0.0, -0.5, 5300000.0))
WGS84 = Place(rasterio.CRS.from_epsg(4326).to_wkt(version="WKT2_2019"), (1e-5, 2e-6, 8.0, 2e-6, -1e-5, 48.0))
NAMELESS = Place("", UTM.transform)
PLACES = pytest.mark.parametrize("place", [UTM, WGS84, NAMELESS, None], ids=["utm", "rotated", "nameless", "none"])
TIFFS = ("geotiff", "cog", "geotiff-confidence", "geotiff-uncertainty")
VECTORS = ("geojson", "geopackage", "flatgeobuf")


def noise(height: int = 61, width: int = 83) -> NDArray[np.uint8]:
    """Specks, a large region with holes around holes, a spiral, and pixels without data."""
    labels = np.random.default_rng(0).integers(0, 3, (height, width)).astype(np.uint8)
    labels[5:50, 5:60] = 1
    for edge in range(8, 24, 4):
        labels[edge : 55 - edge, edge : 65 - edge] = edge // 4 % 3
    labels[30, 62:80] = labels[30:40, 79] = labels[39, 62:80] = 2
    labels[20:28, 60:75] = 255
    return labels


def smooth(height: int = 90, width: int = 120) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(1).random((3, height // 15, width // 15), np.float32)
    fields = [np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.BICUBIC)) for one in coarse]
    return np.argmax(fields, axis=0).astype(np.uint8)


def result_of(labels: NDArray[np.uint8], place: Place | None) -> Result:
    rng = np.random.default_rng(2)
    confidence, uncertainty = (rng.random(labels.shape).astype(np.float16) for _ in range(2))
    return Result("a/b.tif", Prediction(labels, confidence, uncertainty), CLASSES, place, lambda *_: np.zeros(0))


def write(name: str, result: Result, folder: Path, **options: Any) -> Path:
    writer = get_writer(name, options)
    path = folder / f"b{writer.suffix}"
    writer.write(result, path)
    assert list(folder.iterdir()) == [path], "and nothing beside it"
    return path


def every(prediction: Prediction, simplify: float) -> Regions:
    found = list(find_regions(prediction, simplify))
    names = ("polygons", "classes", "pixels", "confidence")
    return Regions(*(np.concatenate([getattr(part, name) for part in found]) for name in names))


@PLACES
@pytest.mark.parametrize("name", ["geotiff", "cog"])
def test_labels_as_tiff(name: str, place: Place | None, tmp_path: Path) -> None:
    labels = np.zeros((600, 1100), np.uint8)
    labels[100:161, 400:483] = noise()
    path = write(name, result_of(labels, place), tmp_path)
    with rasterio.open(path) as file:
        assert (file.read(1) == labels).all()
        assert (file.nodata, file.dtypes, file.block_shapes) == (255, ("uint8",), [(512, 512)])
        assert [file.colormap(1)[index][:3] for index in range(3)] == list(CLASSES.colors)
        assert [file.tags(1)[f"CLASS_{index}"] for index in range(3)] == list(CLASSES.names)
        structure = file.tags(ns="IMAGE_STRUCTURE")
        assert structure["COMPRESSION"] == "DEFLATE"
        if name == "cog":
            assert structure["LAYOUT"] == "COG"
            assert file.overviews(1) == [2, 4]
    found = place_of(path)
    if place is None:
        assert found is None
    else:
        assert found is not None
        assert found.transform == pytest.approx(place.transform)
        assert not place.crs or rasterio.CRS.from_wkt(found.crs) == rasterio.CRS.from_wkt(place.crs)
    with Image.open(path) as picture:  # not by GDAL
        assert picture.mode == "P"
        assert (np.asarray(picture) == labels).all()
        about = picture.tag_v2[42112].encode("latin-1").decode()
        assert "Wärme &amp; Wasser" in unescape(about), "GDAL escapes it twice"


@pytest.mark.parametrize("name", ["confidence", "uncertainty"])
def test_maps_as_tiff(name: str, tmp_path: Path) -> None:
    result = result_of(noise(), UTM)
    with rasterio.open(write(f"geotiff-{name}", result, tmp_path)) as file:
        assert (file.dtypes, file.crs.to_epsg(), file.descriptions) == (("float32",), 32632, (name,))
        assert np.isnan(file.nodata)
        expected = getattr(result.prediction, name).astype(np.float32)
        expected[result.prediction.labels == 255] = np.nan
        np.testing.assert_array_equal(file.read(1), expected)


@pytest.mark.parametrize("block", [7, 16, 2048])
def test_regions_are_those_of_the_label_map(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = pytest.importorskip("skimage.measure")
    monkeypatch.setattr(polygons, "BLOCK", block)
    monkeypatch.setattr(polygons, "MANY", block)
    prediction = result_of(noise(), None).prediction
    found = every(prediction, 0)
    shapes = zip(found.polygons, found.classes.tolist(), strict=True)
    back = rasterio.features.rasterize(shapes, prediction.size, fill=255)
    assert (back == prediction.labels).all()
    assert set(shapely.get_type_id(found.polygons)) == {3}, "polygons, none of several parts"
    assert shapely.is_valid(found.polygons).all()
    assert shapely.coverage_is_valid(found.polygons)
    assert (shapely.area(found.polygons) == found.pixels).all()
    # The same regions by another library.
    ids = measure.label(prediction.labels, background=255, connectivity=1)
    expected = measure.regionprops(ids, prediction.confidence.astype(np.float64))  # type: ignore[union-attr]
    sums = sorted(zip(found.pixels.tolist(), found.confidence.round(6).tolist(), strict=True))
    assert sums == sorted((int(one.area), round(one.intensity_mean * one.area, 6)) for one in expected)


@pytest.mark.parametrize("block", [16, 2048])
@pytest.mark.parametrize("draw", [noise, smooth])
def test_simplified_regions_leave_no_gap(draw: Any, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polygons, "BLOCK", block)
    prediction = result_of(draw(), None).prediction
    exact, simple = every(prediction, 0), every(prediction, 2)
    assert len(exact) == len(simple)
    assert shapely.is_valid(simple.polygons).all()
    assert shapely.coverage_is_valid(simple.polygons)
    # Lines towards pixels without data move, too.
    moved = shapely.area(simple.polygons).sum() - exact.pixels.sum()
    assert moved == 0 if draw is smooth else abs(moved) < 10
    assert (simple.pixels == exact.pixels).all()
    assert shapely.total_bounds(simple.polygons).tolist() == shapely.total_bounds(exact.polygons).tolist()
    if draw is smooth:
        points = [shapely.get_num_coordinates(one.polygons).sum() for one in (simple, exact)]
        assert points[0] < 0.4 * points[1]
        distances = shapely.hausdorff_distance(simple.polygons, exact.polygons)
        assert np.median(distances) < 1.5
        assert distances.max() < 2.5


def test_large_maps_are_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    prediction = result_of(smooth(), None).prediction

    def shapes() -> set[tuple[int, bytes]]:
        found = every(prediction, 0)
        # Without the points that seams leave on straight lines.
        plain = shapely.normalize(shapely.simplify(found.polygons, 0))
        return set(zip(found.classes.tolist(), shapely.to_wkb(plain), strict=True))

    whole = shapes()
    monkeypatch.setattr(polygons, "BLOCK", 32)
    assert {one for one, _ in shapes()} == {one for one, _ in whole}
    assert len(shapes() & whole) >= 0.8 * len(whole), "some begin at another point"


@PLACES
@pytest.mark.parametrize("name", VECTORS)
def test_polygons_in_files(name: str, place: Place | None, tmp_path: Path) -> None:
    labels = noise()
    result = result_of(labels, place)
    path = write(name, result, tmp_path, simplify=0)
    info = pyogrio.read_info(path, force_total_bounds=True)
    assert info["layer_name"] == "regions"
    _, _, shapes, values = pyogrio.raw.read(path)
    known = dict(zip(info["fields"], values, strict=True))
    unit = "area_px" if place is None or not place.crs else "area_m2"
    assert list(known) == ["class", "class_index", "pixels", unit, "mean_confidence"]
    assert [CLASSES.names[index] for index in known["class_index"]] == known["class"].tolist()
    assert known["pixels"].sum() == (labels != 255).sum()
    inside = labels != 255
    mean = result.prediction.confidence[inside].mean(dtype=np.float64)  # type: ignore[index]
    assert np.average(known["mean_confidence"], weights=known["pixels"]) == pytest.approx(mean, abs=1e-4)
    if place in (None, NAMELESS) or place is UTM:
        pixel = 1 if unit == "area_px" else 0.25
        assert known[unit] == pytest.approx(known["pixels"] * pixel)
    drawn = shapely.from_wkb(shapes)
    if name == "geojson":
        content = json.loads(path.read_text(encoding="utf-8"))
        assert "crs" not in content
        if place is None or not place.crs:
            assert content["coordinates"] == "pixels"
            assert "Coordinates are pixels" in content["description"]
            place = None
        else:
            assert "coordinates" not in content
            return
    elif place is not None and place.crs:
        assert rasterio.CRS.from_user_input(info["crs"]) == rasterio.CRS.from_wkt(place.crs)
    else:
        assert info["crs"] is None
    transform = rasterio.Affine(*(place.transform if place else (1, 0, 0, 0, 1, 0)))
    shapes = zip(drawn, known["class_index"].tolist(), strict=True)
    assert (rasterio.features.rasterize(shapes, labels.shape, 255, transform=transform) == labels).all()


def rings(geometry: dict[str, Any]) -> Iterator[tuple[bool, NDArray[np.float64]]]:
    """(Whether it is the outer one, its points) of each ring of a GeoJSON geometry."""
    parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    for part in parts:
        yield from ((number == 0, np.array(ring)) for number, ring in enumerate(part))


def test_geojson_is_that_of_the_standard(tmp_path: Path) -> None:
    result = result_of(noise(), UTM)
    content = json.loads(write("geojson", result, tmp_path, simplify=0).read_text(encoding="utf-8"))
    to_utm = pyproj.Transformer.from_crs(4326, 32632, always_xy=True)
    a, _, c, _, e, f = UTM.transform
    holes = 0
    for feature in content["features"]:
        for outer, ring in rings(feature["geometry"]):
            assert (ring[0] == ring[-1]).all()
            x, y = (ring - ring[0]).T
            area = (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2
            assert (area > 0) == outer, "outer rings run counterclockwise, holes clockwise"
            holes += not outer
            corners = (np.stack(to_utm.transform(*ring.T), axis=1) - (c, f)) / (a, e)
            assert np.abs(corners - corners.round()).max() < 0.02, "seven digits are a centimetre"
            assert (np.round(ring, 7) == ring).all()
    assert holes > 3


def test_geojson_is_cut_at_the_antimeridian(tmp_path: Path) -> None:
    labels = np.ones((20, 40), np.uint8)
    for crs, transform in (
        ("EPSG:4326", (1e-3, 0.0, 179.98, 0.0, -1e-3, -17.0)),
        ("EPSG:3832", (1.0, 0, 3339570.0, 0, -1.0, -2e6)),
    ):
        place = Place(rasterio.CRS.from_user_input(crs).to_wkt(version="WKT2_2019"), transform)
        path = write("geojson", result_of(labels, place), tmp_path)
        (feature,) = json.loads(path.read_text())["features"]
        points = np.concatenate([ring for _, ring in rings(feature["geometry"])])
        assert feature["geometry"]["type"] == "MultiPolygon"
        assert (np.abs(points[:, 0]) > 179.9).all()
        assert (np.abs(points[:, 0]) <= 180).all()
        geod = pyproj.Geod(ellps="WGS84")
        expected = abs(geod.geometry_area_perimeter(shapely.from_geojson(json.dumps(feature["geometry"])))[0])
        assert feature["properties"]["area_m2"] == pytest.approx(expected, rel=0.01)
        path.unlink()


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:4326", (1e-3, 2e-4, 179.95, 2e-4, -1e-3, 66.0)),
        ("EPSG:4807", (1e-4, 0.0, 8.0, 0.0, -1e-4, 52.0)),  # grads from Paris
        ("EPSG:3857", (10.0, 0.0, 9e5, 0.0, -10.0, 6.1e6)),  # whose plane is wrong by 2
        ("EPSG:2263", (1.0, 0.0, 9.8e5, 0.0, -1.0, 2e5)),  # feet
        ("EPSG:2056", (0.1, 0.0, 2.6e6, 0.0, -0.1, 1.2e6)),
    ],
)
def test_areas_are_in_square_metres(crs: str, transform: tuple[float, ...], tmp_path: Path) -> None:
    place = Place(rasterio.CRS.from_user_input(crs).to_wkt(version="WKT2_2019"), transform)  # type: ignore[arg-type]
    path = write("geopackage", result_of(smooth(), place), tmp_path, simplify=0)
    _, _, shapes, values = pyogrio.raw.read(path)
    onto = pyproj.Transformer.from_crs(crs, pyproj.CRS(crs).geodetic_crs, always_xy=True)
    radians = pyproj.CRS(crs).geodetic_crs.axis_info[0].unit_conversion_factor
    geod = pyproj.CRS(crs).get_geod()
    for shape, area in zip(shapely.from_wkb(shapes), values[3], strict=True):
        short = shapely.segmentize(shape, abs(transform[0]))
        lonlat = shapely.transform(short, lambda xy: np.degrees(np.stack(onto.transform(*xy.T), 1) * radians))
        expected = abs(geod.geometry_area_perimeter(lonlat)[0])
        # The plane of a national grid is taken as it is; long slanting lines are not the same in all planes.
        assert area == pytest.approx(
            expected, rel={"EPSG:4807": 1e-6, "EPSG:3857": 1e-6, "EPSG:4326": 1e-4}.get(crs, 1e-3)
        )


@pytest.mark.parametrize("name", VECTORS)
def test_what_is_left_out_is_counted(name: str, tmp_path: Path) -> None:
    labels = noise()
    whole = every(result_of(labels, None).prediction, 0)
    kept = whole.classes != 0
    small = kept & (whole.pixels < 4)
    path = write(name, result_of(labels, UTM), tmp_path, smallest=4, without=["ground"])
    info = pyogrio.read_info(path)
    about = info["layer_metadata"]["DESCRIPTION"]
    assert f"less than 4 pixels are left out: {small.sum()}, {whole.pixels[small].sum()} pixels in all." in about
    assert "Classes that are left out: ground." in about
    assert info["features"] == (kept & ~small).sum()


@pytest.mark.parametrize("name", VECTORS)
def test_an_image_without_data_has_no_region(name: str, tmp_path: Path) -> None:
    path = write(name, result_of(np.full((5, 6), 255, np.uint8), WGS84), tmp_path)
    info = pyogrio.read_info(path, force_feature_count=True)
    assert info["features"] == 0
    assert name == "geojson" or list(info["fields"]) == ["class", "class_index", "pixels", "area_m2", "mean_confidence"]


def test_a_geopackage_has_the_colours_of_its_classes(tmp_path: Path) -> None:
    """Where QGIS looks for them; `tests/peers/test_qgis.py` asks QGIS itself."""
    path = write("geopackage", result_of(noise(), UTM), tmp_path)
    with closing(sqlite3.connect(path)) as file:
        ((layer, default, style),) = file.execute("SELECT f_table_name, useAsDefault, styleQML FROM layer_styles")
    assert (layer, default) == ("regions", 1)
    root = ElementTree.fromstring(style)
    fills = {symbol.get("name"): symbol.find("layer/prop[@k='color']").get("v") for symbol in root.iter("symbol")}  # type: ignore[union-attr]
    colors = {one.get("value"): fills[one.get("symbol")] for one in root.iter("category")}
    assert colors == {"ground": "32,32,32,255", "Wärme & Wasser": "230,159,0,255", "disc": "86,180,233,255"}


@pytest.mark.parametrize("name", TIFFS + VECTORS)
def test_names_are_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To some of the libraries, what is behind a `!` is a file in an archive."""
    monkeypatch.chdir(tmp_path)
    folder = Path("x.zip!y?z#", "new\nline") if sys.platform != "win32" else Path("x.zip!y#")
    folder.mkdir(parents=True)
    writer = get_writer(name)
    writer.write(result_of(noise(), UTM), folder / f"a!b{writer.suffix}")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / folder / f"a!b{writer.suffix}"]


def test_wrong_options() -> None:
    with pytest.raises(ConfigError, match=r"field 'geojson.without': 'grund' is not a class. Did you mean 'ground'?"):
        get_writer("geojson", {"without": ["grund"]}).check(CLASSES)
    with pytest.raises(ConfigError, match=r"geojson\.simplify.*greater than or equal to 0"):
        get_writer("geojson", {"simplify": -1})


def test_a_missing_library_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from pointillist.inference.writers import base

    monkeypatch.setattr(base, "find_spec", lambda name: None if name == "shapely" else name)
    get_writer("geotiff")
    with pytest.raises(ConfigError, match=r"'geojson' needs shapely.*pip install 'pointillist\[geo\]'"):
        get_writer("geojson")


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file may be larger than this, which to a program is much like a full disk."""
    resource = pytest.importorskip("resource")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
@pytest.mark.parametrize("name", TIFFS + VECTORS)
def test_a_full_disk_leaves_nothing_half_written(name: str, tmp_path: Path) -> None:
    result = result_of(noise(), UTM)
    path = write(name, result, tmp_path)
    whole = path.stat().st_size
    path.write_bytes(b"old")
    # Also so near to the end that only what is written as the file is closed is lost, of which GDAL says nothing.
    for size in (10, whole // 2, whole - 3000, whole - 20, whole - 2):
        with full_disk(size), pytest.raises(SaveError, match="could not be written"):
            get_writer(name).write(result, path)
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]


def test_predictions_lie_where_the_image_lies(cli: Cli, tmp_path: Path) -> None:
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    crs, transform = rasterio.CRS.from_wkt(UTM.crs), rasterio.Affine(*UTM.transform)
    with rasterio.open(images / "a.tif", "w", "GTiff", 20, 10, 3, crs, transform, "uint8", photometric="RGB") as file:
        file.write(np.random.default_rng(0).integers(0, 255, (3, 10, 20)).astype(np.uint8))
    done = cli("predict", OLD / "run", images, "--out", out, "--device", "cpu", "--write", "png,geotiff,geopackage")
    assert done.code == 0, done.err
    with rasterio.open(out / "a.tif") as file, Image.open(out / "a.png") as png:
        assert (file.crs, file.transform) == (crs, transform)
        assert (file.read(1) == np.asarray(png)).all()
    assert pyogrio.read_info(out / "a.gpkg")["crs"] == "EPSG:32632"
    assert pyogrio.raw.read(out / "a.gpkg")[3][3].sum() == pytest.approx(20 * 10 * 0.25)
