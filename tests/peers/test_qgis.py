"""QGIS itself, where the machine's Python has it: `apt-get install python3-qgis`, no package of PyPI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointillist.data.places import Place
from pointillist.inference.writers import get_writer
from tests.inference.blobs import CLASSES, result_of

rasterio = pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")

UTM = Place(rasterio.CRS.from_epsg(32632).to_wkt(version="WKT2_2019"), (0.5, 0.0, 600000.0, 0.0, -0.5, 5300000.0))
LABELS = np.repeat(np.arange(3, dtype=np.uint8), 20)[None].repeat(40, 0)
"""Stripes of 20 pixels, one for each class."""

PROGRAM = """
import json, os, sys
from qgis.core import QgsApplication, QgsRasterLayer, QgsVectorLayer
program = QgsApplication([], False)
program.initQgis()
regions = QgsVectorLayer(sys.argv[1], "regions", "ogr")
renderer, box = regions.renderer(), regions.extent()
found = {
    "valid": regions.isValid(), "crs": regions.crs().authid(), "count": regions.featureCount(),
    "box": [box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()], "renderer": renderer.type(),
    "colors": {} if renderer.type() != "categorizedSymbol" else
        {one.value(): one.symbol().color().name() for one in renderer.categories()},
    "classes": [feature["class"] for feature in regions.getFeatures()],
}
labels = QgsRasterLayer(sys.argv[2], "labels")
found["raster"] = {
    "valid": labels.isValid(), "crs": labels.crs().authid(), "renderer": labels.renderer().type(),
    "colors": {str(int(one.value)): one.color.name() for one in labels.renderer().classes()},
}
print(json.dumps(found), flush=True)
os._exit(0)  # its own end crashes without a window
"""


@cache
def python() -> str:
    """The Python that has QGIS."""
    for name in ("/usr/bin/python3", shutil.which("python3-qgis") or ""):
        if name and subprocess.run([name, "-c", "import qgis.core"], capture_output=True).returncode == 0:
            return name
    pytest.skip("QGIS is not installed: apt-get install python3-qgis")


def seen_by_qgis(*files: Path) -> dict[str, Any]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GDAL", "PROJ"))}
    done = subprocess.run(
        [python(), "-c", PROGRAM, *map(str, files)],
        env={**plain, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_polygons_and_label_maps_lie_where_they_should_in_the_colours_of_their_classes(tmp_path: Path) -> None:
    python()
    result = result_of(LABELS, place=UTM)
    for name in ("geopackage", "geotiff"):
        writer = get_writer(name)
        writer.write(result, tmp_path / f"out{writer.suffix}")
    found = seen_by_qgis(tmp_path / "out.gpkg", tmp_path / "out.tif")
    colors = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in CLASSES.colors]
    assert found["valid"]
    assert found["crs"] == "EPSG:32632"
    assert found["box"] == pytest.approx([600000, 5300000 - 20, 600030, 5300000])
    assert sorted(found["classes"]) == sorted(CLASSES)
    assert found["renderer"] == "categorizedSymbol"
    assert found["colors"] == dict(zip(CLASSES, colors, strict=True))
    raster = found["raster"]
    assert (raster["valid"], raster["crs"], raster["renderer"]) == (True, "EPSG:32632", "paletted")
    assert {key: raster["colors"][key] for key in "012"} == dict(zip("012", colors, strict=True))
