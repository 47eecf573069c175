"""What is input and what is left out of a folder: drawn trees against rules written down here a second time."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from pointillist.annotator.folder import open_folder
from pointillist.data.folders import IMAGE_SUFFIXES, NAMED, LeftOut, describe, look_through
from pointillist.data.images import SUFFIXES
from pointillist.data.layouts import load_dataset
from pointillist.data.listing import find_images
from pointillist.data.outputs import LOG, MANIFEST
from pointillist.errors import DatasetError

NAMES = ["soil", "berry"]
UNREAD = sorted(IMAGE_SUFFIXES - SUFFIXES)


def touch(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("seed", range(4))
def test_every_file_is_an_image_or_left_out_and_counted(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    endings = [*sorted(SUFFIXES), *random.choice(UNREAD, 3), ".txt", ".csv", ".json", ".md", ""]
    images, unread, hidden, other = set(), [], set(), 0
    for number in range(60):
        ending = str(random.choice(endings))
        ending = ending.upper() if random.random() < 0.3 else ending
        below = str(random.choice(["", "a/", "a/b c/"]))
        dot = str(random.choice(["", "", "", ".", "._"]))
        touch(tmp_path / f"{below}{dot}{number}{ending}")
        if ending.lower() not in IMAGE_SUFFIXES:
            other += 1
        elif dot:
            hidden.add(f"{below}{dot}{number}{ending}")
        elif ending.lower() in SUFFIXES:
            images.add(f"{below}{number}{ending}")
        else:
            unread.append(ending.lower())
    found = find_images(tmp_path)
    assert list(found.images) == sorted(images)
    counts = {ending: unread.count(ending) for ending in unread} | ({"hidden image": len(hidden)} if hidden else {})
    assert found.left_out.files == counts
    assert set(found.left_out.names.get("hidden image", ())) <= hidden
    assert found.left_out.other == other
    line = describe(len(images), found.left_out)
    for ending in unread:
        assert f"{unread.count(ending)} {ending}" in line


def run_directory(folder: Path) -> None:
    touch(folder / "config.yaml", "format: 1\npointillist: 0.2.0\ndataset: {}\n")


def predictions(folder: Path) -> None:
    touch(folder / MANIFEST, '{"pointillist": "0.2.0", "model_sha256": "0"}\n')


def unfinished(folder: Path) -> None:
    touch(folder / LOG, '{"model_sha256": "0", "results": []}\n')


OWN = {"run directory": [run_directory], "folder of predictions": [predictions, unfinished]}
SYSTEM = {
    "thumbnail folder": ["@eaDir", ".thumbnails"],
    "system folder": ["__MACOSX", "#recycle", "$RECYCLE.BIN", "System Volume Information"],
}


@pytest.mark.parametrize("below", ["", "deep/er/"])
def test_folders_of_systems_and_own_results_are_no_input_and_named(tmp_path: Path, below: str) -> None:
    touch(tmp_path / "a.png")
    expected = {reason: len(names) for reason, names in SYSTEM.items()}
    for names in SYSTEM.values():
        for name in names:
            touch(tmp_path / below / name / "x" / "a.png")
    for reason, makers in OWN.items():
        expected[reason] = len(makers)
        for number, make in enumerate(makers):
            folder = tmp_path / below / f"{reason} {number}"
            make(folder)
            touch(folder / "x" / "a.png")
    found = find_images(tmp_path)
    assert list(found.images) == ["a.png"]
    assert found.left_out.folders == expected
    assert found.left_out.files == {}


@pytest.mark.parametrize("make", [run_directory, predictions, unfinished])
def test_a_folder_of_results_alone_holds_no_images(tmp_path: Path, make) -> None:
    make(tmp_path)
    touch(tmp_path / "a.png")
    with pytest.raises(DatasetError, match=r"holds no images; 1 (run directory|folder of predictions) left out"):
        find_images(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [(MANIFEST, "[]"), (MANIFEST, '{"files": ["a.png"]}'), (LOG, "began at noon"), ("config.yaml", "lr: 1\n")],
)
def test_files_of_others_with_these_names_change_nothing(tmp_path: Path, name: str, text: str) -> None:
    touch(tmp_path / "in" / name, text)
    touch(tmp_path / "in" / "a.png")
    assert list(find_images(tmp_path).images) == ["in/a.png"]


def test_results_among_images_are_told_apart_by_the_manifest(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a_overlay.jpg", "old.png", "b.png"):
        touch(tmp_path / "in" / name)
    entry = {"image": "a.jpg", "state": [1, 2], "height": 1, "width": 1, "labels": "a.png", "overlay": "a_overlay.jpg"}
    about = {"pointillist": "1", "model_sha256": "0", "among_images": True, "earlier_results": ["old.png"]}
    touch(tmp_path / "in" / MANIFEST, "".join(json.dumps(line) + "\n" for line in (about, entry)))
    found = find_images(tmp_path)
    assert list(found.images) == ["in/a.jpg", "in/b.png"]
    assert found.left_out.files == {"result of predict": 3}
    assert len(find_images(tmp_path, masks=True).images) == 5  # label maps can be masks
    (tmp_path / "in" / MANIFEST).unlink()
    touch(tmp_path / "in" / LOG, "".join(json.dumps(line) + "\n" for line in (about, entry)) + '{"image": "b')
    assert list(find_images(tmp_path).images) == ["in/a.jpg", "in/b.png"]


def test_predictions_can_be_masks(tmp_path: Path, save) -> None:
    save(tmp_path / "images/a.png")
    save(tmp_path / "teacher/a.png", np.ones((4, 6), np.uint8))
    predictions(tmp_path / "teacher")
    touch(tmp_path / "dataset.yaml", "classes: [soil, berry]\npaths: {masks: teacher}\n")
    dataset = load_dataset(tmp_path)
    assert dataset.masks.read(dataset.items[0].mask, (4, 6)).all()


def test_images_of_a_layout_without_a_mask_are_counted(tmp_path: Path, save) -> None:
    for name in "abc":
        save(tmp_path / f"JPEGImages/{name}.jpg")
    touch(tmp_path / "JPEGImages/d.psd")
    save(tmp_path / "SegmentationClass/a.png", np.zeros((4, 6), np.uint8), palette=True)
    touch(tmp_path / "ImageSets/Segmentation/train.txt", "b\n")
    dataset = load_dataset(tmp_path)
    assert [item.name for item in dataset.items] == ["a.jpg", "b.jpg"]
    assert dataset.left_out.files == {"image without mask or split": 1, ".psd": 1}


@pytest.mark.skipif(os.name == "nt", reason="no such files on Windows")
def test_what_never_ends_and_what_nobody_may_read_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    for name in ("b.png", MANIFEST, LOG, "config.yaml"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "ring.png").symlink_to(tmp_path / "ring.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found = find_images(tmp_path)
    assert list(found.images) == ["a.png", "gone.png", "ring.png"]  # reading it is an error that names it
    assert found.left_out.files == {"device or pipe": 1}


def test_many_are_counted_and_some_are_named(tmp_path: Path) -> None:
    for number in range(NAMED + 5):
        touch(tmp_path / f"{number:03}.psd")
    left_out = look_through(tmp_path).left_out
    assert left_out.files == {".psd": NAMED + 5}
    assert len(left_out.names[".psd"]) == NAMED
    more = LeftOut()
    more.include(left_out, "one/")
    more.include(left_out, "two/")
    assert more.files == {".psd": 2 * (NAMED + 5)}
    assert len(more.names[".psd"]) == NAMED
    assert all(name.startswith("one/") for name in more.names[".psd"])


def test_the_line_for_people() -> None:
    left_out = LeftOut()
    assert describe(2, left_out) == "2 images"
    left_out.add(".heic", "a.heic")
    assert describe(1, left_out) == "1 image; 1 .heic (install pillow-heif) left out"
    left_out.add(".psd", "a.psd")
    left_out.add(".psd", "b.psd")
    left_out.add("thumbnail folder", "@eaDir", folder=True)
    assert describe(2000, left_out) == (
        "2,000 images; 3 files and 1 folder left out: 2 .psd, 1 .heic (install pillow-heif), 1 thumbnail folder"
    )


@pytest.mark.parametrize("images", [".", "photos", "photos/.."])
@pytest.mark.parametrize("masks", ["masks", "photos/truth", "./photos/../photos/truth/"])
def test_masks_among_the_images_are_no_images(tmp_path: Path, save, images: str, masks: str) -> None:
    prefix = "" if images == "photos" else "photos/"
    save(tmp_path / "photos/a.jpg")
    save(tmp_path / masks / f"{prefix}a.png", np.zeros((4, 6), np.uint8))
    touch(tmp_path / "dataset.yaml", json.dumps({"classes": NAMES, "paths": {"images": images, "masks": masks}}))
    (item,) = load_dataset(tmp_path).items
    assert item.name == f"{prefix}a.jpg"
    assert item.mask is not None
    assert list(open_folder(tmp_path).images) == [f"{prefix}a.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes exist on Linux")
def test_names_that_are_no_text_can_be_written_down(cli, berries: Path, tmp_path: Path) -> None:
    for name in (b"/\xff.psd", b"/.\xfe.png"):
        Path(os.fsdecode(os.fsencode(berries / "images") + name)).write_bytes(b"")
    result = cli("data", "check", berries, "--json", tmp_path / "report.json")
    assert "Traceback" not in result.err
    assert "2 files left out: 1 .psd, 1 hidden image" in result.out
    assert json.loads((tmp_path / "report.json").read_text())["left_out"]["names"][".psd"] == ["?.psd"]
