"""Tables of areas and objects: what they say, and that those of all images hold the same."""

from __future__ import annotations

import csv
import importlib.util
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.measure import label as connected
from skimage.measure import regionprops_table

from pointillist.data.places import Place
from pointillist.errors import ConfigError, SaveError
from pointillist.inference.writers import get_writer
from tests.inference.blobs import CLASSES, blobs, confidence_of, result_of, small_strips

pa = pytest.importorskip("pyarrow", reason="the extra 'tables' is not installed")
pyproj = pytest.importorskip("pyproj", reason="the extra 'tables' is not installed")
parquet = pytest.importorskip("pyarrow.parquet")

UTM = Place(pyproj.CRS(32632).to_wkt(), (0.5, 0, 400_000, 0, -0.25, 5_000_000))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def column(rows: list[dict[str, str]], name: str) -> Any:
    return np.array([float(row[name]) if row[name] else np.nan for row in rows])


@pytest.mark.parametrize("seed", range(4))
def test_areas(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_strips(monkeypatch, seed)
    labels = blobs(seed)
    get_writer("areas").write(result_of(labels, place=UTM), tmp_path / "b_areas.csv")
    rows = table(tmp_path / "b_areas.csv")
    assert [row["class"] for row in rows] == list(CLASSES)
    assert [row["image"] for row in rows] == ["a/b.jpg"] * 3
    pixels = np.bincount(labels.ravel(), minlength=256)
    assert np.array_equal(column(rows, "pixels"), pixels[:3])
    np.testing.assert_allclose(column(rows, "share"), pixels[:3] / max(1, pixels[:3].sum()), rtol=1e-12)
    np.testing.assert_allclose(column(rows, "area_m2"), pixels[:3] * 0.125, rtol=1e-12)
    assert column(rows, "no_data").tolist() == [pixels[255]] * 3
    for index, row in enumerate(rows):
        assert int(row["objects"]) == connected(labels == index, connectivity=2).max()
        if pixels[index]:
            mean = confidence_of(labels)[labels == index].mean(dtype=float)
            assert float(row["mean_confidence"]) == pytest.approx(mean, rel=1e-9)


def test_a_class_without_pixels_has_a_row(tmp_path: Path) -> None:
    get_writer("areas").write(result_of(np.array([[0, 255]], np.uint8)), tmp_path / "b_areas.csv")
    last = table(tmp_path / "b_areas.csv")[2]
    empty = {"pixels": "0", "share": "0.0", "area_m2": "", "objects": "0", "mean_confidence": "", "no_data": "1"}
    assert last == {"image": "a/b.jpg", "class": "leaf, green", "class_index": "2", **empty}


@pytest.mark.parametrize("seed", range(4))
def test_objects_have_the_columns_of_scikit_image(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_strips(monkeypatch, seed)
    labels = blobs(seed)
    get_writer("objects").write(result_of(labels, place=UTM), tmp_path / "b_objects.csv")
    rows = table(tmp_path / "b_objects.csv")
    names = ["area", "bbox", "centroid", "perimeter"]
    expected = regionprops_table(connected(np.where(labels == 255, 0, labels), connectivity=2), properties=names)
    keys = ["area", *(f"bbox-{n}" for n in range(4))]
    order, own = np.lexsort([expected[key] for key in keys]), np.lexsort([column(rows, key) for key in keys])
    assert expected["area"].size
    for name, values in expected.items():
        np.testing.assert_allclose(column(rows, name)[own], values[order], rtol=1e-9)
    assert column(rows, "object").tolist() == list(range(1, len(rows) + 1))
    assert "soil" not in {row["class"] for row in rows}
    assert {row["crs"] for row in rows} == {"EPSG:32632"}
    np.testing.assert_allclose(column(rows, "x"), column(rows, "centroid-1") + 0.5)
    np.testing.assert_allclose(column(rows, "map_x"), 400_000 + 0.5 * column(rows, "x"), rtol=1e-12)
    np.testing.assert_allclose(column(rows, "map_y"), 5_000_000 - 0.25 * column(rows, "y"), rtol=1e-12)
    np.testing.assert_allclose(column(rows, "area_m2"), column(rows, "area") * 0.125)


def test_small_objects_are_counted(tmp_path: Path) -> None:
    labels = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 0, 2], [1, 1, 0, 0, 0]], np.uint8)
    get_writer("objects", {"smallest": 2, "background": True}).write(result_of(labels), tmp_path / "few.csv")
    rows = [(row["object"], row["class"], row["objects"], row["area"]) for row in table(tmp_path / "few.csv")]
    assert rows == [
        ("1", "soil", "1", "10"),
        ("2", "berry", "1", "2"),
        ("", "berry", "2", "2"),
        ("", "leaf, green", "1", "1"),
    ]


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("+proj=longlat +ellps=WGS84", (0.5, 0, 7, 0, -0.25, 50)),
        ("+proj=longlat +ellps=sphere", (0.5, 0, 7, 0, -0.25, 50)),
        ("+proj=longlat +ellps=WGS84", (0.5, 0, 179.7, 0, -0.25, -50)),
        ("EPSG:3857", (50_000, 0, 800_000, 0, -25_000, 7_000_000)),  # its plane is wrong by more than twice
        ("EPSG:3857", (50_000, 0, 20_000_000, 0, -25_000, 7_000_000)),  # across the antimeridian
    ],
)
def test_pixels_on_the_ellipsoid(crs: str, transform: Any, tmp_path: Path) -> None:
    system = pyproj.CRS(crs)
    labels = np.array([[0, 1], [1, 1]], np.uint8)
    get_writer("areas").write(result_of(labels, place=Place(system.to_wkt(), transform)), tmp_path / "b.csv")
    degrees = pyproj.Transformer.from_crs(system, system.geodetic_crs, always_xy=True)
    along = np.linspace(0, 1, 200)  # edges of pixels are no geodesics; pieces of them nearly are

    def area(row: int) -> float:
        x = transform[2] + transform[0] * np.array([*along, *along[::-1]])
        y = transform[5] + transform[4] * (row + np.repeat((0, 1), 200))
        return abs(system.get_geod().polygon_area_perimeter(*degrees.transform(x, y))[0])

    expected = [area(0), area(0) + 2 * area(1), 0]
    np.testing.assert_allclose(column(table(tmp_path / "b.csv"), "area_m2"), expected, rtol=1e-7)


@pytest.mark.parametrize(
    ("place", "area"),
    [
        (Place(pyproj.CRS(2263).to_wkt(), (1, 0, 987_000, 0, -1, 200_000)), 0.3048006096012192**2),  # US survey feet
        (Place(pyproj.CRS(32632).to_wkt(), (3, 4, 400_000, 4, -3, 5_000_000)), 25),  # rotated
        (Place(pyproj.CRS(32601).to_wkt(), (10, 0, 0, 0, -10, 6_000_000)), 100),
        (Place('LOCAL_CS["site",UNIT["metre",1]]', (0.1, 0, 0, 0, -0.1, 0)), 0.01),
        (Place("", (1, 0, 0, 0, -1, 0)), None),
        (Place("a stranger's text", (1, 0, 0, 0, -1, 0)), None),
        (Place(pyproj.CRS(3031).to_wkt(), (10_000_000, 0, -5_000_000, 0, -1, 0)), None),  # one row from sea to sea
        (None, None),
    ],
)
def test_the_area_of_a_pixel(place: Place | None, area: float | None, tmp_path: Path) -> None:
    get_writer("areas").write(result_of(np.zeros((1, 1), np.uint8), place=place), tmp_path / "b.csv")
    first = table(tmp_path / "b.csv")[0]["area_m2"]
    assert first == "" if area is None else float(first) == pytest.approx(area, rel=1e-9)


@pytest.mark.parametrize("name", ["areas", "objects"])
def test_all_images_together(name: str, tmp_path: Path) -> None:
    writer = get_writer(name)
    nothing = result_of(np.zeros((2, 3), np.uint8), 'a, "b"\n=1.png')
    results = [
        result_of(blobs(3)),
        nothing,
        result_of(blobs(4), "ü", UTM),
    ]
    files = [tmp_path / f"{number}{writer.suffix}" for number in range(len(results))]
    for result, file in zip(results, files, strict=True):
        writer.write(result, file)
    writer.collect(iter(files), tmp_path)
    rows = [row for file in files for row in table(file)]
    assert table(tmp_path / f"{name}.csv") == rows
    read = parquet.read_table(tmp_path / f"{name}.parquet")
    assert read.num_rows == len(rows) > 3
    for field in read.schema:
        values = read[field.name].to_pylist()
        if field.type == pa.string():
            assert values == [row[field.name] for row in rows]
        else:
            wanted = [None if row[field.name] == "" else float(row[field.name]) for row in rows]
            assert values == wanted
    # One schema, whatever is empty.
    writer.write(nothing, files[0])
    (tmp_path / "one").mkdir()
    writer.collect(files[:1], tmp_path / "one")
    assert parquet.read_schema(tmp_path / "one" / f"{name}.parquet") == read.schema
    # Whole or not at all.
    before = (tmp_path / f"{name}.csv").read_bytes()
    whole = files[1].read_text()
    for broken, message in (("other,columns\n1,2\n", "other columns"), (whole.rstrip() + "x", "has no end|other col")):
        files[1].write_text(broken)
        with pytest.raises(SaveError, match=rf"1{writer.suffix}.*{message}"):
            writer.collect(files, tmp_path)
    files[1].write_text(whole.splitlines()[0] + "\n" + ",".join(["x"] * len(writer.columns)) + "\n")
    with pytest.raises(SaveError, match=rf"{name}\.csv: cannot be put together"):
        writer.collect(files, tmp_path)
    assert (tmp_path / f"{name}.csv").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_many_files_need_no_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointillist.inference.writers.tables.BLOCK", 2000)
    writer = get_writer("areas")
    writer.write(result_of(blobs(3)), tmp_path / "part.csv")

    def peak(many: int) -> int:
        def files() -> Iterator[Path]:
            for _ in range(many):
                yield tmp_path / "part.csv"

        tracemalloc.start()
        writer.collect(files(), tmp_path)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(table(tmp_path / "areas.csv")) == 3 * many
        return highest

    peak(1)
    pool = pa.default_memory_pool().bytes_allocated()
    assert peak(500) < peak(50) + 200_000
    assert pa.default_memory_pool().bytes_allocated() <= pool
    assert parquet.ParquetFile(tmp_path / "areas.parquet").num_row_groups > 1


@pytest.mark.parametrize("module", ["pyarrow", "pyproj"])
def test_what_is_missing_is_said_first(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        "pointillist.inference.writers.base.find_spec", lambda name: None if name == module else there(name)
    )
    with pytest.raises(ConfigError, match=rf"'areas' needs {module}.*pointillist\[tables\]"):
        get_writer("areas")
