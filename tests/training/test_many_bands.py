"""Whole trainings on images that are no photographs: what the bands beyond colour are worth, and what bits are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image

from pointillist.api import evaluate, load, train_config
from pointillist.points.formats.native import write_csv
from pointillist.points.table import Point, PointTable
from pointillist.training.config import make_config
from tests.conftest import CLASSES, TINY
from tests.rasters import write_raster

pytestmark = pytest.mark.whole_classifier

SETTINGS = {**TINY, "data.size": "native", "trainer.epochs": 45, "trainer.batch_size": 4}
QUIET = {"trainer.validations": 0, "trainer.snapshots": 0}
TRAIN, VAL = 8, 4

LEVELS = np.array([[700, 900, 600, 800, 800], [2600, 1500, 900, 2900, 800], [2600, 1500, 900, 800, 2900]])
"""Of 12 bits: two classes are the same in the first three bands, and each is bright in one of the last two."""


def stripes(index: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8], list[tuple[float, float, int]]]:
    """Three stripes of three classes in any order, with two clicks each."""
    rng = np.random.default_rng([7, index])
    edges = [0, int(rng.integers(12, 20)), int(rng.integers(28, 36)), 48]
    mask = np.zeros((32, 48), np.uint8)
    clicks = []
    for label, left, right in zip(rng.permutation(3).tolist(), edges, edges[1:], strict=False):
        mask[:, left:right] = label
        clicks += [(left + 3.5, 6.5, label), (right - 3.5, 25.5, label)]
    image = LEVELS[mask] + rng.normal(0, 150, (32, 48, 5))
    return image.clip(0, 4095).astype(np.uint16), mask, clicks


def write(folder: Path, drawn: list[tuple[Any, ...]], **entry: Any) -> Path:
    """A native data set of images, masks and clicks; the last `VAL` are for validation."""
    for name in ("images", "masks", "splits"):
        (folder / name).mkdir(parents=True)
    points = []
    for index, (image, mask, clicks) in enumerate(drawn):
        name = f"{index}.tif"
        write_raster(folder / "images" / name, image)
        Image.fromarray(mask).save(folder / "masks" / f"{index}.png")
        points += [Point(name, x, y, CLASSES.names[label]) for x, y, label in clicks]
    write_csv(PointTable(points), folder / "points.csv")
    (folder / "dataset.yaml").write_text(yaml.safe_dump({"classes": list(CLASSES.names), "bands": entry}))
    (folder / "splits" / "val.txt").write_text("\n".join(str(index) for index in range(TRAIN, TRAIN + VAL)))
    return folder


def miou(data: Path) -> float:
    """Of a whole training with single-stage."""
    dataset = load(data)
    return evaluate(train_config(make_config(None, {**SETTINGS, **QUIET}), dataset, data / "run"), dataset).miou


@pytest.mark.slow
def test_bands_beyond_colour_are_worth_what_they_tell(tmp_path: Path) -> None:
    drawn = [stripes(index) for index in range(TRAIN + VAL)]
    everything = miou(write(tmp_path / "five", drawn))
    colour = miou(write(tmp_path / "three", drawn, select=[1, 2, 3]))
    print(f"\nfive bands {everything:.3f}, the first three {colour:.3f}")
    assert everything > 0.7
    assert everything - colour >= 0.2


@pytest.mark.slow
def test_ten_bits_in_files_of_sixteen_train_like_eight(tmp_path: Path) -> None:
    eight = [
        ((image[..., [0, 3, 4]] / 4095 * 255).round().astype(np.uint8), *rest)
        for image, *rest in (stripes(index) for index in range(TRAIN + VAL))
    ]
    ten = [((image / 255 * 1023).round().astype(np.uint16), *rest) for image, *rest in eight]
    scores = [
        miou(write(tmp_path / "eight", eight)),
        miou(write(tmp_path / "ten", ten, range=[0, 1023])),
        miou(write(tmp_path / "measured", ten)),
    ]
    print("\neight bits {:.3f}, ten {:.3f}, with measured range {:.3f}".format(*scores))
    assert min(scores) > 0.7
    assert max(scores) - min(scores) < 0.06
