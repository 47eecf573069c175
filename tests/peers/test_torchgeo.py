"""torchgeo finds our maps where they lie, trains us through its samples, and reads a layout as we do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pointillist.api import Predictor, load, train
from pointillist.data.dataset import Dataset
from pointillist.data.regions import Region
from pointillist.inference.writers import get_writer
from tests.conftest import CLASSES as TINY_CLASSES
from tests.conftest import TINY, draw_tiny
from tests.peers.packages import peer

rasterio = peer("rasterio", "rasterio")
datasets = peer("torchgeo.datasets", "torchgeo")
samplers = peer("torchgeo.samplers", "torchgeo")
torch = peer("torch", "torch")
pytestmark = [
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),  # of rasterio with affine 3
]

LEFT, TOP, PIXEL = 600000.0, 5300000.0, 0.5


def written(writer: str, folder: Path, **options: Any) -> NDArray[np.uint8]:
    """A label map of a place in UTM, as the file of a writer; pixels without data are 255."""
    gis = pytest.importorskip("tests.inference.test_gis_writers")
    labels: NDArray[np.uint8] = gis.noise()
    made = get_writer(writer, options)
    made.write(gis.result_of(labels, gis.UTM), folder / f"b{made.suffix}")
    return labels


@pytest.mark.parametrize("writer", ["geotiff", "cog"])
def test_a_label_map_is_a_raster_data_set_at_its_place(writer: str, tmp_path: Path) -> None:
    class Maps(datasets.RasterDataset):  # type: ignore[misc]
        filename_glob = "*.tif"
        is_image = False

    labels = written(writer, tmp_path)
    maps = Maps(str(tmp_path))
    x, y, _ = maps.bounds
    height, width = labels.shape
    assert maps.crs.to_epsg() == 32632
    assert (x.start, x.stop, y.start, y.stop) == (LEFT, LEFT + width * PIXEL, TOP - height * PIXEL, TOP)
    assert maps.res == (PIXEL, PIXEL)
    np.testing.assert_array_equal(maps[maps.bounds]["mask"], labels)
    # A window on the map is that part of the label map.
    part = maps[LEFT + 10 : LEFT + 20, TOP - 15 : TOP - 5]["mask"]
    np.testing.assert_array_equal(part, labels[10:30, 20:40])
    # Its colours are those of the classes.
    gis = pytest.importorskip("tests.inference.test_gis_writers")
    assert [maps.cmap[index][:3] for index in range(3)] == list(gis.CLASSES.colors)


@pytest.mark.parametrize("writer", ["geopackage", "flatgeobuf", "geojson"])
def test_polygons_are_a_vector_data_set_that_rasterises_to_the_label_map(writer: str, tmp_path: Path) -> None:
    class Polygons(datasets.VectorDataset):  # type: ignore[misc]
        filename_glob = "b.*"

    labels = written(writer, tmp_path, simplify=0)
    # GeoJSON has longitude and latitude, and is brought back into the image's own system.
    crs = rasterio.CRS.from_epsg(32632) if writer == "geojson" else None
    polygons = Polygons(str(tmp_path), res=(PIXEL, PIXEL), crs=crs, label_name="class_index")
    height, width = labels.shape
    # Of a file in another system it takes what is between two turned corners: the outermost specks need a wider query.
    edge = 10
    around = edge * PIXEL
    query = (slice(LEFT - around, LEFT + width * PIXEL + around), slice(TOP - height * PIXEL - around, TOP + around))
    whole = polygons[query]["mask"][edge:-edge, edge:-edge]
    # Where no polygon is, its mask is 0.
    np.testing.assert_array_equal(whole, np.where(labels == 255, 0, labels))


def test_its_samples_train_us(tmp_path: Path) -> None:
    """A data set of torchgeo gives dictionaries; what is given beside is the clicks."""

    class Fields(datasets.NonGeoDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> dict[str, Any]:
            image, mask, _ = draw_tiny(index)
            return {"image": torch.tensor(image).permute(2, 0, 1).float(), "mask": torch.tensor(mask).long()}

    class Clicked(torch.utils.data.Dataset):  # type: ignore[misc]
        def __init__(self, fields: Any) -> None:
            self.fields = fields

        def __len__(self) -> int:
            return len(self.fields)

        def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
            sample = self.fields[index]
            # Its images are floating-point numbers up to 255.
            return sample["image"].to(torch.uint8), draw_tiny(index)[2], sample["mask"]

    data = Dataset.from_torch(Clicked(Fields()), TINY_CLASSES, splits={"val": [3]})
    run = train(data, out=tmp_path / "run", method="points", settings={**TINY, "trainer.epochs": 1})
    predicted = Predictor(run, "cpu")(Fields()[3]["image"].to(torch.uint8))
    assert predicted.shape == (48, 64)
    assert set(np.unique(predicted).tolist()) <= {0, 1, 2}


def test_windows_of_its_sampler_are_images_for_us(tmp_path: Path) -> None:
    """A scene of torchgeo's, cut by its sampler: the clicks of a window are those that lie in it."""

    class Scene(datasets.RasterDataset):  # type: ignore[misc]
        filename_glob = "*.tif"

    image, _, _ = draw_tiny(1, 96, 128)
    profile = {"driver": "GTiff", "height": 96, "width": 128, "count": 3, "dtype": "uint8", "crs": "EPSG:32632"}
    place = rasterio.Affine(PIXEL, 0, LEFT, 0, -PIXEL, TOP)
    with rasterio.open(tmp_path / "scene.tif", "w", transform=place, **profile) as file:
        file.write(image.transpose(2, 0, 1))
    scene = Scene(str(tmp_path))
    windows = list(samplers.GridGeoSampler(scene, size=32, stride=32))
    assert len(windows) == 12
    x, y = LEFT + 30.25, TOP - 20.25  # a click on the ground, in units of the map
    images, clicks = [], []
    for window in windows:
        columns, rows, _ = window
        images.append(scene[window]["image"].to(torch.uint8))
        inside = columns.start <= x < columns.stop and rows.start < y <= rows.stop
        clicks.append([((x - columns.start) / PIXEL, (rows.stop - y) / PIXEL, "square")] if inside else [])
    data = Dataset.from_arrays(images, clicks, TINY_CLASSES)
    (point,) = data.points
    number = int(point.image.rpartition("-")[2]) - 1
    row, column = int(point.y), int(point.x)
    np.testing.assert_array_equal(images[number][:, row, column], image[40, 60])


def test_it_reads_the_layout_of_inria_as_we_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    root = tmp_path / "AerialImageDataset"
    for folder in ("images", "gt"):
        (root / "train" / folder).mkdir(parents=True)
    for tile in ("austin1", "austin5", "austin6", "tyrol-w2", "tyrol-w17"):
        profile = {"driver": "GTiff", "height": 60, "width": 80, "dtype": "uint8"}
        with rasterio.open(root / "train" / "images" / f"{tile}.tif", "w", count=3, **profile) as file:
            file.write(random.integers(0, 256, (3, 60, 80), np.uint8))
        with rasterio.open(root / "train" / "gt" / f"{tile}.tif", "w", count=1, **profile) as file:
            file.write(random.choice(np.array([0, 255], np.uint8), (1, 60, 80)))
    data = load(root)
    assert data.layout == "inria"
    for split in ("train", "val"):
        # It takes the first number of the whole path for that of the tile, so there must be none in front.
        monkeypatch.chdir(tmp_path)
        theirs = datasets.InriaAerialImageLabeling(".", split=split)
        ours = {item.image.path.name: item for item in data.split(split) if isinstance(item.image, Region)}
        assert {Path(one["image"]).name for one in theirs.files} == ours.keys()
        for number, one in enumerate(theirs.files):
            item = ours[Path(one["image"]).name]
            assert item.mask is not None
            np.testing.assert_array_equal(theirs[number]["mask"], data.masks.read(item.mask, (60, 80)))
