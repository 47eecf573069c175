"""datumaro, which CVAT's exports come from, reads what we write and writes what we read: CVAT, COCO, VOC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import label as connected

from pointillist.api import load
from pointillist.classes import VOC_CLASSES
from pointillist.data.dataset import Dataset
from pointillist.errors import PointsWarning
from pointillist.inference.writers import get_writer
from pointillist.points.formats import get_format
from pointillist.points.formats.base import ReadContext
from pointillist.points.table import Point, PointTable
from tests.inference.blobs import CLASSES, blobs, result_of
from tests.inference.test_shapes import without_holes
from tests.peers.packages import peer

dm = peer("datumaro", "datumaro")
annotations = peer("datumaro.components.annotation", "datumaro")
media = peer("datumaro.components.media", "datumaro")
voc = peer("datumaro.plugins.data_formats.voc.format", "datumaro")

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

SIZE = (30, 40)
QUESTION = {"source": "question", "inclusion": "0.25", "answered_by": "Ann"}
OWN = ["background", "Wärme & <Wasser>", "leaf, green"]


def picture() -> Any:
    return media.Image.from_numpy(np.zeros((*SIZE, 3), np.uint8))


def drawn(*values: int) -> NDArray[np.uint8]:
    labels = np.zeros(SIZE, np.uint8)
    for number, value in enumerate(values):
        labels[2 + 9 * number : 9 + 9 * number, 5 + 4 * number : 25 + 4 * number] = value
    return labels


def masks_of(labels: NDArray[np.uint8]) -> list[Any]:
    return [annotations.Mask(labels == value, label=int(value), id=1) for value in np.unique(labels)]


def save_images(folder: Path, *names: str) -> None:
    """Black images where datumaro looks for them: in `images/`, beside the label file."""
    for name in names:
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE[::-1]).save(folder / "images" / name)


def read(data: Dataset, name: str) -> NDArray[np.uint8]:
    item = next(item for item in data.items if item.name == name)
    assert item.mask is not None
    return data.masks.read(item.mask, SIZE)


class TestCvat:
    def test_its_points_are_our_clicks(self, tmp_path: Path) -> None:
        shapes = [
            annotations.Points([1.5, 2.25, 10.13, 20], label=1),
            annotations.Points([3, 4], label=2),
            annotations.Bbox(1, 2, 3, 4, label=1),
            annotations.Polygon([1, 1, 5, 1, 5, 5], label=2),
            annotations.Mask(np.eye(*SIZE, dtype=bool), label=2),
        ]
        items = [
            dm.DatasetItem("field 1/b", subset="train", media=picture(), annotations=shapes),
            dm.DatasetItem("nothing", subset="train", media=picture()),
        ]
        dm.Dataset.from_iterable(items, categories=OWN).export(str(tmp_path), "cvat", save_media=True)
        format_ = get_format("cvat")
        assert format_.recognise(tmp_path / "train.xml")
        table = format_.read(tmp_path / "train.xml")
        found = [(point.image, point.x, point.y, point.label) for point in table]
        assert found == [
            ("field 1/b.jpg", 1.5, 2.25, OWN[1]),
            ("field 1/b.jpg", 10.13, 20, OWN[1]),
            ("field 1/b.jpg", 3, 4, OWN[2]),
        ]
        assert table.skipped == {"box": 1, "polygon": 1, "mask": 1}
        assert list(table.listed) == ["field 1/b.jpg", "nothing.jpg"]

    def test_our_clicks_are_its_points(self, tmp_path: Path) -> None:
        points = [
            Point("a/b.png", 1.5, 2.123456789, OWN[1]),
            Point("a/b.png", 39.999, 0.0, OWN[2], QUESTION),
            Point("c.png", 3.5, 4.5, OWN[1]),
        ]
        save_images(tmp_path, "a/b.png", "c.png")
        context = ReadContext(size_of=lambda _: SIZE)
        get_format("cvat").write(PointTable(points, tuple(QUESTION)), tmp_path / "clicks.xml", context)
        data = dm.Dataset.import_from(str(tmp_path / "clicks.xml"), "cvat")
        labels = data.categories()[annotations.AnnotationType.label]
        found = {}
        for item in data:
            for one in item.annotations:
                x, y = (round(part, 2) for part in one.points)
                found[item.id, x, y] = (labels[one.label].name, {key: one.attributes.get(key) for key in QUESTION})
        nothing = dict.fromkeys(QUESTION)
        # It rounds to hundredths of a pixel, whatever the file says.
        assert found == {
            ("a/b", 1.5, 2.12): (OWN[1], nothing),
            ("a/b", 40.0, 0.0): (OWN[2], QUESTION),
            ("c", 3.5, 4.5): (OWN[1], nothing),
        }


@pytest.mark.parametrize("segmentation", ["rle", "polygons"])
@pytest.mark.parametrize("seed", [1, 4])
def test_it_reads_the_objects_that_we_predict(seed: int, segmentation: str, tmp_path: Path) -> None:
    labels = blobs(seed)
    (tmp_path / "images" / "a").mkdir(parents=True)
    (tmp_path / "annotations").mkdir()
    Image.fromarray(np.zeros((*labels.shape, 3), np.uint8)).save(tmp_path / "images" / "a" / "b.jpg")
    writer = get_writer("coco", {"segmentation": segmentation})
    writer.write(result_of(labels), tmp_path / "annotations" / "instances_default.json")
    data = dm.Dataset.import_from(str(tmp_path), "coco_instances")
    names = data.categories()[annotations.AnnotationType.label]
    (item,) = data
    assert item.id == "a/b"
    found = {name: np.zeros(labels.shape, bool) for name in CLASSES}
    for one in item.annotations:
        if isinstance(one, annotations.Bbox):
            continue  # it gives each object its box as well
        inside = one.image if isinstance(one, annotations.Mask) else drawn_polygon(one.points, labels.shape)
        found[names[one.label].name] |= np.asarray(inside, bool)
    for index, name in enumerate(CLASSES):
        numbers = connected(labels == index, connectivity=2)
        each = [numbers == number for number in range(1, numbers.max() + 1) if index]
        # COCO's polygons have no holes.
        shown = each if segmentation == "rle" else list(map(without_holes, each))
        np.testing.assert_array_equal(found[name], np.any([np.zeros(labels.shape, bool), *shown], axis=0))


def drawn_polygon(points: list[float], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """By the corners of pixels that COCO counts from."""
    mask_api = peer("pycocotools.mask", "pycocotools")
    inside: NDArray[np.bool_] = mask_api.decode(mask_api.frPyObjects([list(points)], *size))[..., 0].astype(bool)
    return inside


class TestVoc:
    def test_masks_of_its_classes(self, tmp_path: Path) -> None:
        """Coloured masks, as it and CVAT write them, and with `apply_colormap=False` indices."""
        categories = voc.make_voc_categories(task=voc.VocTask.voc_segmentation)
        maps = {"2007_000001": drawn(3, 15, 21), "2007_000002": drawn(20, 1)}
        items = [
            dm.DatasetItem(name, subset=subset, media=picture(), annotations=masks_of(maps[name]))
            for name, subset in zip(maps, ("train", "val"), strict=True)
        ]
        made = dm.Dataset.from_iterable(items, categories=categories)
        made.export(str(tmp_path), "voc_segmentation", save_media=True)
        data = load(tmp_path)
        assert data.layout == "voc"
        assert (data.classes.names, data.classes.policy) == (VOC_CLASSES, "border")
        assert data.splits == {"train": ("2007_000001.jpg",), "val": ("2007_000002.jpg",)}
        for name, labels in maps.items():
            expected = np.where(labels == 21, 255, labels)  # its 22nd label is what VOC ignores
            np.testing.assert_array_equal(read(data, f"{name}.jpg"), expected)

    def test_masks_of_other_classes(self, tmp_path: Path) -> None:
        labels = drawn(1, 2)
        item = dm.DatasetItem("a", subset="default", media=picture(), annotations=masks_of(labels))
        made = dm.Dataset.from_iterable([item], categories=OWN)
        made.export(str(tmp_path), "voc_segmentation", save_media=True, label_map="source")
        data = load(tmp_path)
        assert data.classes.names == tuple(OWN)
        assert data.splits == {"default": ("a.jpg",)}
        np.testing.assert_array_equal(read(data, "a.jpg"), labels)

    def test_torchvision_finds_the_same_labels(self, tmp_path: Path) -> None:
        torchvision = peer("torchvision.datasets", "torchvision")
        root = tmp_path / "VOCdevkit" / "VOC2012"
        labels = drawn(3, 15, 255)
        for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
            (root / folder).mkdir(parents=True)
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(root / "JPEGImages" / "2007_000032.jpg")
        mask = Image.fromarray(labels)
        mask.putpalette([part for index in range(256) for part in (index, 255 - index, 0)])
        mask.save(root / "SegmentationClass" / "2007_000032.png")
        (root / "ImageSets" / "Segmentation" / "train.txt").write_text("2007_000032\n")
        ((image, target),) = torchvision.VOCSegmentation(str(tmp_path), year="2012", image_set="train")
        assert image.size == SIZE[::-1]
        np.testing.assert_array_equal(read(load(root), "2007_000032.jpg"), np.asarray(target))


def test_what_a_format_cannot_hold_is_said(tmp_path: Path) -> None:
    """A question without a class has no place in CVAT's file, and a note says so; datumaro reads the rest."""
    save_images(tmp_path, "b.png")
    unnamed = [Point("b.png", 2, 3, "", {"source": "question", "inclusion": "0.5"})]
    table = PointTable([Point("b.png", 1, 1, OWN[1])], ("source", "inclusion"), unnamed=unnamed)
    with pytest.warns(PointsWarning, match="1 question"):
        get_format("cvat").write(table, tmp_path / "clicks.xml", ReadContext(size_of=lambda _: SIZE))
    (item,) = dm.Dataset.import_from(str(tmp_path / "clicks.xml"), "cvat")
    assert [one.points for one in item.annotations] == [[1, 1]]
