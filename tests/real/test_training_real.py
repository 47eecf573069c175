"""The main job on real photographs, for a few steps: that it runs, not how well it learns."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.conftest import TINY_NETWORK, Cli

SHORT = [
    *("--epochs", "1", "--batch-size", "8", "--device", "cpu", "--set", TINY_NETWORK, "--set", "trainer.snapshots=0"),
    *("--set", "trainer.validations=0"),
]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["single-stage", "points", "full"])
def test_camvid_with_simulated_clicks(method: str, real_data: Path, cli: Cli, tmp_path: Path) -> None:
    clicks = tmp_path / "clicks.csv"
    done = cli("points", "simulate", real_data / "camvid", "--split", "val", "--out", clicks)
    assert done.code == 0, done.err
    with clicks.open() as stream:
        assert len(list(csv.DictReader(stream))) > 101 * 10
    layout = ["--points", clicks, "--size", "72x96"]
    # The smaller split keeps this short: the validation images as a data set of their own.
    file = tmp_path / "camvid.yaml"
    names = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]
    file.write_text(
        f"classes: [{', '.join(names)}]\nbackground: none\nignore_index: 11\n"
        f"paths: {{images: {real_data}/camvid/val, masks: {real_data}/camvid/valannot, points: own.csv}}\n"
    )
    own = tmp_path / "own.csv"
    own.write_text(clicks.read_text().replace("val/", ""))
    done = cli("train", file, "--method", method, "--out", tmp_path / "run", *SHORT, *layout[2:])
    assert done.code == 0, done.err
    done = cli("evaluate", tmp_path / "run", real_data / "camvid")
    assert done.code == 0, done.err
    assert "mIoU" in done.out


@pytest.mark.slow
def test_voc_with_human_clicks(real_data: Path, cli: Cli, tmp_path: Path) -> None:
    clicks = real_data / "point_labels" / "pascal2012_trainval_main.json"
    train = ["train", real_data / "voc2012", "--points", clicks, "--size", "64", "--out", tmp_path / "run"]
    done = cli(*train, "--method", "points", *SHORT)
    assert done.code == 0, done.err
    assert "unknown image" in done.out  # the file covers all of VOC, and says so instead of dropping quietly
    assert "2 of 389 training images have no label" in done.out
