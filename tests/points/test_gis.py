"""Clicks with positions on the earth: the right pixels, from files written by GDAL and by hand, also hostile ones."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointillist.classes import ClassSet
from pointillist.data.dataset import Dataset
from pointillist.data.dataset_file import write_dataset_file
from pointillist.data.label_files import convert_points, export_points
from pointillist.data.layouts import load_dataset
from pointillist.errors import PointsError, PointsWarning
from pointillist.points.check import Reason
from pointillist.points.formats import get_format, recognise_format
from pointillist.points.questions import COLUMNS
from tests.points.test_known_values import QUPATH

GEO = "the extra 'geo' is not installed"
rasterio = pytest.importorskip("rasterio", reason=GEO)
shapely = pytest.importorskip("shapely", reason=GEO)
pyogrio = pytest.importorskip("pyogrio", reason=GEO)
warp = pytest.importorskip("rasterio.warp", reason=GEO)

# Five centimetres a pixel, turned by a few degrees.
TRANSFORM = rasterio.Affine(0.05, 0.004, 691000.0, 0.004, -0.05, 5335000.0)
PIXELS = np.array([[0.25, 0.75], [79.5, 39.5], [12.125, 33.0], [40.0, 5.5]])
LABELS = ["soil", "berry", "berry", "soil"]


def write_image(path: Path, transform: Any = TRANSFORM, crs: str | None = "EPSG:32632") -> None:
    with rasterio.open(
        path, "w", driver="GTiff", width=80, height=40, count=3, dtype="uint8", crs=crs, transform=transform
    ) as file:
        file.write(np.full((3, 40, 80), 90, np.uint8))


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """A data set of one image on a map."""
    (tmp_path / "data/images").mkdir(parents=True)
    write_image(tmp_path / "data/images/a.tif")
    write_dataset_file(tmp_path / "data/dataset.yaml", ClassSet.create(["soil", "berry"]))
    return load_dataset(tmp_path / "data")


def at(crs: str, pixels: np.ndarray = PIXELS) -> np.ndarray:
    """Where pixels lie in a coordinate system, easting or longitude first."""
    x, y = TRANSFORM @ pixels.T
    return np.stack(warp.transform("EPSG:32632", crs, x, y), axis=1)


def geojson(crs: str, name: str | None = None) -> dict[str, Any]:
    """Clicks as a GIS writes them."""
    features: list[Any] = [
        {"type": "Feature", "properties": {"class": label}, "geometry": {"type": "Point", "coordinates": [*xy, 512.0]}}
        for label, xy in zip(LABELS, at(crs).tolist(), strict=True)
    ]
    member = {} if name is None else {"crs": {"type": "name", "properties": {"name": name}}}
    return {"type": "FeatureCollection", "name": "clicks", **member, "features": features}


def write_by_gdal(path: Path, crs: str | None, field: str = "class", values: Any = LABELS, **options: Any) -> Path:
    xy = at(crs or "EPSG:32632")
    shapes = shapely.to_wkb(shapely.points(xy))
    column = np.array(values, dtype=object if isinstance(values[0], str | None) else None)
    driver = {".gpkg": "GPKG", ".fgb": "FlatGeobuf"}[path.suffix]
    pyogrio.raw.write(path, shapes, [column], [field], driver=driver, crs=crs, geometry_type="Point", **options)
    return path


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def make(kind: str, path: Path) -> Path:
    if kind == "wgs84":
        return write_json(path / "clicks.geojson", geojson("EPSG:4326"))
    if kind == "qgis wgs84":
        return write_json(path / "clicks.geojson", geojson("EPSG:4326", "urn:ogc:def:crs:OGC:1.3:CRS84"))
    if kind == "old wgs84":
        return write_json(path / "clicks.json", geojson("EPSG:4326", "urn:ogc:def:crs:EPSG::4326"))
    if kind == "qgis next zone":
        return write_json(path / "clicks.geojson", geojson("EPSG:32633", "urn:ogc:def:crs:EPSG::32633"))
    if kind == "latitude first":
        return write_by_gdal(path / "clicks.gpkg", "EPSG:4326")
    if kind == "own zone":
        return write_by_gdal(path / "clicks.gpkg", "EPSG:32632")
    if kind == "no code":
        return write_by_gdal(path / "clicks.gpkg", "+proj=tmerc +lat_0=48 +lon_0=11.3 +x_0=5000 +datum=WGS84")
    return write_by_gdal(path / "clicks.fgb", "EPSG:3857")


KINDS = ("wgs84", "qgis wgs84", "old wgs84", "qgis next zone", "latitude first", "own zone", "no code", "mercator")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_place_is_the_same_pixel_in_any_coordinate_system(data: Dataset, tmp_path: Path, kind: str) -> None:
    file = make(kind, tmp_path)
    assert recognise_format(file).name == "gis"
    read = data.with_points(file)
    assert sorted(point.label for point in read.points) == sorted(LABELS)
    for point in read.points:
        near = np.abs(PIXELS - (point.x, point.y)).max(1)
        assert near.min() < 1e-3
        assert LABELS[int(near.argmin())] == point.label


@pytest.mark.parametrize("ending", [".gpkg", ".geojson", ".fgb"])
def test_what_is_written_is_read_by_gdal_and_comes_back(data: Dataset, tmp_path: Path, ending: str) -> None:
    data = data.with_points(make("wgs84", tmp_path))
    out = tmp_path / f"out{ending}"
    export_points(data, out, "gis")
    about, _, shapes, _ = pyogrio.raw.read(out)
    crs = "EPSG:4326" if ending == ".geojson" else "EPSG:32632"
    assert rasterio.CRS.from_user_input(about["crs"]).to_epsg() == int(crs[5:])
    xy = shapely.get_coordinates(shapely.from_wkb(shapes))
    assert np.allclose(sorted(xy.tolist()), sorted(at(crs).tolist()), rtol=0, atol=1e-10 if crs[-1] == "6" else 1e-6)
    back = data.with_points(out).points
    order = [sorted((p.label, p.x, p.y) for p in table) for table in (data.points, back)]
    for one, other in zip(*order, strict=True):
        assert one[0] == other[0]
        assert np.allclose(one[1:], other[1:], rtol=0, atol=1e-6)
    with pytest.raises(PointsError, match=r"Choose one of \.gpkg"):
        export_points(data, tmp_path / "out.shp", "gis")


@pytest.mark.parametrize("ending", [".gpkg", ".geojson", ".fgb"])
def test_questions_are_fields_that_gdal_reads(data: Dataset, tmp_path: Path, ending: str) -> None:
    file = tmp_path / "points.csv"
    file.write_text(
        "image,x,y,class,source,inclusion,answer,seconds\n"
        "a.tif,0.25,0.75,soil,,,,\n"
        "a.tif,12.125,33,berry,question,0.25,,1.4\n"
        "a.tif,40,5.5,,question,0.25,border,\n"
    )
    data = data.with_points(file)
    out = tmp_path / f"out{ending}"
    export_points(data, out, "gis")
    about, _, _, values = pyogrio.raw.read(out)
    rows = [dict(zip(about["fields"].tolist(), row, strict=True)) for row in zip(*values, strict=True)]
    filled = [{name: value for name, value in row.items() if value} for row in rows]
    question = {"image": "a.tif", "source": "question", "inclusion": "0.25"}
    # A FlatGeobuf has its own order.
    assert sorted(filled, key=len) == [
        {"class": "soil", "image": "a.tif"},
        {**question, "answer": "border"},
        {**question, "class": "berry", "seconds": "1.4"},
    ]
    back = data.with_points(out).points
    tables = [{(p.label, *(p.extra.get(name) or "" for name in COLUMNS)) for p in t.rows} for t in (data.points, back)]
    assert tables[0] == tables[1]
    assert len(back.unnamed) == 1


@pytest.mark.parametrize("ending", [".gpkg", ".fgb"])
def test_numbers_of_a_gis_are_read_as_columns(data: Dataset, tmp_path: Path, ending: str) -> None:
    columns = [
        np.array(["soil", None], dtype=object),
        np.array(["question", "question"], dtype=object),
        np.array([0.25, 0.5]),
        np.array([2.5, np.nan]),
    ]
    shapes = shapely.to_wkb(shapely.points(at("EPSG:32632")[:2]))
    driver = {".gpkg": "GPKG", ".fgb": "FlatGeobuf"}[ending]
    fields = ["class", "source", "inclusion", "seconds"]
    out = tmp_path / f"a{ending}"
    pyogrio.raw.write(out, shapes, columns, fields, driver=driver, crs="EPSG:32632", geometry_type="Point")
    points = data.with_points(out).points
    (named,), (unnamed,) = points, points.unnamed
    assert dict(named.extra) == {"source": "question", "inclusion": "0.25", "seconds": "2.5"}
    assert dict(unnamed.extra) == {"source": "question", "inclusion": "0.5"}


@pytest.mark.usefixtures("data")
def test_every_click_is_accounted_for(tmp_path: Path) -> None:
    # Overlaps the right half of the other image.
    write_image(tmp_path / "data/images/b.tif", TRANSFORM @ rasterio.Affine.translation(40, 0))
    # Of images that do not say where they lie nothing can be said.
    write_image(tmp_path / "data/images/c.tif", crs=None)
    content = geojson("EPSG:4326")
    polygon = {"type": "Polygon", "coordinates": [[[11, 48], [12, 48], [11, 49], [11, 48]]]}
    far = {"type": "MultiPoint", "coordinates": [[11.0, 48.0], [-170.0, -80.0]]}
    content["features"] += [
        {"type": "Feature", "properties": {"class": "soil"}, "geometry": polygon},
        {"type": "Feature", "properties": {"class": "soil"}, "geometry": None},
        {"type": "Feature", "properties": {"class": None}, "geometry": content["features"][0]["geometry"]},
        {"type": "Feature", "properties": {"class": "soil"}, "geometry": far},
    ]
    file = write_json(tmp_path / "clicks.geojson", content)
    with pytest.warns(PointsWarning, match="2 of its points count in each image"):
        checked = load_dataset(tmp_path / "data").with_points(file).checked
    assert [len(checked.points.of(name)) for name in ("a.tif", "b.tif", "c.tif")] == [4, 2, 0]
    assert checked.reasons() == {Reason.OUTSIDE: 2}
    assert [(r.point.x, r.point.y) for r in checked.rejections] == [(11.0, 48.0), (-170.0, -80.0)]
    assert checked.rejections[0].point.place == "clicks.geojson, features[7].geometry.coordinates[0]"
    assert checked.skipped == {"Polygon": 1, "feature without a geometry": 1, "point without a class": 1}
    # Without a data set as well.
    with pytest.warns(PointsWarning):
        found, _ = convert_points(file, tmp_path / "points.csv", "csv", images=tmp_path / "data/images")
    assert (len(found.points), found.reasons()) == (6, checked.reasons())


def test_the_field_of_the_class(data: Dataset, tmp_path: Path) -> None:
    numbered = write_by_gdal(tmp_path / "a.gpkg", "EPSG:32632", "kind", np.array([1, 2, 2, 1]))
    with pytest.raises(PointsError, match="no field names the class; there are 'fid' and 'kind'") as caught:
        data.with_points(numbered)
    assert "class_field" in caught.value.hint
    with pytest.raises(PointsError, match="there is no field 'king'"):
        data.with_points(numbered, options={"class_field": "king"})
    read = data.with_points(numbered, options={"class_field": "kind"}, rename={"1": "soil", "2": "berry"})
    assert read.points.counts() == {"soil": 2, "berry": 2}
    content = geojson("EPSG:4326")
    for feature in content["features"]:
        feature["properties"] = {"Name": "x", "Label": feature["properties"]["class"]}
    assert len(data.with_points(write_json(tmp_path / "b.geojson", content)).points) == 4, "label before name, any case"
    content["features"][2]["properties"]["Label"] = ["berry"]
    with pytest.raises(PointsError, match="no name of a class") as caught:
        data.with_points(write_json(tmp_path / "c.geojson", content))
    assert caught.value.field == "features[2].properties.Label"


def test_the_layer_of_a_geopackage(data: Dataset, tmp_path: Path) -> None:
    file = write_by_gdal(tmp_path / "a.gpkg", "EPSG:32632", layer="clicks")
    write_by_gdal(file, "EPSG:4326", values=["soil"] * 4, layer="others", append=True)
    with pytest.raises(PointsError, match="has the layers 'clicks' and 'others'"):
        data.with_points(file)
    with pytest.raises(PointsError, match="no layer 'click'"):
        data.with_points(file, options={"layer": "click"})
    assert data.with_points(file, options={"layer": "others"}).points.counts() == {"soil": 4}


def test_pixels_are_told_from_places(tmp_path: Path) -> None:
    def name(content: Any) -> str:
        return recognise_format(write_json(tmp_path / "a.geojson", content)).name

    def one(properties: Any, xy: list[float], **more: Any) -> dict[str, Any]:
        point = {"type": "Point", "coordinates": xy}
        return {"type": "Feature", "geometry": point, "properties": properties, **more}

    assert name(QUPATH) == name(QUPATH["features"]) == "qupath"
    assert name(one({"isLocked": False, "measurements": []}, [5, 6], id="PathAnnotationObject")) == "qupath"
    assert name(one({}, [1500.5, 20])) == "qupath", "no longitude"
    assert name({"type": "FeatureCollection", "features": []}) == "qupath", "as before"
    assert name({"type": "FeatureCollection", "coordinates": "pixels", "features": [one({}, [5, 6])]}) == "qupath"
    assert name(one({"class": "a"}, [11.5, 48])) == "gis"
    assert name(one({"classification": "a"}, [11.5, 48])) == "gis"
    assert name(geojson("EPSG:32632", "urn:ogc:def:crs:EPSG::32632")) == "gis"
    # Found out late, it is said.
    late = {"type": "FeatureCollection", "features": [one({"class": "a"}, [300, 20])]}
    with pytest.raises(PointsError, match="no longitudes and latitudes") as caught:
        convert_points(write_json(tmp_path / "a.geojson", late), tmp_path / "b.csv", "csv", source="gis")
    assert "qupath" in caught.value.hint


def vrt(path: Path) -> None:
    other = write_by_gdal(path.with_name("other.gpkg"), "EPSG:32632", layer="other")
    layer = f'<OGRVRTLayer name="other"><SrcDataSource>{other}</SrcDataSource></OGRVRTLayer>'
    path.write_text(f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>")
    assert len(pyogrio.raw.read(path)[2]) == 4, "GDAL follows it"


def behind(magic: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        vrt(path)
        path.write_bytes(magic + path.read_bytes())

    return write


def sql(*commands: str) -> Callable[[Path], None]:
    """A GeoPackage in which somebody did something."""

    def write(path: Path) -> None:
        write_by_gdal(path, "EPSG:32632", layer="clicks")
        with sqlite3.connect(path) as database:
            # The triggers of the index call functions that only GDAL has.
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                database.execute(f'DROP TRIGGER "{name}"')
            for command in commands:
                database.execute(command)
        database.close()

    return write


def torn(path: Path) -> None:
    """A letter of a command is no text; what SQLite says of it quotes it."""
    sql()(path)
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE gpkg_contents", b"CREA\xa6E TABLE gpkg_contents"))


VIEW = ("ALTER TABLE clicks RENAME TO hidden", "CREATE VIEW clicks AS SELECT * FROM hidden")
CONTENTS = ("ALTER TABLE gpkg_contents RENAME TO hidden", "CREATE VIEW gpkg_contents AS SELECT * FROM hidden")
VIRTUAL = ("DROP TABLE clicks", "CREATE VIRTUAL TABLE clicks USING rtree(geom, class, fid)")
COMPUTED = ("ALTER TABLE clicks ADD COLUMN label TEXT AS (upper(class))",)
SYSTEM = "UPDATE gpkg_spatial_ref_sys SET organization = 'NONE', definition = '{}' WHERE srs_id = 32632"
GRID = 'COORDINATEOPERATION["a",METHOD["NTv2"],PARAMETERFILE["Latitude and longitude difference file","/etc/passwd"]]'


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("a.gpkg", vrt, "is no GeoPackage, whatever its name says"),
        ("a.fgb", vrt, "is no FlatGeobuf, whatever its name says"),
        ("a.gpkg", behind(b"SQLite format 3\0"), "is no readable GeoPackage"),
        ("a.fgb", behind(b"fgb\3fgb\0"), "is no readable FlatGeobuf"),
        ("a.gpkg", torn, "is no readable GeoPackage"),
        ("a.gpkg", sql(*VIEW), "is a view; only plain tables"),
        ("a.gpkg", sql(*CONTENTS), "is no readable GeoPackage"),
        ("a.gpkg", sql(*VIRTUAL), "is a virtual table; only plain tables"),
        ("a.gpkg", sql(*COMPUTED), "has computed columns; only plain tables"),
        ("a.gpkg", sql("DELETE FROM gpkg_geometry_columns"), "has no layer of features"),
        ("a.gpkg", sql(SYSTEM.format("undefined")), "does not say in which coordinate system"),
        ("a.gpkg", sql(SYSTEM.format("PROJCS[nonsense")), "coordinate system is not known"),
        ("a.gpkg", sql(SYSTEM.format(GRID)), "names a file"),
    ],
    ids=lambda value: value[:30].replace(" ", "-") if isinstance(value, str) else None,
)
def test_files_of_strangers(
    data: Dataset, tmp_path: Path, name: str, write: Callable[[Path], None], words: str
) -> None:
    file = tmp_path / name
    write(file)
    with pytest.raises(PointsError, match=words) as caught:
        data.with_points(file, "gis")
    assert caught.value.where == str(file)
    if write is vrt:
        with pytest.raises(PointsError, match="no known label format"):
            recognise_format(file)


@pytest.mark.parametrize(
    ("crs", "words"),
    [
        ({"type": "link", "properties": {"href": "http://example.com/crs"}}, "no name of a coordinate system"),
        ({"type": "name", "properties": {"name": "+proj=utm +nadgrids=/etc/passwd"}}, "no name of a coordinate system"),
        ({"type": "name", "properties": {"name": "EPSG:99999999"}}, "coordinate system is not known"),
        ({"type": "name", "properties": {"name": "IAU_2015:30100"}}, "nothing leads from its coordinate system"),
    ],
)
def test_coordinate_systems_that_cannot_be_used(data: Dataset, tmp_path: Path, crs: Any, words: str) -> None:
    with pytest.raises(PointsError, match=words):
        data.with_points(write_json(tmp_path / "a.geojson", geojson("EPSG:4326") | {"crs": crs}), "gis")


def test_what_a_gis_has_saved_while_the_file_is_open_counts(data: Dataset, tmp_path: Path) -> None:
    file = write_by_gdal(tmp_path / "a.gpkg", "EPSG:32632", layer="clicks")
    sql_open = sqlite3.connect(file)
    sql_open.execute("PRAGMA journal_mode = WAL")
    for (name,) in sql_open.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        sql_open.execute(f'DROP TRIGGER "{name}"')
    sql_open.execute("UPDATE clicks SET class = 'soil'")
    sql_open.commit()
    assert data.with_points(file).points.counts() == {"soil": 4}
    sql_open.close()


@pytest.mark.usefixtures("data")
def test_images_without_a_place_and_no_images(tmp_path: Path) -> None:
    file = make("own zone", tmp_path)
    with pytest.raises(PointsError, match="only where the images are known"):
        get_format("gis").read(file)
    shutil.rmtree(tmp_path / "data/images")
    (tmp_path / "data/images").mkdir()
    write_image(tmp_path / "data/images/a.tif", crs=None)
    here = load_dataset(tmp_path / "data")
    with pytest.raises(PointsError, match=r"'a\.tif' does not say where on the earth it lies"):
        here.with_points(file)
    with pytest.raises(PointsError, match=r"'a\.tif' does not say"):
        (tmp_path / "p.csv").write_text("image,x,y,class\na.tif,3,3,soil\n")
        export_points(here.with_points(tmp_path / "p.csv"), tmp_path / "out.gpkg", "gis")
