"""PASCAL VOC's folders, and what other programs write in their form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.data.layouts import load_dataset
from pointillist.data.simulated import simulate_dataset
from pointillist.errors import DatasetError, MaskError
from tests.data.test_layouts import labels, names

Save = Callable[..., Path]


def test_voc(voc: Path) -> None:
    dataset = load_dataset(voc)
    assert dataset.layout == "voc"
    assert dataset.classes.policy == "border"
    assert [item.name for item in dataset.items] == ["2007_01.jpg", "2007_02.jpg", "2007_03.jpg"]  # not the unlabelled
    assert names(dataset, "train") == ["2007_01.jpg", "2007_02.jpg"]
    assert np.unique(labels(dataset, "2007_02.jpg")).tolist() == [255]
    assert np.unique(labels(dataset, "2007_03.jpg")).tolist() == [20]
    assert dataset.classes.names[20] == "tvmonitor"


def test_voc_with_the_further_masks_of_sbd(voc: Path, save: Save) -> None:
    for name in ("2007_01", "2007_04"):
        save(voc / f"SegmentationClassAug/{name}.png", np.full((4, 6), 15, np.uint8))
    (voc / "ImageSets/Segmentation/trainaug.txt").write_text(
        "/JPEGImages/2007_01.jpg /SegmentationClassAug/2007_01.png\n/JPEGImages/2007_04.jpg /Seg/2007_04.png\n"
    )
    dataset = load_dataset(voc)
    assert names(dataset, "trainaug") == ["2007_01.jpg", "2007_04.jpg"]
    assert np.unique(labels(dataset, "2007_04.jpg")).tolist() == [15]
    assert np.unique(labels(dataset, "2007_01.jpg")).tolist() == [0]  # VOC's own mask is finer


def test_voc_objects_drive_the_simulation(voc: Path, save: Save) -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 3:23] = 13
    objects = np.zeros((20, 30), np.uint8)
    objects[5:15, 3:13], objects[5:15, 13:23] = 1, 2  # two horses that touch
    save(voc / "JPEGImages/2007_01.jpg", (20, 30))
    save(voc / "SegmentationClass/2007_01.png", mask, palette=True)
    before = simulate_dataset(load_dataset(voc))
    save(voc / "SegmentationObject/2007_01.png", objects, palette=True)
    after = simulate_dataset(load_dataset(voc))
    assert (before.counts()["horse"], after.counts()["horse"]) == (1, 2)
    assert {objects[int(p.y), int(p.x)] for p in after if p.label == "horse"} == {1, 2}


LABEL_MAP = """# label:color (RGB):parts:actions
background:0,0,0::

a: b:250,50,83:head,foot:running
leaf:::
void:224,224,192::
"""


def test_voc_with_a_label_map(voc: Path, save: Save) -> None:
    (voc / "labelmap.txt").write_text(LABEL_MAP)
    colors = np.array([[[0, 0, 0], [250, 50, 83]], [[0, 128, 0], [224, 224, 192]]], np.uint8)
    save(voc / "JPEGImages/2007_01.jpg", (2, 2))
    Image.fromarray(colors).save(voc / "SegmentationClass/2007_01.png")
    dataset = load_dataset(voc)
    assert dataset.classes.names == ("background", "a: b", "leaf")
    assert (dataset.classes.policy, dataset.classes.background) == ("border", 0)
    assert labels(dataset, "2007_01.jpg").tolist() == [[0, 1], [2, 255]]
    # CVAT's own example has a background of another colour.
    (voc / "labelmap.txt").write_text("aeroplane:10,10,128::\nbackground:0,128,0::\n")
    assert load_dataset(voc).classes.background == 1
    # Without one, every pixel belongs to a class.
    (voc / "labelmap.txt").write_text("a:1,2,3::\nb:3,2,1::\n")
    assert load_dataset(voc).classes.policy == "none"


@pytest.mark.parametrize("line", ["leaf", "leaf:1,2::", "leaf:1,2,256::", "leaf:1,2,-1::", "leaf:red::", "a:1,2,3:"])
def test_a_label_map_that_is_none(line: str, voc: Path) -> None:
    (voc / "labelmap.txt").write_text(f"background:0,0,0::\n{line}\n")
    with pytest.raises(DatasetError, match=f"labelmap.txt.*line 2 is '{line}'"):
        load_dataset(voc)


@pytest.mark.parametrize("lines", ["background:0,0,0::", "a:0,0,0::\na:1,1,1::", "a:1,1,1::\nb:1,1,1::"])
def test_classes_of_a_label_map_that_cannot_be(lines: str, voc: Path) -> None:
    (voc / "labelmap.txt").write_text(lines)
    with pytest.raises(DatasetError, match=r"labelmap\.txt, field 'classes'"):
        load_dataset(voc)


def test_a_voc_list_that_names_a_missing_image(voc: Path) -> None:
    (voc / "ImageSets/Segmentation/val.txt").write_text("2007_03\n2009_99\n")
    with pytest.raises(DatasetError, match="'2009_99'") as caught:
        load_dataset(voc)
    assert caught.value.line == 2


# labelme.


@pytest.fixture
def voc_of_labelme(tmp_path: Path, save: Save) -> Path:
    """What `labelme2voc.py` makes of two images, one without shapes."""
    root = tmp_path / "data_dataset_voc"
    for name, value in (("a", 2), ("b", 255)):
        save(root / f"JPEGImages/{name}.jpg")
        save(root / f"SegmentationClass/{name}.png", np.full((4, 6), value, np.uint8), palette=True)
    save(root / "SegmentationObject/a.png", np.ones((4, 6), np.uint8), palette=True)
    (root / "class_names.txt").write_text("_background_\npotted plant\ntv/monitor\n")
    return root


def test_labelme(voc_of_labelme: Path) -> None:
    dataset = load_dataset(voc_of_labelme)
    assert dataset.layout == "labelme"
    assert dataset.classes.names == ("_background_", "potted plant", "tv/monitor")
    assert (dataset.classes.policy, dataset.classes.background) == ("points", 0)
    assert [np.unique(labels(dataset, name)).tolist() for name in ("a.jpg", "b.jpg")] == [[2], [255]]
    assert [item.instances is not None for item in dataset.items] == [True, False]
    (voc_of_labelme / "class_names.txt").write_text("soil\nleaf\nberry\n")
    assert load_dataset(voc_of_labelme).classes.policy == "none"
    (voc_of_labelme / "class_names.txt").write_text("soil\nleaf\n")
    with pytest.raises(MaskError, match="value 2 on 24 pixels"):
        labels(load_dataset(voc_of_labelme), "a.jpg")


def test_labelme_of_earlier_versions(voc_of_labelme: Path) -> None:
    """Beside arrays of NumPy, PNG were in folders of their own."""
    (voc_of_labelme / "SegmentationClass").rename(voc_of_labelme / "SegmentationClassPNG")
    (voc_of_labelme / "SegmentationClass").mkdir()
    np.save(voc_of_labelme / "SegmentationClass" / "a.npy", np.full((4, 6), 2))
    assert np.unique(labels(load_dataset(voc_of_labelme), "a.jpg")).tolist() == [2]


def test_names_of_labelme_that_cannot_be(voc_of_labelme: Path) -> None:
    (voc_of_labelme / "class_names.txt").write_text("leaf\nleaf\n")
    with pytest.raises(DatasetError, match=r"class_names\.txt, field 'classes'.*'leaf' is listed twice"):
        load_dataset(voc_of_labelme)


def test_lists_of_voc_decide(voc_of_labelme: Path) -> None:
    (voc_of_labelme / "ImageSets/Segmentation").mkdir(parents=True)
    assert load_dataset(voc_of_labelme).layout == "voc"
