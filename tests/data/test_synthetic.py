from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy import ndimage

from pointillist.data.synthetic import (
    CLASSES,
    DEFAULTS,
    VALIDATION_START,
    draw_scene,
    parameters_hash,
    write_dataset,
)
from pointillist.data.synthetic.scene_parameters import BUILDING, CAR, GROUND, ROAD, TREE, WATER, SceneParameters
from pointillist.data.synthetic.scenery import Band, Canvas, blob, coverage, noise, rectangle, turned
from pointillist.errors import ConfigError, DatasetError, SaveError
from pointillist.points.simulate import simulate

SMALL = SceneParameters(height=48, width=64)


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "village", seed=3, train=6, val=3, parameters=SMALL)


# Scenes.


def test_class_indices_are_those_of_the_class_set() -> None:
    names = {GROUND: "ground", ROAD: "road", BUILDING: "building", TREE: "tree", WATER: "water", CAR: "car"}
    assert [names[index] for index in range(len(CLASSES))] == list(CLASSES)
    assert CLASSES.background == GROUND
    assert CLASSES.policy == "points"


@pytest.mark.parametrize("index", [0, 1, VALIDATION_START])
def test_scene_has_the_promised_form(index: int) -> None:
    scene = draw_scene(0, index)
    assert scene.image.shape == (DEFAULTS.height, DEFAULTS.width, 3)
    assert scene.mask.shape == (DEFAULTS.height, DEFAULTS.width)
    assert scene.image.dtype == scene.mask.dtype == np.uint8
    assert scene.mask.max() < len(CLASSES)


def test_scene_depends_on_seed_and_index_alone() -> None:
    first = draw_scene(0, 5)
    draw_scene(1, 2)
    again = draw_scene(0, 5)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.mask, again.mask)
    for other in (draw_scene(1, 5), draw_scene(0, 6)):
        assert (first.mask != other.mask).mean() > 0.05


def test_frozen_scene() -> None:
    """Whoever changes what is drawn meets this test: raise `VERSION`, then the figures here.

    The mask must be the same to the pixel everywhere; the image may differ where mathematics libraries round.
    """
    scene = draw_scene(0, 0)
    assert parameters_hash() == "86bab0f151b7"
    assert hashlib.sha256(scene.mask.tobytes()).hexdigest()[:16] == "67a4552523aa9d90"
    np.testing.assert_allclose(scene.image.mean((0, 1)), [134.47, 123.79, 87.31], atol=0.05)
    np.testing.assert_allclose(
        scene.image[::40, ::50, 1],
        [[125, 166, 122, 147], [124, 125, 156, 126], [148, 104, 96, 160], [139, 174, 112, 133]],
        atol=2,
    )


def test_hash_names_every_parameter_and_the_size_is_one() -> None:
    seen = {parameters_hash()}
    for field in dataclasses.fields(SceneParameters):
        value = getattr(DEFAULTS, field.name)
        changed = value[::-1] + value[:1] if isinstance(value, tuple) else value + 1
        seen.add(parameters_hash(dataclasses.replace(DEFAULTS, **{field.name: changed})))
    assert len(seen) == 1 + len(dataclasses.fields(SceneParameters))
    assert all(len(name) == 12 for name in seen)
    assert draw_scene(0, 0, SMALL).mask.shape == (48, 64)


def test_every_class_is_common_and_can_be_clicked() -> None:
    scenes = [draw_scene(0, index) for index in range(40)]
    shares = np.bincount(np.concatenate([scene.mask.ravel() for scene in scenes]), minlength=6) / (40 * 128 * 160)
    assert shares[GROUND] == pytest.approx(0.6, abs=0.1)
    assert shares.min() > 0.015
    clicks = [
        simulate(scene.mask, num_classes=6, rng=np.random.default_rng(index))[:, 2]
        for index, scene in enumerate(scenes)
    ]
    present = np.mean([[label in labels for label in range(6)] for labels in clicks], axis=0)
    assert present[GROUND] == 1
    assert present[WATER] > 0.35
    assert min(present[ROAD], present[BUILDING], present[TREE], present[CAR]) > 0.7
    cars = [np.bincount(ndimage.label(scene.mask == CAR, np.ones((3, 3)))[0].ravel())[1:] for scene in scenes]
    assert (np.concatenate(cars) >= 50).mean() > 0.9


def test_colour_alone_misleads() -> None:
    """The best guess from a pixel's colour, learnt from every pixel of 60 masks, stays far from a good segmentation."""

    def colours_and_labels(first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        scenes = [draw_scene(0, index) for index in range(first, first + count)]
        colours = np.stack([scene.image for scene in scenes]).astype(int) // 16 @ [256, 16, 1]
        return colours.ravel(), np.stack([scene.mask for scene in scenes]).ravel()

    colours, labels = colours_and_labels(0, 60)
    counts = np.bincount(colours * 6 + labels, minlength=4096 * 6).reshape(4096, 6)
    colours, labels = colours_and_labels(VALIDATION_START, 25)
    pairs = np.bincount(labels * 6 + counts.argmax(1)[colours], minlength=36).reshape(6, 6)
    iou = np.diag(pairs) / (pairs.sum(0) + pairs.sum(1) - np.diag(pairs))
    assert iou.mean() < 0.62
    assert iou[CAR] < 0.4


def test_edges_of_the_mask_are_edges_of_the_image() -> None:
    """Image and mask agree to the pixel: where the label changes the image changes, much more than one pixel off."""
    strength = []
    for index in range(10):
        scene = draw_scene(0, index)
        step = np.abs(np.diff(scene.image.astype(float), axis=1)).sum(2)
        edge = scene.mask[:, 1:] != scene.mask[:, :-1]
        shifted = [np.roll(edge, offset, axis=1) & ~edge for offset in (-3, -2, 2, 3)]
        strength.append([step[edge].mean(), *(step[other].mean() for other in shifted)])
    mean = np.mean(strength, axis=0)
    assert mean[0] > 1.5 * mean[1:].max()


def test_bad_arguments_of_a_scene() -> None:
    with pytest.raises(ConfigError, match="index of a scene is -1"):
        draw_scene(0, -1)
    with pytest.raises(ConfigError, match="seed is -1"):
        draw_scene(-1, 0)


def test_many_scenes_of_many_sizes_can_be_drawn() -> None:
    for index in range(60):
        size = SceneParameters(height=16 + index, width=90 - index)
        assert np.isfinite(draw_scene(9, index, size).image).all()
    busy = dataclasses.replace(SMALL, roads=(3, 3), road_chance=1.0, buildings=(9, 9), trees=(5, 5), cars=(9, 9))
    empty = dataclasses.replace(
        SMALL,
        **dict.fromkeys(
            ("road_chance", "building_chance", "tree_chance", "car_chance", "pond_chance", "stream_chance"), 0.0
        ),
    )
    assert {len(np.unique(draw_scene(0, index, busy).mask)) for index in range(8)} & {4, 5, 6}
    assert (draw_scene(0, 0, empty).mask == GROUND).all()


def test_two_hundred_scenes_take_seconds() -> None:
    start = time.process_time()
    for index in range(10):
        draw_scene(0, index)
    assert time.process_time() - start < 2  # about 0.03 s each on one quiet core; ten times that is a mistake


# What they are drawn with.


def test_shapes_are_distances() -> None:
    where = Canvas(40, 60).whole
    along, across = turned(where, 30, 20, 0.7)
    box = rectangle(along, across, 12, 6, 2)
    assert (box < 0).sum() == pytest.approx(4 * 12 * 6 - (4 - np.pi) * 4, rel=0.03)
    circle = blob(along, across, 9, [])
    np.testing.assert_allclose(circle, np.hypot(where.x - 30, where.y - 20) - 9)
    for shape in (box, circle):
        slope = np.hypot(*np.gradient(shape))
        assert np.quantile(np.abs(slope - 1), 0.8) < 0.1
    assert coverage(circle).sum() == pytest.approx(np.pi * 81, rel=0.01)


def test_band_places_lie_on_its_middle() -> None:
    band = Band(20, 25, 0.4, 6, 0.05, 1.0, 5)
    canvas = Canvas(60, 60)
    for along, beside in ((0.0, 0.0), (9.0, 4.0), (-7.0, -6.0)):
        x, y, _ = band.place(along, beside)
        window = canvas.around(x, y, 1)
        nearest = np.hypot(window.x - x, window.y - y).argmin()
        assert band.across(window)[1].ravel()[nearest] == pytest.approx(beside, abs=1.2)


def test_paint_and_mask_agree() -> None:
    canvas = Canvas(20, 20)
    circle = blob(*turned(canvas.whole, 9.3, 10.1, 0), 6, [])
    canvas.paint(canvas.whole, circle, np.ones(3), 1)
    np.testing.assert_array_equal(canvas.mask == 1, canvas.color[..., 0] > 0.5)
    before = canvas.mask.copy()
    canvas.shade(canvas.whole, circle, np.full(3, 0.5))
    assert canvas.color.max() == 0.5
    np.testing.assert_array_equal(canvas.mask, before)


def test_windows_are_clipped() -> None:
    canvas = Canvas(10, 20)
    assert canvas.around(0, 0, 3.5).box == (slice(0, 3), slice(0, 3))
    assert canvas.around(-50, 5, 3).x.size == 0
    np.testing.assert_array_equal(canvas.around(19.5, 5, 1).x, [[18.5, 19.5]])


def test_noise_is_smooth_and_of_known_size() -> None:
    field = noise(np.random.default_rng(0), (200, 200), (20, 5))
    assert abs(field.mean()) < 0.1
    assert 0.2 < field.std() < 0.5
    assert np.abs(np.diff(field)).max() < 0.5


# The data set on disk.


def test_folder_holds_what_a_data_set_needs(written: Path) -> None:
    names = [f"village_{index:05d}.png" for index in (*range(6), *range(VALIDATION_START, VALIDATION_START + 3))]
    for kind in ("images", "masks"):
        assert sorted(path.name for path in (written / kind).iterdir()) == names
    assert (written / "splits/train.txt").read_text().splitlines() == names[:6]
    assert (written / "splits/val.txt").read_text().splitlines() == names[6:]
    settings = yaml.safe_load((written / "dataset.yaml").read_text())
    assert [entry["name"] for entry in settings["classes"]] == list(CLASSES)
    assert settings["background"] == "points"
    about = json.loads((written / "synthetic.json").read_text())
    assert about == {
        **{"name": "village", "version": 1, "parameters_hash": parameters_hash(SMALL)},
        **{"seed": 3, "click_protocol": "components", "train": 6, "val": 3},
    }


def test_files_hold_the_scenes(written: Path) -> None:
    for index in (0, VALIDATION_START):
        scene = draw_scene(3, index, SMALL)
        with Image.open(written / f"images/village_{index:05d}.png") as image:
            np.testing.assert_array_equal(np.array(image), scene.image)
        with Image.open(written / f"masks/village_{index:05d}.png") as mask:
            assert mask.mode == "P"
            np.testing.assert_array_equal(np.array(mask), scene.mask)
            palette = np.array(mask.getpalette()[:18]).reshape(6, 3)
        np.testing.assert_array_equal(palette, CLASSES.colors)


def test_points_lie_on_their_class(written: Path) -> None:
    with (written / "points.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["image", "x", "y", "class"]
    assert len({row["image"] for row in rows}) == 9
    for row in rows:
        with Image.open(written / "masks" / row["image"]) as mask:
            value = mask.getpixel((int(float(row["x"])), int(float(row["y"]))))
        assert list(CLASSES)[value] == row["class"]


def test_reads_as_a_data_set(written: Path) -> None:
    from pointillist.data.layouts import load_dataset

    dataset = load_dataset(written)
    assert dataset.classes == CLASSES
    assert (len(dataset.split("train")), len(dataset.split("val"))) == (6, 3)
    assert len(dataset.points) > 20


def test_same_arguments_same_bytes_and_images_are_independent(written: Path, tmp_path: Path) -> None:
    same = write_dataset(tmp_path / "same", seed=3, train=6, val=3, parameters=SMALL)
    assert files(same) == files(written)
    fewer = write_dataset(tmp_path / "fewer", seed=3, train=2, val=1, parameters=SMALL)
    for name, digest in files(fewer).items():
        if name.endswith(".png"):
            assert files(written)[name] == digest
    lines = (written / "points.csv").read_text().splitlines()
    assert set((fewer / "points.csv").read_text().splitlines()) <= set(lines)
    other = write_dataset(tmp_path / "other", seed=4, train=2, val=1, parameters=SMALL)
    assert files(other)["points.csv"] != files(fewer)["points.csv"]


def test_full_target_is_refused_and_empty_one_is_taken(tmp_path: Path) -> None:
    target = tmp_path / "data"
    target.mkdir()
    write_dataset(target, train=1, val=0, parameters=SMALL)
    assert not (target / "splits/val.txt").exists()
    before = files(target)
    with pytest.raises(DatasetError, match="not empty"):
        write_dataset(target, train=1, val=0, parameters=SMALL)
    assert files(target) == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DatasetError, match="not empty"):
        write_dataset(tmp_path / "file", train=1, val=0, parameters=SMALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "file"]


def test_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pointillist.data.synthetic.write_csv", full)
    with pytest.raises(SaveError, match="No space left"):
        write_dataset(tmp_path / "data", train=1, val=1, parameters=SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train": 0}, "0 training"),
        ({"val": -1}, "-1 validation"),
        ({"train": 90_001}, "90001"),
        ({"seed": -1}, "seed"),
    ],
)
def test_impossible_counts(tmp_path: Path, changed: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        write_dataset(tmp_path / "data", **changed)  # type: ignore[arg-type]
    assert not (tmp_path / "data").exists()
