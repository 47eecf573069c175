"""Each layout on a tiny tree of its kind, and its traps."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.data.dataset import Dataset
from pointillist.data.images import image_size, read_image
from pointillist.data.inputs import Scale
from pointillist.data.layouts import load_dataset
from pointillist.data.layouts.ade20k import read_names
from pointillist.data.layouts.cityscapes import CLASSES as CITY_CLASSES
from pointillist.data.layouts.craid import berry_count
from pointillist.data.rasters import read_region
from pointillist.data.regions import Region
from pointillist.data.samples import read_sample
from pointillist.data.simulated import simulate_dataset
from pointillist.errors import DatasetError, ImageError, MaskError, PointsError

Save = Callable[..., Path]


def labels(dataset: Dataset, name: str) -> np.ndarray:
    item = next(item for item in dataset.items if item.name == name)
    assert item.mask is not None
    return dataset.masks.read(item.mask, image_size(item.image))


def names(dataset: Dataset, split: str) -> list[str]:
    return [item.name for item in dataset.split(split)]


# CamVid.


def test_camvid(tmp_path: Path, save: Save) -> None:
    mask = np.array([[0, 10, 11]], np.uint8)
    for split, name in (("train", "a"), ("val", "b"), ("val", "c")):
        save(tmp_path / f"{split}/{name}.png", (1, 3))
        save(tmp_path / f"{split}annot/{name}.png", mask)
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "camvid"
    assert dataset.classes.policy == "none"
    assert names(dataset, "val") == ["val/b.png", "val/c.png"]
    assert labels(dataset, "val/c.png").tolist() == [[0, 10, 255]]
    assert len(simulate_dataset(dataset, min_area=1)) == 6


# Cityscapes and CityPersons.


def city(root: Path, save: Save, kind: str, values: np.ndarray, split: str = "train", number: int = 1) -> str:
    name = f"{split}/aachen/aachen_{number:06d}_000019_"
    save(root / f"leftImg8bit/{name}leftImg8bit.png", values.shape)
    save(root / f"gtFine/{name}gtFine_{kind}.png", values)
    return f"{name}leftImg8bit.png"


def test_cityscapes_label_ids(tmp_path: Path, save: Save) -> None:
    ids = np.arange(34, dtype=np.uint8)[None]
    name = city(tmp_path, save, "labelIds", ids)
    city(tmp_path, save, "labelIds", ids, "val")
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "cityscapes"
    assert len(dataset.classes) == 19
    assert {split: len(dataset.split(split)) for split in dataset.splits} == {"train": 1, "val": 1}
    found = labels(dataset, name)[0]
    assert {int(i): dataset.classes.names[found[i]] for i in range(34) if found[i] != 255} == {
        label_id: label for label, (label_id, _) in CITY_CLASSES.items()
    }


def test_cityscapes_train_ids(tmp_path: Path, save: Save) -> None:
    name = city(tmp_path, save, "labelTrainIds", np.array([[0, 18, 255]], np.uint8))
    assert labels(load_dataset(tmp_path), name).tolist() == [[0, 18, 255]]


def test_cityscapes_with_both_kinds_reads_label_ids(tmp_path: Path, save: Save) -> None:
    name = city(tmp_path, save, "labelIds", np.array([[7, 33, 0]], np.uint8))
    city(tmp_path, save, "labelTrainIds", np.array([[0, 18, 255]], np.uint8))
    assert labels(load_dataset(tmp_path), name).tolist() == [[0, 18, 255]]


def test_cityscapes_refuses_a_mixture_of_files_and_of_contents(tmp_path: Path, save: Save) -> None:
    city(tmp_path, save, "labelIds", np.array([[7]], np.uint8), number=1)
    city(tmp_path, save, "labelTrainIds", np.array([[0]], np.uint8), number=2)
    with pytest.raises(DatasetError, match=r"labelIds only and .* has labelTrainIds only"):
        load_dataset(tmp_path)
    other = tmp_path / "other"
    name = city(other, save, "labelIds", np.array([[0, 18, 255]], np.uint8))  # train ids under the wrong name
    with pytest.raises(MaskError, match="value 255"):
        labels(load_dataset(other), name)
    third = tmp_path / "third"
    name = city(third, save, "labelTrainIds", np.array([[7, 26, 33]], np.uint8))
    with pytest.raises(MaskError, match=r"unlisted|no class has"):
        labels(load_dataset(third), name)


def test_cityscapes_instances_drive_the_simulation(tmp_path: Path, save: Save) -> None:
    ids = np.full((20, 40), 7, np.uint8)
    ids[5:15, 5:35] = 26
    name = city(tmp_path, save, "labelIds", ids)
    instances = ids.astype(np.uint16)
    instances[5:15, 5:20], instances[5:15, 20:35] = 26_000, 26_001
    save(tmp_path / "gtFine" / name.replace("leftImg8bit", "gtFine_instanceIds"), instances)
    points = simulate_dataset(load_dataset(tmp_path))
    assert points.counts() == {"car": 2, "road": 1}


def boxes(root: Path, name: str, objects: object) -> Path:
    path = root / "gtBboxCityPersons" / name.replace("leftImg8bit.png", "gtBboxCityPersons.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"imgHeight": 20, "imgWidth": 40, "objects": objects}))
    return path


def test_citypersons_boxes_become_clicks(tmp_path: Path, save: Save) -> None:
    ids = np.full((20, 40), 7, np.uint8)
    ids[0], ids[5:15, 5:11], ids[5:15, 20:26] = 3, 24, 25
    name = city(tmp_path, save, "labelIds", ids)
    boxes(
        tmp_path,
        name,
        [
            {"label": "pedestrian", "bbox": [4, 4, 8, 12], "bboxVis": [5, 5, 6, 10]},
            {"label": "rider", "bbox": [20, 5, 6, 10], "bboxVis": [20, 5, 0, 0]},
            {"label": "ignore", "bbox": [0, 0, 5, 5], "bboxVis": [0, 0, 5, 5]},
            {"label": "person group", "bbox": [0, 0, 5, 5], "bboxVis": [0, 0, 5, 5]},
        ],
    )
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "citypersons"
    assert [(p.x, p.y, p.label) for p in dataset.points] == [(8.0, 10.0, "person"), (23.0, 10.0, "person")]
    found = labels(dataset, name)
    assert (found[0] == 255).all()
    assert np.array_equal(found[1:] == 1, np.isin(ids[1:], (24, 25)))
    sample = read_sample(dataset, dataset.items[0], Scale(), with_mask=False)
    assert (sample.points[:, 2] == 0).any()  # border policy: background from the border
    assert load_dataset(tmp_path, layout="cityscapes").layout == "cityscapes"


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"objects": 3}', '{"objects": [{"label": "rider"}]}', "[" * 100_000]
)
def test_broken_boxes_name_their_file(tmp_path: Path, save: Save, content: str) -> None:
    name = city(tmp_path, save, "labelIds", np.array([[7]], np.uint8))
    path = boxes(tmp_path, name, [])
    path.write_text(content)
    with pytest.raises(PointsError) as caught:
        load_dataset(tmp_path)
    assert caught.value.where == str(path)


# Inria.


@pytest.fixture
def inria(tmp_path: Path, save: Save) -> Path:
    root = tmp_path / "AerialImageDataset"
    for city_name in ("austin", "tyrol-w"):
        for number in (1, 5, 6, 12):
            save(root / f"train/images/{city_name}{number}.tif", (700, 500))
            mask = np.zeros((700, 500), np.uint8)
            mask[number * 50 : number * 50 + 20, 100:200] = 255
            save(root / f"train/gt/{city_name}{number}.tif", mask)
    save(root / "test/images/bellingham1.tif", (500, 500))
    return root


def test_inria_tiles_splits_and_windows(inria: Path) -> None:
    dataset = load_dataset(inria)
    assert dataset.layout == "inria"
    assert {split: len(dataset.split(split)) for split in dataset.splits} == {"train": 8, "val": 8, "test": 1}
    assert {name.split("/")[0] for name in names(dataset, "val")} == {"austin1", "austin5", "tyrol-w1", "tyrol-w5"}
    item = dataset.split("train")[1]
    assert item.name == "austin12/y0500_x0000.tif"
    assert image_size(item.image) == (200, 500)


def test_inria_windows_are_parts_of_the_tile_and_255_is_a_building(inria: Path) -> None:
    pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")
    dataset = load_dataset(inria)
    whole = read_image(inria / "train/images/austin12.tif")
    upper, lower = (item for item in dataset.items if item.name.startswith("austin12/"))
    np.testing.assert_array_equal(np.concatenate([read_image(upper.image), read_image(lower.image)]), whole)
    found = labels(dataset, lower.name)
    assert found.shape == (200, 500)
    assert np.array_equal(found[100:120, 100:200], np.ones((20, 100)))
    assert found.sum() == 2000
    assert [point.label for point in simulate_dataset(dataset, split="val")].count("building") == 4
    sample = read_sample(dataset, upper, Scale((100, 100)), with_mask=True)
    assert sample.size == (100, 100)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_a_window_of_a_large_image_is_read_without_the_rest(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")
    path = tmp_path / "large.tif"
    # 1.2 GB of pixels that are never written: reading them all would show.
    with rasterio.open(
        path, "w", driver="GTiff", width=20_000, height=20_000, count=3, dtype="uint8", tiled=True, sparse_ok=True
    ) as file:
        file.write(np.full((3, 64, 64), 9, np.uint8), window=((5000, 5064), (7000, 7064)))
    import tracemalloc

    tracemalloc.start()
    window = read_image(Region(path, 5000, 7000, 64, 64))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (window == 9).all()
    assert peak < 5e6
    with pytest.raises(ImageError, match="no window"):
        read_region(Region(path, 19_990, 0, 64, 64))
    with pytest.raises(ImageError, match="no such file"):
        read_region(Region(tmp_path / "none.tif", 0, 0, 1, 1))
    path.write_bytes(b"nonsense")
    with pytest.raises(ImageError, match="no readable image"):
        read_region(Region(path, 0, 0, 1, 1))


def test_windows_without_rasterio(inria: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rasterio", None)
    dataset = load_dataset(inria)  # listing needs no more than the headers
    upper, lower = (read_image(item.image) for item in dataset.items if item.name.startswith("austin12/"))
    with Image.open(inria / "train/images/austin12.tif") as whole:
        np.testing.assert_array_equal(np.concatenate([upper, lower]), np.asarray(whole))
    with pytest.raises(MaskError, match="needs rasterio") as caught:
        labels(dataset, dataset.split("train")[0].name)
    assert "pip install 'pointillist[geo]'" in caught.value.hint


def test_an_inria_tile_without_a_number_is_refused(inria: Path, save: Save) -> None:
    save(inria / "train/images/austin.tif", (4, 4))
    with pytest.raises(DatasetError, match="'austin' is no city with a number"):
        load_dataset(inria)


# CRAID.


@pytest.mark.parametrize("form", ["2020", "2021"])
def test_craid(tmp_path: Path, save: Save, form: str) -> None:
    berries, background = np.zeros((12, 16), np.uint8), np.zeros((12, 16), np.uint8)
    berries[2:6, 2:6] = 1
    background[8:12, 10:14] = 1
    save(tmp_path / "train/images/count_26_a.png", (12, 16))
    if form == "2020":
        save(tmp_path / "train/masks/count_26_a.png", berries)
        save(tmp_path / "train/back_masks/count_26_a.png", background)
    else:
        save(tmp_path / "train/masks/count_26_a.png", berries + 2 * background)
    save(tmp_path / "test/images/count_3_b.png", (12, 16))
    save(tmp_path / "test/masks/count_3_b.png", berries)
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "craid"
    train, test = dataset.split("train")[0], dataset.split("test")[0]
    assert (train.count, test.count) == (26, 3)
    assert train.mask is None  # blocks are clicks, not masks
    assert [(p.image, p.x, p.y, p.label) for p in dataset.points] == [
        ("train/count_26_a.png", 4.0, 4.0, "berry"),
        ("train/count_26_a.png", 12.0, 10.0, "background"),
    ]
    assert labels(dataset, test.name).sum() == 16


@pytest.mark.parametrize(
    ("name", "count"), [("count_0_x.png", 0), ("Count_7_a.jpg", 7), ("count_x.png", None), ("7.png", None)]
)
def test_berry_count(name: str, count: int | None) -> None:
    assert berry_count(name) == count


# ADE20K.

INFO = "Idx\tRatio\tTrain\tVal\tName\n" + "".join(
    f"{index}\t0.1\t9\t9\t{name}\n"
    for index, name in enumerate(("wall", "building, edifice", "screen, crt", "screen, silver"), start=1)
)


def test_ade20k(tmp_path: Path, save: Save) -> None:
    for split in ("training", "validation"):
        save(tmp_path / f"images/{split}/ADE_1.jpg", (1, 4))
        save(tmp_path / f"annotations/{split}/ADE_1.png", np.array([[0, 1, 2, 4]], np.uint8))
    (tmp_path / "objectInfo150.txt").write_text(INFO)
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "ade20k"
    assert dataset.classes.names == ("wall", "building", "screen", "screen, silver")
    assert names(dataset, "val") == ["validation/ADE_1.jpg"]
    assert labels(dataset, "training/ADE_1.jpg").tolist() == [[255, 0, 1, 3]]
    (tmp_path / "objectInfo150.txt").unlink()
    with pytest.raises(DatasetError, match=r"objectInfo150\.txt"):
        load_dataset(tmp_path)


def test_ade20k_names_must_be_in_order(tmp_path: Path) -> None:
    (tmp_path / "o.txt").write_text("1\t.1\t9\t9\twall\n3\t.1\t9\t9\tsky\n")
    with pytest.raises(DatasetError) as caught:
        read_names(tmp_path / "o.txt")
    assert caught.value.line == 2
    (tmp_path / "o.txt").write_text("")
    with pytest.raises(DatasetError, match="lists no classes"):
        read_names(tmp_path / "o.txt")


# CVPPP.


def test_cvppp_instances_are_leaves_and_each_gets_its_click(tmp_path: Path, save: Save) -> None:
    ids = np.zeros((20, 40), np.uint8)
    for leaf in range(3):
        ids[5:15, 5 + 10 * leaf : 15 + 10 * leaf] = leaf + 1
    save(tmp_path / "A1/plant001_rgb.png", (20, 40))
    save(tmp_path / "A1/plant001_label.png", ids, palette=True)
    save(tmp_path / "A1/plant001_fg.png", ids)
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "cvppp"
    assert [item.name for item in dataset.items] == ["A1/plant001_rgb.png"]
    assert np.array_equal(labels(dataset, "A1/plant001_rgb.png"), (ids > 0).astype(np.uint8))
    points = simulate_dataset(dataset)
    assert points.counts() == {"leaf": 3, "background": 1}
    assert {ids[int(p.y), int(p.x)] for p in points if p.label == "leaf"} == {1, 2, 3}


# Recognition.


def test_a_dataset_file_wins_over_a_layout_that_merely_looks_alike(voc: Path) -> None:
    (voc / "dataset.yaml").write_text("classes: [a, b]\npaths: {images: JPEGImages}\n")
    assert load_dataset(voc).layout == "folder"
    assert load_dataset(voc, layout="voc").layout == "voc"


def test_a_tree_that_fits_two_layouts_must_be_named(save: Save, voc: Path) -> None:
    save(voc / "train/a.png")
    save(voc / "trainannot/a.png", np.zeros((4, 6), np.uint8))
    with pytest.raises(DatasetError, match="fits several layouts: camvid, voc") as caught:
        load_dataset(voc)
    assert "--layout" in caught.value.hint


def test_every_layout_refuses_an_empty_folder_with_its_path(tmp_path: Path) -> None:
    from pointillist.data.layouts import layouts

    for name in layouts():
        with pytest.raises((DatasetError, PointsError)) as caught:
            load_dataset(tmp_path, layout=name)
        assert str(tmp_path) in str(caught.value), name
