from __future__ import annotations

import errno
import filecmp
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.data.convert import convert
from pointillist.data.images import image_size
from pointillist.data.layouts import load_dataset
from pointillist.data.simulated import simulate_dataset
from pointillist.errors import DatasetError, ImageError, MaskError, SaveError

Save = Callable[..., Path]


@pytest.fixture
def camvid(tmp_path: Path, save: Save) -> Path:
    root = tmp_path / "camvid"
    rng = np.random.default_rng(0)
    for split, name in (("train", "a"), ("train", "b"), ("val", "a")):
        save(root / f"{split}/{name}.png", (20, 30))
        save(root / f"{split}annot/{name}.png", rng.integers(0, 12, (20, 30), dtype=np.uint8))
    return root


def test_the_native_folder_holds_the_same(camvid: Path, tmp_path: Path) -> None:
    before = load_dataset(camvid)
    done: list[str] = []
    result = convert(before, tmp_path / "out", on_image=done.append)
    after = load_dataset(tmp_path / "out")
    assert (result.images, result.masks, result.points, result.rejected) == (3, 3, 0, 0)
    assert done == [item.name for item in before.items]
    assert after.layout == "folder"
    assert after.splits == before.splits
    assert after.classes.names == before.classes.names
    assert after.classes.colors == before.classes.colors
    assert after.classes.policy == "none"
    by_name = {item.name: item for item in after.items}
    for item in before.items:
        other = by_name[item.name]
        assert filecmp.cmp(item.file, other.file, shallow=False)
        size = image_size(item.image)
        np.testing.assert_array_equal(before.masks.read(item.mask, size), after.masks.read(other.mask, size))


def test_clicks_go_along_and_those_left_out_are_counted(berries: Path, tmp_path: Path) -> None:
    before = load_dataset(berries)
    assert convert(before, tmp_path / "out").points == 6
    assert load_dataset(tmp_path / "out").points == before.points
    again = convert(load_dataset(tmp_path / "out"), tmp_path / "again")
    assert again.points == 6
    assert (tmp_path / "out/points.csv").read_bytes() == (tmp_path / "again/points.csv").read_bytes()


def test_instances_go_along(tmp_path: Path, save: Save) -> None:
    ids = np.zeros((20, 40), np.uint16)
    ids[5:15, 5:15], ids[5:15, 15:25] = 7, 300
    save(tmp_path / "in/images/a.png", (20, 40))
    save(tmp_path / "in/masks/a.png", (ids > 0).astype(np.uint8))
    save(tmp_path / "in/instances/a.png", ids)
    (tmp_path / "in/dataset.yaml").write_text("classes: [ground, leaf]\n")
    before = load_dataset(tmp_path / "in")
    assert simulate_dataset(before).counts()["leaf"] == 2
    convert(before, tmp_path / "out")
    after = load_dataset(tmp_path / "out")
    assert np.unique(np.asarray(Image.open(tmp_path / "out/instances/a.png"))).tolist() == [0, 1, 2]
    assert simulate_dataset(after) == simulate_dataset(before)


def test_windows_are_cut_out(tmp_path: Path, save: Save) -> None:
    pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")
    for number in (1, 6):
        save(tmp_path / f"in/train/images/austin{number}.tif", (600, 500))
        save(tmp_path / f"in/train/gt/austin{number}.tif", np.full((600, 500), 255 * (number == 6), np.uint8))
    result = convert(load_dataset(tmp_path / "in"), tmp_path / "out")
    assert result.images == 4
    after = load_dataset(tmp_path / "out")
    assert after.split("train")[1].name == "austin6/y0500_x0000.png"
    assert image_size(after.split("train")[1].image) == (100, 500)
    mask = after.masks.read(after.split("train")[1].mask, (100, 500))
    assert (mask == 1).all()


def test_a_mask_that_is_wrong_leaves_nothing(camvid: Path, tmp_path: Path, save: Save) -> None:
    save(camvid / "valannot/a.png", np.full((20, 30), 77, np.uint8))
    with pytest.raises(MaskError, match="value 77"):
        convert(load_dataset(camvid), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["camvid"]


def test_an_image_that_is_wrong_leaves_nothing(camvid: Path, tmp_path: Path) -> None:
    (camvid / "val/a.png").write_bytes(b"")
    with pytest.raises(ImageError):
        convert(load_dataset(camvid), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["camvid"]


def test_a_full_disk_leaves_nothing(camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = []

    def copyfile(source: Path, target: Path) -> None:
        copied.append(target)
        if len(copied) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    with pytest.raises(SaveError, match="No space left"):
        convert(load_dataset(camvid), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["camvid"]


def test_an_existing_folder_is_left_alone(camvid: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(SaveError, match="is there already"):
        convert(load_dataset(camvid), tmp_path / "out")


def test_names_that_mean_something_else_in_a_native_folder_are_refused(camvid: Path, tmp_path: Path) -> None:
    (camvid / "val/a.png").rename(camvid / "val/#a.png")
    (camvid / "valannot/a.png").rename(camvid / "valannot/#a.png")
    convert(load_dataset(camvid), tmp_path / "fine")  # `val/#a.png` does not begin with it
    (tmp_path / "flat/images").mkdir(parents=True)
    shutil.copyfile(camvid / "val/#a.png", tmp_path / "flat/images/#a.png")
    shutil.copyfile(camvid / "train/a.png", tmp_path / "flat/images/b.png")
    (tmp_path / "flat/dataset.yaml").write_text("classes: [a, b]\n")
    (tmp_path / "flat/splits").mkdir()
    (tmp_path / "flat/splits/train.txt").write_text("*\n")
    with pytest.raises(DatasetError, match="would not open as the same"):
        convert(load_dataset(tmp_path / "flat"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command(cli, camvid: Path, tmp_path: Path) -> None:
    result = cli("data", "convert", camvid, "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert "3 images, 3 masks, 0 clicks" in result.out
    again = cli("data", "convert", camvid, "--out", tmp_path / "out")
    assert again.code == 2
    assert "is there already" in again.err
