"""From clicks of a GIS to a map in one command, read back by GDAL, and what users get wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from pointillist.annotator.folder import open_folder
from pointillist.data.layouts import load_dataset
from pointillist.inference.predictor import Predictor
from tests.conftest import CLASSES, TINY_FLAGS, Cli, draw_tiny

GEO = "the extra 'geo' is not installed"
rasterio = pytest.importorskip("rasterio", reason=GEO)
pyogrio = pytest.importorskip("pyogrio", reason=GEO)
shapely = pytest.importorskip("shapely", reason=GEO)
warp = pytest.importorskip("rasterio.warp", reason=GEO)

TRANSFORM = rasterio.Affine(0.5, 0.0, 691000.0, 0.0, -0.5, 5335000.0)
FLAGS = [*TINY_FLAGS[TINY_FLAGS.index("--set") :], "--set", "trainer.epochs=2", "--set", "trainer.batch_size=2"]


def write_tile(path: Path, crs: str | None = "EPSG:32632", suffix: str = ".tif") -> Path:
    image, _, _ = draw_tiny(3)
    with rasterio.open(
        path / f"tile{suffix}",
        "w",
        driver="GTiff",
        width=64,
        height=48,
        count=3,
        dtype="uint8",
        crs=crs,
        transform=TRANSFORM if crs else None,
    ) as file:
        file.write(image.transpose(2, 0, 1))
    return path / f"tile{suffix}"


def write_clicks(path: Path, classes: tuple[str, ...] = CLASSES.names) -> Path:
    """In WGS 84, one of them far away."""
    _, _, clicks = draw_tiny(3)
    features: list[dict[str, Any]] = [
        {"type": "Feature", "properties": {"class": "disc"}, "geometry": {"type": "Point", "coordinates": [11, 48]}}
    ]
    for x, y, label in clicks:
        if CLASSES.names[label] in classes:
            (lon,), (lat,) = warp.transform("EPSG:32632", "EPSG:4326", *([v] for v in TRANSFORM @ (x, y)))
            point = {"type": "Point", "coordinates": [lon, lat]}
            features.append({"type": "Feature", "properties": {"class": CLASSES.names[label]}, "geometry": point})
    (path / "clicks.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path / "clicks.geojson"


def learnt(run: Path) -> list[str]:
    """Classes of a model."""
    return [entry["name"] for entry in json.loads((run / "model/model.json").read_text())["classes"]]


def test_from_clicks_to_polygons(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tile, clicks = write_tile(tmp_path), write_clicks(tmp_path)
    command = ("map", tile, "--points", clicks, "--out", "result.gpkg")
    done = cli(*command, "--device", "cpu", *FLAGS)
    assert done.code == 0, done.err
    assert "3 of 4 clicks are used: 1 disc, 1 ground, 1 square" in done.out
    assert "left out 1 × outside image, for example (11, 48) lies in none of the images." in done.out

    run = Path("runs/tile")
    labels, names = Predictor(run, "cpu")(tile), learnt(run)
    assert names == ["disc", "ground", "square"]
    about, _, shapes, fields = pyogrio.raw.read("result.gpkg")
    assert about["crs"] == "EPSG:32632"
    polygons, table = shapely.from_wkb(shapes), dict(zip(about["fields"].tolist(), fields, strict=True))
    for index, name in enumerate(names):
        own = int((labels == index).sum())
        assert table["pixels"][table["class"] == name].sum() == own
        shown = next((line for line in done.out.splitlines() if f"│ {name} " in line), "")
        assert f"{own / 4:,.0f} │ {own / labels.size:.1%}".replace(" ", "") in shown.replace(" ", "")
    assert shapely.total_bounds(polygons) == pytest.approx((691000, 5334976, 691032, 5335000))
    with Image.open("result.jpg") as picture:
        assert 600 <= max(picture.size) <= 2000

    # Nothing is replaced unless it is said, and then everything.
    assert "result.gpkg" in cli(*command).err
    assert "holds a run already" in cli("map", tile, "--points", clicks, "--out", "other.gpkg").err
    done = cli("map", tile, "--points", clicks, "--out", "labels.tif", "--resume", "--device", "cpu", *FLAGS)
    assert done.code == 0, done.err
    with rasterio.open("labels.tif") as file:
        assert (file.read(1) == labels).all()

    # The data set in the run is one like any other.
    assert cli("train", "--resume", "--out", run).code == 0
    assert yaml.safe_load((run / "config.yaml").read_text())["dataset"]["path"] == str(tmp_path / run / "data")
    data = load_dataset(run / "data")
    assert (len(data.items), len(data.points), data.classes.policy) == (1, 3, "none")
    assert open_folder(run / "data").image("tile.tif").is_file()
    assert cli("data", "check", run / "data").code == 0
    write_clicks(tmp_path, ("ground", "square"))
    assert "clicks have changed" in cli("map", tile, "--points", clicks, "--out", "new.gpkg", "--resume").err
    assert cli(*command, "--overwrite", "--device", "cpu", *FLAGS).code == 0
    assert learnt(run) == ["ground", "square"]


def test_ctrl_c_says_how_to_go_on(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    command = ("map", write_tile(tmp_path), "--points", write_clicks(tmp_path), "--out", "result.fgb")
    with monkeypatch.context() as patch:
        patch.setattr("pointillist.maps.train_config", stop)
        done = cli(*command)
    assert done.code == 130
    assert "go on with the same command and --resume" in done.err
    assert not Path("result.fgb").exists()
    assert cli(*command, "--resume", "--device", "cpu", *FLAGS).code == 0
    assert len(pyogrio.raw.read("result.fgb")[2])


def test_pixels_will_do(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    image, _, clicks = draw_tiny(3)
    Image.fromarray(image).save("a.png")
    rows = [f"a.png,{x},{y},{CLASSES.names[label]}\n" for x, y, label in clicks]
    Path("clicks.csv").write_text("image,x,y,class\n" + "".join(rows))
    command = ("map", "a.png", "--points", "clicks.csv", "--out", "a.geojson", "--background", "ground")
    done = cli(*command, "--device", "cpu", *FLAGS)
    assert done.code == 0, done.err
    assert "area in px" in done.out
    assert json.loads(Path("a.geojson").read_text())["coordinates"] == "pixels"
    assert learnt(Path("runs/a")) == ["ground", "disc", "square"]
    assert load_dataset("runs/a/data").classes.background == 0


def test_mistakes(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tile, clicks = write_tile(tmp_path), write_clicks(tmp_path)

    def message(*command: str | Path) -> str:
        done = cli("map", *command)
        assert done.code == 2
        return done.err

    assert "Choose one of .gpkg, .geojson, .fgb, .tif." in message(tile, "--points", clicks, "--out", "a.shp")
    assert "Name one image" in message(tmp_path, "--points", clicks, "--out", "a.gpkg")
    assert "no such file" in message(tile, "--points", "nothing.geojson", "--out", "a.gpkg")
    wrong = message(tile, "--points", clicks, "--out", "a.gpkg", "--set", "class_field=kind")
    assert "there is no field 'kind'; there are 'class'" in wrong
    assert "'water' was not clicked" in message(tile, "--points", clicks, "--out", "a.gpkg", "--background", "water")
    one = write_clicks(tmp_path, ("square",))
    one.write_text(one.read_text().replace("disc", "square"))
    told = message(tile, "--points", one, "--out", "a.gpkg")
    assert "'square' is the only class" in told
    assert "such as 'other'" in told
    far = write_clicks(tmp_path, ())
    assert "none of the 1 points fits" in message(tile, "--points", far, "--out", "a.gpkg")
    nowhere = write_tile(tmp_path, None, ".tiff")
    told = message(nowhere, "--points", write_clicks(tmp_path), "--out", "a.gpkg")
    assert "'tile.tiff' does not say where on the earth it lies" in told
    Path("runs/tile").mkdir(parents=True)
    Path("runs/tile/notes.txt").write_text("mine")
    assert "exists and is no run" in message(tile, "--points", clicks, "--out", "a.gpkg")
    assert sorted(path.name for path in Path("runs/tile").iterdir()) == ["notes.txt"]


def test_areas_of_pixels_of_degrees() -> None:
    from pointillist.classes import ClassSet
    from pointillist.data.places import Place
    from pointillist.inference.prediction import Prediction
    from pointillist.inference.writers.base import Result
    from pointillist.maps import areas

    labels = np.full((3000, 1000), 255, np.uint8)
    labels[:1000], labels[2000:] = 0, 1
    place = Place(rasterio.CRS.from_epsg(4326).to_wkt(version="WKT2_2019"), (0.001, 0, 11, 0, -0.001, 60))
    two = ClassSet.create(["north", "south"], policy="none")
    unit, found = areas(Result("a", Prediction(labels), two, place, lambda *_: labels))
    # On a sphere of the same area, a zone has this share of it.
    assert unit == "m²"
    for (north, south), area in zip(((60, 59), (58, 57)), found, strict=True):
        zone = np.radians(1) * 6371007.18**2 * (np.sin(np.radians(north)) - np.sin(np.radians(south)))
        assert area == pytest.approx(zone, rel=0.006)
    assert found[0] < found[1]
