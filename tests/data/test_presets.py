from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pointillist.data.layouts import layouts, load_dataset
from pointillist.data.presets import PRESETS, apply, find_preset, thin_background
from pointillist.errors import ConfigError
from pointillist.points.table import Point, PointTable

Save = Callable[..., Path]


@pytest.fixture
def voc(tmp_path: Path, save: Save) -> Path:
    root = tmp_path / "voc"
    for name in ("2007_01", "2007_02"):
        save(root / f"JPEGImages/{name}.jpg", (60, 80))
        save(root / f"SegmentationClass/{name}.png", np.zeros((60, 80), np.uint8), palette=True)
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/train.txt").write_text("2007_01\n2007_02\n")
    clicks = {
        "2007_01": [
            {"x": 5, "y": 6, "cls": 8, "rank": 1},
            {"x": 50, "y": 6, "cls": 8, "rank": 2},
            {"x": 5, "y": 40, "cls": 12, "rank": 1},
        ]
    }
    (tmp_path / "clicks.json").write_text(json.dumps(clicks))
    return root


@pytest.mark.parametrize("policy", ["points", "border", "none"])
def test_voc_human_clicks_under_each_policy(voc: Path, tmp_path: Path, policy: str) -> None:
    dataset = load_dataset(voc, points=tmp_path / "clicks.json")
    one = apply(find_preset(f"voc-one-point-{policy}"), dataset)
    every = apply(find_preset(f"voc-all-points-{policy}"), dataset)
    assert one.classes.policy == every.classes.policy == policy
    assert [point.label for point in one.points] == ["cat", "dog"]
    assert len(every.points) == 3


def test_a_preset_without_the_clicks_it_needs_says_so(voc: Path) -> None:
    with pytest.raises(ConfigError, match="needs clicks, and there are none"):
        apply(find_preset("voc-one-point-border"), load_dataset(voc))
    table = PointTable([Point("2007_01.jpg", 1, 1, "cat")])
    with pytest.raises(ConfigError, match="needs clicks with a rank"):
        apply(find_preset("voc-one-point-border"), dataclasses.replace(load_dataset(voc), points=table))


def test_a_preset_for_another_layout_says_which_fit(voc: Path) -> None:
    with pytest.raises(ConfigError, match="for the layout 'inria', not 'voc'") as caught:
        apply(find_preset("inria-component"), load_dataset(voc))
    assert "voc-one-point-border" in caught.value.hint
    with pytest.raises(ConfigError) as caught:
        find_preset("voc-one-point-boarder")
    assert "Did you mean 'voc-one-point-border'?" in caught.value.hint


def test_cityscapes_per_class_and_per_instance(tmp_path: Path, save: Save) -> None:
    ids = np.full((40, 80), 7, np.uint8)
    ids[5:15, 5:65] = 26
    instances = ids.astype(np.uint16)
    instances[5:15, 5:35], instances[5:15, 35:65] = 26_000, 26_001
    name = "train/aachen/aachen_000000_000019_"
    save(tmp_path / f"leftImg8bit/{name}leftImg8bit.png", (40, 80))
    save(tmp_path / f"gtFine/{name}gtFine_labelIds.png", ids)
    save(tmp_path / f"gtFine/{name}gtFine_instanceIds.png", instances)
    dataset = load_dataset(tmp_path)
    assert apply(find_preset("cityscapes-point-per-class"), dataset).points.counts() == {"road": 1, "car": 1}
    per_instance = apply(find_preset("cityscapes-point-per-instance"), dataset, seed=3)
    assert per_instance.points.counts() == {"road": 1, "car": 2}
    assert per_instance.points == apply(find_preset("cityscapes-point-per-instance"), dataset, seed=3).points


def test_craid_keeps_as_many_background_clicks_as_berries(tmp_path: Path, save: Save) -> None:
    blocks = np.zeros((60, 60), np.uint8)
    blocks[2:6, 2:6], blocks[2:6, 20:24] = 1, 1
    for place in range(5):
        blocks[40:44, 4 + 10 * place : 8 + 10 * place] = 2
    save(tmp_path / "train/images/count_2_a.png", (60, 60))
    save(tmp_path / "train/masks/count_2_a.png", blocks)
    dataset = load_dataset(tmp_path)
    assert dataset.points.counts() == {"berry": 2, "background": 5}
    assert apply(find_preset("craid-equal-background"), dataset).points.counts() == {"berry": 2, "background": 2}


def test_draws_are_seeded_and_keep_their_order() -> None:
    points = [Point("a.png", float(i), 0.0, "ab"[i % 2]) for i in range(20)]
    few = PointTable([*points[:9], Point("b.png", 1.0, 1.0, "a")])
    kept = list(thin_background(few, "a", 0).of("a.png"))
    assert [point.x for point in kept] == sorted(point.x for point in kept)
    assert len({tuple(p.x for p in thin_background(few, "a", seed)) for seed in range(20)}) > 2
    assert thin_background(few, "a", 0).counts() == {"a": 4, "b": 4}
    assert list(thin_background(few, "a", 0).of("b.png")) == []


def test_every_preset_says_where_it_is_from() -> None:
    for preset in PRESETS.values():
        assert preset.layout in layouts()
        assert len(preset.source) > 20
        assert len(preset.reading) > 20


def test_the_commands(cli, voc: Path, tmp_path: Path) -> None:
    listed = cli("data", "presets")
    assert listed.code == 0
    assert "voc-one-point" in listed.out
    arguments = ("--points", tmp_path / "clicks.json", "--preset", "voc-one-point-none")
    done = cli("data", "convert", voc, "--out", tmp_path / "out", *arguments)
    assert done.code == 0, done.err
    converted = load_dataset(tmp_path / "out")
    assert len(converted.points) == 2
    assert converted.classes.policy == "none"
