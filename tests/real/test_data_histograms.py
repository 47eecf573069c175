"""Every mask of the real data sets, counted through the data package and once more without it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pointillist.classes import IGNORE
from pointillist.data.dataset import Dataset
from pointillist.data.images import image_size, read_image
from pointillist.data.inputs import Scale
from pointillist.data.layouts import load_dataset
from pointillist.data.samples import read_sample
from pointillist.data.simulated import simulate_dataset

DUBAI = {
    "building": "#3c1098",
    "land": "#8429f6",
    "road": "#6ec1e4",
    "vegetation": "#fedd3a",
    "water": "#e2a929",
}
DUBAI_VOID = ("#9b9b9b", "#000000")
SOYBEAN = {"background": "#000000", "intact": "#008000", "crushed": "#800000", "impurity": "#808000"}


def colour_file(folder: Path, name: str, classes: dict[str, str], **content: object) -> Path:
    """A dataset.yaml away from the read-only data."""
    settings = {"classes": [{"name": key, "color": color} for key, color in classes.items()], "masks": "color"}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(settings | content))
    return path


@pytest.fixture(scope="module")
def dubai(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("dubai")
    (folder / "splits").mkdir()
    (folder / "splits/train.txt").write_text("[1-4]/*\n")
    (folder / "splits/val.txt").write_text("[56]/*\n")
    data = real_data / "dubai_aerial"
    paths = {"images": f"{data}/Tile {{}}/images", "masks": f"{data}/Tile {{}}/masks"}
    return load_dataset(
        colour_file(folder, "dubai", DUBAI, paths=paths, ignore_colors=list(DUBAI_VOID), background="none")
    )


@pytest.fixture(scope="module")
def soybean(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("soybean")
    data = real_data / "soybean"
    names = sorted(path.name for path in (data / "images").iterdir())
    (folder / "splits").mkdir()
    (folder / "splits/train.txt").write_text("\n".join(names[:30]))
    (folder / "splits/val.txt").write_text("\n".join(names[30:]))
    return load_dataset(
        colour_file(folder, "soybean", SOYBEAN, paths={"images": f"{data}/images", "masks": f"{data}/masks"})
    )


def counted(dataset: Dataset) -> Counter[int]:
    """Pixels per class index, through the data package."""
    total: Counter[int] = Counter()
    for item in dataset.items:
        if item.mask is not None:
            labels = dataset.masks.read(item.mask, image_size(item.image))
            counts = np.bincount(labels.ravel(), minlength=256)
            total.update({int(index): int(counts[index]) for index in np.flatnonzero(counts)})
    return total


def indices_in(files: list[Path], void: int) -> Counter[int]:
    """Pixels per value of the files themselves."""
    total: Counter[int] = Counter()
    for file in files:
        values, counts = np.unique(np.asarray(Image.open(file)), return_counts=True)
        total.update(
            {IGNORE if value == void else int(value): int(count) for value, count in zip(values, counts, strict=True)}
        )
    return total


def colours_in(files: list[Path], colors: list[str], void: tuple[str, ...] = ()) -> Counter[int]:
    """Pixels per colour of the files, as Pillow lists them."""
    meaning = {color: index for index, color in enumerate(colors)} | dict.fromkeys(void, IGNORE)
    total: Counter[int] = Counter()
    for file in files:
        listed = Image.open(file).convert("RGB").getcolors(maxcolors=1000)
        assert listed is not None
        for count, color in listed:
            total[meaning["#{:02x}{:02x}{:02x}".format(*color)]] += count  # type: ignore[misc]
    return total


def test_camvid(real_data: Path) -> None:
    root = real_data / "camvid"
    dataset = load_dataset(root)
    assert dataset.layout == "camvid"
    assert {split: len(dataset.split(split)) for split in dataset.splits} == {"train": 367, "val": 101}
    files = [*root.glob("trainannot/*.png"), *root.glob("valannot/*.png")]
    assert len(files) == 468
    found = counted(dataset)
    assert found == indices_in(files, 11)
    assert sum(found.values()) == 468 * 360 * 480
    assert set(found) == {*range(11), IGNORE}


def test_voc(real_data: Path) -> None:
    root = real_data / "voc2012"
    dataset = load_dataset(root)
    assert dataset.layout == "voc"
    assert {split: len(dataset.split(split)) for split in dataset.splits} == {"train": 389, "val": 198}
    found = counted(dataset)
    assert found == indices_in(sorted(root.glob("SegmentationClass/*.png")), 255)
    assert found[VOC_AEROPLANE] == found[VOC_TRAIN] == 0
    assert found[0] > found[15] > 0


VOC_AEROPLANE, VOC_TRAIN = 1, 19


def test_dubai_with_its_mixture_of_masks(real_data: Path, dubai: Dataset) -> None:
    files = sorted((real_data / "dubai_aerial").glob("Tile */masks/*.png"))
    assert {Image.open(file).mode for file in files} >= {"RGB", "P"}
    assert len(dubai.items) == len(files) == 54
    assert all(item.mask is not None for item in dubai.items)
    assert len(dubai.split("train")) + len(dubai.split("val")) == 54
    assert counted(dubai) == colours_in(files, list(DUBAI.values()), DUBAI_VOID)


def test_soybean(real_data: Path, soybean: Dataset) -> None:
    files = sorted((real_data / "soybean/masks").glob("*"))
    assert [len(soybean.split("train")), len(soybean.split("val"))] == [30, 10]
    assert counted(soybean) == colours_in(files, list(SOYBEAN.values()))


def test_sizes_from_headers_are_those_of_the_pixels(dubai: Dataset, soybean: Dataset, real_data: Path) -> None:
    voc = load_dataset(real_data / "voc2012")
    for item in (*dubai.items[::6], *soybean.items[::8], *voc.items[::40]):
        assert image_size(item.image) == read_image(item.image).shape[:2]


def test_simulated_clicks_lie_on_their_class_at_the_scale_of_training(dubai: Dataset) -> None:
    items = dubai.split("val")[:2]
    names = {item.name for item in items}
    points = [point for point in simulate_dataset(dubai, split="val") if point.image in names]
    assert len(points) > 12
    for item in items:
        sample = read_sample(dubai, item, Scale(), with_mask=True)
        assert sample.mask is not None
        for point in points:
            if point.image == item.name:
                label = int(sample.mask[int(point.y), int(point.x)])
                assert dubai.classes.names[label] == point.label
