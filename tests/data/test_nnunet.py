"""nnU-Net's raw data sets, read and written; tests/peers has the real package read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pointillist.classes import ClassSet
from pointillist.cli import app
from pointillist.data.convert import convert, writable
from pointillist.data.dataset import Dataset
from pointillist.data.layouts import load_dataset, open_dataset
from pointillist.data.layouts.nnunet import Numbers
from pointillist.errors import DatasetError

Save = Callable[..., Path]


def labels_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_clicks_become_labels_and_all_else_is_ignored(berries: Path, tmp_path: Path) -> None:
    data, out = load_dataset(berries), tmp_path / "Dataset001_Berries"
    done = convert(data, out, to="nnunet")
    described = json.loads((out / "dataset.json").read_text())
    assert described["labels"] == {"background": 0, "berry": 1, "ignore": 2}
    assert described["numTraining"] == len(list((out / "labelsTr").iterdir()))
    assert done.points == sum(len(data.points.of(item.name)) for item in data.split("train"))
    for item in data.split("train"):
        case = item.name.rsplit(".", 1)[0].replace("/", "__")
        expected = np.full((10, 12), 2)
        for point in data.points.of(item.name):
            expected[int(point.y), int(point.x)] = data.classes.index(point.label)
        np.testing.assert_array_equal(labels_of(out / "labelsTr" / f"{case}.png"), expected)
        image = labels_of(out / "imagesTr" / f"{case}_0000.png")
        np.testing.assert_array_equal(image, np.asarray(Image.open(item.file)))


def test_images_to_score_keep_their_masks(berries: Path, tmp_path: Path) -> None:
    data, out = load_dataset(berries), tmp_path / "out"
    convert(data, out, to="nnunet")
    trained = {item.name for item in data.split("train")}
    scored = [item for item in data.items if item.name not in trained]
    assert scored
    assert len(list((out / "imagesTs").iterdir())) == len(scored)
    for item in scored:
        case = item.name.rsplit(".", 1)[0].replace("/", "__")
        mask = np.asarray(Image.open(item.mask)).copy()
        mask[mask == 255] = 2
        np.testing.assert_array_equal(labels_of(out / "labelsTs" / f"{case}.png"), mask)


def test_what_is_written_opens_again(berries: Path, tmp_path: Path) -> None:
    data, out = open_dataset(berries), tmp_path / "out"  # without clicks, so that masks are the labels
    done = convert(data, out, to="nnunet")
    assert (done.images, done.masks, done.points, done.left_out) == (3, 3, 0, ())
    again = load_dataset(out)
    assert again.layout == "nnunet"
    assert again.classes.names == ("background", "berry")
    assert {split: len(names) for split, names in again.splits.items()} == {
        "train": len(data.split("train")),
        "test": 3 - len(data.split("train")),
    }
    mask_of = {item.name: item.mask for item in again.items}
    for item in data.items:
        part = "Tr" if item in data.split("train") else "Ts"
        name = f"images{part}/{item.name.rsplit('.', 1)[0].replace('/', '__')}_0000.png"
        np.testing.assert_array_equal(
            again.masks.read(mask_of[name], (10, 12)), data.masks.read(item.mask, (10, 12)), err_msg=name
        )


def test_images_without_labels_are_left_out_and_named(berries: Path, tmp_path: Path) -> None:
    rows = (berries / "points.csv").read_text().splitlines()
    data = load_dataset(berries)
    first, *others = [item.name for item in data.split("train")]
    (berries / "points.csv").write_text("\n".join(row for row in rows if not row.startswith(others[0])) + "\n")
    done = convert(load_dataset(berries), tmp_path / "out", to="nnunet")
    assert done.left_out == (others[0],)
    assert first not in done.left_out
    result = CliRunner().invoke(
        app, ["data", "convert", str(berries), "--out", str(tmp_path / "again"), "--to", "nnunet"]
    )
    assert result.exit_code == 0, result.output
    assert f"left out 1 image to learn from without a label, the first is {others[0]}" in result.output


def test_other_bands_are_a_file_each(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(2):
        picture = Image.fromarray(rng.integers(0, 60_000, (10, 12), dtype=np.uint16))
        (tmp_path / "in/images").mkdir(parents=True, exist_ok=True)
        picture.save(tmp_path / f"in/images/{index}.png")
    (tmp_path / "in/dataset.yaml").write_text("classes: [soil, crop]\nbands: {range: [0, 65535]}\n")
    (tmp_path / "in/points.csv").write_text("image,x,y,class\n0.png,1.5,1.5,crop\n1.png,2.5,1.5,soil\n")
    convert(load_dataset(tmp_path / "in"), tmp_path / "out", to="nnunet")
    for index in range(2):
        written, before = (
            labels_of(tmp_path / p) for p in (f"out/imagesTr/{index}_0000.png", f"in/images/{index}.png")
        )
        assert written.dtype == np.uint16
        np.testing.assert_array_equal(written, before)


@pytest.mark.parametrize("policy", ["points", "none"])
def test_label_0_is_background_alone(policy: str) -> None:
    classes = ClassSet.create(
        ["crop", "soil", "weed"], policy=policy, background="soil" if policy == "points" else None
    )
    numbers = Numbers(classes)
    drawn = numbers.drawn(np.array([[0, 1, 2, 255]], np.uint8)).tolist()[0]
    if policy == "points":
        assert numbers.table() == {"background": 0, "crop": 1, "weed": 2, "ignore": 3}
        assert drawn == [1, 0, 2, 3]
    else:
        assert numbers.table() == {"background": 0, "crop": 1, "soil": 2, "weed": 3, "ignore": 4}
        assert drawn == [1, 2, 3, 4]


def test_names_that_become_one_are_refused(berries: Path, tmp_path: Path, save: Save) -> None:
    save(berries / "images" / "A.PNG", (10, 12))
    with (berries / "points.csv").open("a") as file:
        file.write("A.PNG,1.5,1.5,berry\n")
    (berries / "splits" / "train.txt").write_text("a.jpg\nA.PNG\n")
    with pytest.raises(DatasetError, match="both be the case"):
        convert(load_dataset(berries), tmp_path / "out", to="nnunet")
    assert not (tmp_path / "out").exists()


def test_a_class_may_not_have_nnunets_names() -> None:
    with pytest.raises(DatasetError, match="keeps for itself"):
        Numbers(ClassSet.create(["soil", "ignore"])).table()


def test_more_labels_than_a_byte_holds_are_refused() -> None:
    Numbers(ClassSet.create([f"class {index}" for index in range(255)])).table()
    with pytest.raises(DatasetError, match="8 bits"):
        Numbers(ClassSet.create([f"class {index}" for index in range(255)], policy="none")).table()


def test_nothing_to_learn_from_is_an_error(berries: Path, tmp_path: Path) -> None:
    data = open_dataset(berries)
    for item in data.split("train"):
        item.mask.unlink()
    with pytest.raises(DatasetError, match="no image to learn from"):
        convert(open_dataset(berries), tmp_path / "out", to="nnunet")


@pytest.fixture
def foreign(tmp_path: Path, save: Save) -> Path:
    """As nnU-Net's users have it: regions of an image called 3, 7; a label that is not learnt from."""
    root = tmp_path / "Dataset007_Roads"
    for part, case in (("Tr", "img-1"), ("Tr", "img-2"), ("Ts", "img-1")):
        save(root / f"images{part}" / f"{case}_0000.png", (8, 9))
        mask = np.zeros((8, 9), np.uint8)
        mask[2:4], mask[6] = 1, 2
        save(root / f"labels{part}" / f"{case}.png", mask)
    described = {
        "channel_names": {"0": "R", "1": "G", "2": "B"},
        "labels": {"background": 0, "road": 1, "ignore": 2},
        "numTraining": 2,
        "file_ending": ".png",
    }
    (root / "dataset.json").write_text(json.dumps(described))
    return root


def test_a_data_set_of_nnunet_opens(foreign: Path) -> None:
    data = load_dataset(foreign)
    assert [item.name for item in data.items] == [
        "imagesTr/img-1_0000.png",
        "imagesTr/img-2_0000.png",
        "imagesTs/img-1_0000.png",
    ]
    assert (len(data.split("train")), len(data.split("test"))) == (2, 1)
    mask = data.masks.read(data.items[0].mask, (8, 9))
    assert (mask[3, 0], mask[6, 0], mask[7, 0]) == (1, 255, 0)
    converted = convert(data, foreign.parent / "native")
    assert (converted.images, converted.masks) == (3, 3)


def described_as(root: Path, **changes: object) -> None:
    content = json.loads((root / "dataset.json").read_text())
    (root / "dataset.json").write_text(json.dumps({**content, **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file_ending": ".nii.gz"}, "no volumes"),
        ({"file_ending": 3}, "file_ending"),
        ({"labels": {"background": 0, "tumour": [1, 2]}}, "region of several labels"),
        ({"labels": {"background": 0, "road": 1, "street": 1}}, "has the label 1 of 'road'"),
        ({"labels": {"background": 0, "road": "1"}}, "no number"),
        ({"labels": {"background": 0, "road": 10**30}}, "which no mask holds"),
        ({"labels": {"background": 0, "road": -1}}, "which no mask holds"),
        ({"labels": None}, "'labels' is missing"),
        ({"labels": {"background": 0}}, "at least two"),
    ],
)
def test_what_does_not_fit_is_named(foreign: Path, changes: dict[str, object], message: str) -> None:
    described_as(foreign, **changes)
    with pytest.raises(DatasetError) as caught:
        load_dataset(foreign)
    assert message in str(caught.value)


def test_a_file_for_each_band_is_not_read(foreign: Path, save: Save) -> None:
    save(foreign / "imagesTr" / "img-1_0001.png", (8, 9))
    with pytest.raises(DatasetError, match="several files"):
        load_dataset(foreign)


def test_a_name_without_a_number_is_named(foreign: Path, save: Save) -> None:
    save(foreign / "imagesTr" / "img-3.png", (8, 9))
    with pytest.raises(DatasetError, match=r"no name of an image"):
        load_dataset(foreign)


def test_only_layouts_that_can_be_written_are_offered(berries: Path, tmp_path: Path) -> None:
    assert writable() == ["folder", "nnunet"]
    for name in ("voc", "nnunett"):
        with pytest.raises(DatasetError, match="no layout that can be written") as caught:
            convert(load_dataset(berries), tmp_path / "out", to=name)
        assert "nnunet" in caught.value.hint


def test_a_data_set_in_memory_says_why_it_cannot(tmp_path: Path) -> None:
    data = Dataset.from_arrays([np.zeros((8, 8, 3), np.uint8)] * 2, [[], []], ["soil", "crop"])
    with pytest.raises(DatasetError, match="no files to copy"):
        convert(data, tmp_path / "out", to="nnunet")
