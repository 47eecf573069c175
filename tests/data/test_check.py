from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pointillist.data.check import Report, check
from pointillist.data.duplicates import fingerprint, near_pairs, same_groups
from pointillist.data.layouts import load_dataset

Save = Callable[..., Path]


def picture(seed: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Smooth structure, as photographs have."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((*size, 3)), (4, 4, 0))
    noise = (noise - noise.min()) / (noise.max() - noise.min())
    return (noise * 255).astype(np.uint8)


@pytest.fixture
def data(tmp_path: Path, save: Save) -> Path:
    root = tmp_path / "data"
    for index in range(8):
        save(root / f"images/{index}.png", picture(index))
        mask = np.zeros((48, 64), np.uint8)
        mask[:20, :20] = 1
        save(root / f"masks/{index}.png", mask)
    (root / "dataset.yaml").write_text("classes: [ground, leaf]\n")
    (root / "splits").mkdir()
    (root / "splits/train.txt").write_text("0\n1\n2\n3\n4\n")
    (root / "splits/val.txt").write_text("5\n6\n7\n")
    return root


def kinds(report: Report) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in report.findings:
        found.setdefault(finding.kind, []).append(Path(finding.where).name)
    return found


def look(root: Path) -> Report:
    return check(load_dataset(root))


def test_a_sound_data_set_has_no_findings(data: Path) -> None:
    done: list[str] = []
    report = check(load_dataset(data), on_image=done.append)
    assert report.findings == []
    assert len(done) == report.images == report.masks == 8
    assert report.sizes == {(48, 64): 8}
    assert report.pixels == {"leaf": 8 * 400, "ground": 8 * (48 * 64 - 400)}
    assert report.images_with == {"leaf": 8, "ground": 8}
    assert report.splits == {"train": 5, "val": 3}


def test_unreadable_unpaired_and_misfit_files(data: Path, save: Save) -> None:
    (data / "images/0.png").write_bytes(b"")
    (data / "masks/1.png").unlink()
    save(data / "masks/2.png", np.zeros((48, 63), np.uint8))
    save(data / "masks/3.png", np.full((48, 64), 9, np.uint8))
    save(data / "masks/4.png", np.full((48, 64), 255, np.uint8))
    save(data / "masks/more.png", np.zeros((48, 64), np.uint8))
    found = kinds(look(data))
    assert found["unreadable image"] == ["0.png"]
    assert found["image without mask"] == ["1.png"]
    assert found["mask of another size"] == ["2.png"]
    assert found["bad mask"] == ["3.png"]
    assert found["empty mask"] == ["4.png"]
    assert found["mask without image"] == ["more.png"]
    assert look(data).errors == 3


def test_imbalance(data: Path, save: Save) -> None:
    (data / "dataset.yaml").write_text("classes: [ground, leaf, fly, moth, bird]\n")
    mask = np.zeros((48, 64), np.uint8)
    mask[0, :4], mask[10:20, :] = 2, 3
    save(data / "masks/0.png", mask)
    report = look(data)
    assert kinds(report) == {"rare class": ["fly", "moth"], "class without pixels": ["bird"]}
    details = {finding.where: finding.detail for finding in report.findings}
    assert details["fly"] == "0.016% of the pixels."
    assert details["moth"] == "in 1 image(s) only."


def test_clicks(data: Path) -> None:
    (data / "points.csv").write_text("image,x,y,class\n" + "".join(f"{i}.png,30.5,30.5,ground\n" for i in range(7)))
    report = look(data)
    assert kinds(report) == {"image without clicks": ["7.png"], "class without clicks": ["leaf"]}
    assert report.clicks == {"ground": 7}
    (data / "dataset.yaml").write_text("classes: [ground, leaf]\nbackground: {policy: border, class: leaf}\n")
    assert "class without clicks" not in kinds(look(data))


def test_an_image_in_two_splits_is_a_leak(data: Path) -> None:
    (data / "splits/val.txt").write_text("4\n5\n")
    report = look(data)
    assert kinds(report) == {"leak between splits": ["4.png"]}
    assert report.errors == 1


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_the_same_pixels_under_another_name_are_a_leak(data: Path, save: Save, suffix: str) -> None:
    (data / "images/6.png").unlink()
    save(data / f"images/6.{suffix}", picture(2))
    found = kinds(look(data))
    assert found == {"identical images": ["2.png"], "leak between splits": [f"6.{suffix}"]}


def test_near_duplicates_survive_size_compression_and_light(data: Path) -> None:
    original = Image.fromarray(picture(2))
    (data / "images/5.png").unlink()
    original.save(data / "images/5.jpg", quality=60)
    brighter = np.clip(picture(3).astype(float) * 1.03 + 2, 0, 255).astype(np.uint8)
    Image.fromarray(brighter).save(data / "images/6.png")
    large = Image.fromarray(ndimage.zoom(picture(4), (4, 4, 1), order=1))
    large.save(data / "images/4.png")
    large.resize((128, 96)).save(data / "images/7.png")
    for name, size in (("4", (192, 256)), ("7", (96, 128))):
        Image.fromarray(np.zeros(size, np.uint8)).save(data / f"masks/{name}.png")
    report = look(data)
    found = kinds(report)
    assert found["near-duplicate between splits"] == ["5.jpg", "6.png", "7.png"]
    assert report.errors == 0
    assert "looks like '2.png'" in next(f.detail for f in report.findings if f.where == "5.jpg")


def test_different_pictures_do_not_look_alike() -> None:
    prints = {str(seed): fingerprint(picture(seed)) for seed in range(120)}
    left = {name: prints[name] for name in list(prints)[:60]}
    right = {name: prints[name] for name in list(prints)[60:]}
    assert list(near_pairs(left, right)) == []
    assert same_groups(prints) == []


def test_flat_pictures_of_different_colours_do_not_look_alike() -> None:
    flat = {str(level): fingerprint(np.full((20, 30, 3), level, np.uint8)) for level in (0, 60, 120, 250)}
    assert list(near_pairs({"0": flat["0"]}, {name: flat[name] for name in ("60", "120", "250")})) == []
    assert [pair[:2] for pair in near_pairs({"0": flat["0"]}, {"again": flat["0"]})] == [("0", "again")]
    assert list(near_pairs({}, flat)) == list(near_pairs(flat, {})) == []


def test_the_same_bytes_in_another_shape_are_another_image() -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    assert fingerprint(pixels).digest != fingerprint(pixels.reshape(6, 4, 3)).digest


def test_a_check_changes_nothing(data: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    look(data)
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before


# The command.


def test_the_command_prints_tables_and_writes_json(cli, data: Path, tmp_path: Path) -> None:
    result = cli("data", "check", data, "--json", tmp_path / "report.json")
    assert result.code == 0, result.err
    assert "nothing wrong was found" in result.out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["pixels"]["leaf"] == 3200
    assert report["sizes"] == {"48x64": 8}
    assert report["findings"] == []


def test_the_command_fails_on_errors(cli, data: Path) -> None:
    (data / "splits/val.txt").write_text("4\n5\n")
    result = cli("data", "check", data)
    assert result.code == 1
    assert "leak between splits" in result.out
    assert "Traceback" not in result.err
