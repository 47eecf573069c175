"""Masks that are learnt beside clicks: those that were named, and no other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.data.layouts import load_dataset
from pointillist.errors import ConfigError, DatasetError, RunError
from pointillist.training.run import fit, label_warnings
from pointillist.training.run_directory import RunDirectory
from tests.training.test_run import POINT_METHODS, StopAfter, same, tiny_config, weights

LEARNT = "tiny_0.png"
STEPPING = [name for name in POINT_METHODS if name != "forest"]


def change(mask: Path) -> None:
    """Every pixel has another class."""
    Image.fromarray((np.asarray(Image.open(mask)) + 1) % 3).save(mask)


@pytest.mark.parametrize("method", STEPPING)
def test_the_masks_that_are_named_are_learnt_and_no_other(method: str, tiny_data: Path, tmp_path: Path) -> None:
    config = tiny_config(method, data__learn_masks=[LEARNT], trainer__snapshots=0)
    first = fit(config, load_dataset(tiny_data), tmp_path / "first")
    for name in (tiny_data / "splits" / "train.txt").read_text().split():
        if name != LEARNT:
            (tiny_data / "masks" / name).unlink()
    assert same(weights(first), weights(fit(config, load_dataset(tiny_data), tmp_path / "others gone")))
    change(tiny_data / "masks" / LEARNT)
    assert not same(weights(first), weights(fit(config, load_dataset(tiny_data), tmp_path / "changed")))


def test_an_image_without_clicks_is_learnt_from_its_mask(tiny_data: Path, tmp_path: Path) -> None:
    points = tiny_data / "points.csv"
    points.write_text("".join(line for line in points.open() if not line.startswith((LEARNT, "tiny_1.png"))))
    run = fit(tiny_config(data__learn_masks=[LEARNT]), load_dataset(tiny_data), tmp_path / "run")
    assert json.loads(run.images.read_text())["images"] == [LEARNT, "tiny_2.png", "tiny_3.png"]
    record = run.read()[1]
    assert (record.images, record.clicks) == (3, 6)
    assert record.learnt.endswith("1 of them from its mask, too")
    every = fit(tiny_config(data__learn_masks="all"), load_dataset(tiny_data), tmp_path / "every")
    assert every.read()[1].learnt.endswith("4 of them from their masks, too")


def test_nothing_is_missed_where_a_mask_has_it(tiny_data: Path) -> None:
    points = tiny_data / "points.csv"
    points.write_text("".join(line for line in points.open() if not line.rstrip().endswith(",disc")))
    data = load_dataset(tiny_data)
    from pointillist.training.inputs import training_items

    assert "never clicked, so never predicted: disc." in label_warnings(data, training_items(data, "points"), "points")
    assert label_warnings(data, training_items(data, "points", "all"), "points") == []


@pytest.mark.parametrize(
    ("method", "wish", "error", "found"),
    [
        ("single-stage", ["tiny_4.png", LEARNT], DatasetError, "'tiny_4.png' has no mask in 'train'"),
        ("single-stage", ["../a", "b"], DatasetError, "'../a' and 'b' have no mask in 'train'"),
        ("forest", "all", ConfigError, "'forest' learns from clicks alone"),
        ("full", "all", ConfigError, "'full' learns from every mask there is"),
        ("single-stage", "some", ConfigError, "learn_masks"),
    ],
)
def test_what_cannot_be_learnt_is_said(
    method: str, wish: object, error: type[Exception], found: str, tiny_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        fit(tiny_config(method, data__learn_masks=wish), load_dataset(tiny_data), tmp_path / "run")
    assert found in str(caught.value)
    assert "data.learn_masks" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_with_the_same_masks_alone(tiny_data: Path, tmp_path: Path) -> None:
    config = tiny_config(data__learn_masks="all", trainer__epochs=4)
    straight = fit(config, load_dataset(tiny_data), tmp_path / "straight")
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(config, load_dataset(tiny_data), tmp_path / "stopped", callbacks=[StopAfter(4)])
    mask = tiny_data / "masks" / LEARNT
    kept = mask.read_bytes()
    change(mask)
    with pytest.raises(RunError):
        fit(config, load_dataset(tiny_data), tmp_path / "stopped", resume=True)
    mask.write_bytes(kept)
    resumed: RunDirectory = fit(config, load_dataset(tiny_data), tmp_path / "stopped", resume=True)
    assert same(weights(straight), weights(resumed))
