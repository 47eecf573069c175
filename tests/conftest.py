"""What many tests share: a tiny data set, a tiny network, the command line in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch
from PIL import Image

from pointillist.classes import ClassSet
from pointillist.data.dataset_file import write_dataset_file
from pointillist.points.formats.native import write_csv
from pointillist.points.table import Point, PointTable

torch.set_num_threads(1)

# A slow machine is no failure.
hypothesis.settings.register_profile("pointillist", deadline=None)
hypothesis.settings.load_profile("pointillist")

TINY_NETWORK = (
    "network.options={channels: [8, 8, 8, 8], stem_width: 8, "
    "decoder_pyramid_channels: 32, decoder_segmentation_channels: 32}"
)
"""A network of a few thousand weights, for whole trainings in a second."""

TINY = {
    "data.size": "48x64",
    "trainer.epochs": 2,
    "trainer.batch_size": 2,
    "trainer.device": "cpu",
    "trainer.snapshots": 1,
    "trainer.validations": 1,
    "trainer.checkpoint_seconds": 0,
    "network.options": {
        "channels": [8] * 4,
        "stem_width": 8,
        "decoder_pyramid_channels": 32,
        "decoder_segmentation_channels": 32,
    },
}
"""Settings of a whole training in a second."""

CLASSES = ClassSet.create(["ground", "square", "disc"], ["#202020", "#e69f00", "#56b4e9"])


def draw_tiny(
    index: int, height: int = 48, width: int = 64
) -> tuple[np.ndarray, np.ndarray, list[tuple[float, float, int]]]:
    """An image, its mask, and one click per object: a square and a disc on ground."""
    rng = np.random.default_rng(index)
    mask = np.zeros((height, width), dtype=np.uint8)
    rows, columns = np.mgrid[:height, :width]
    top, left = int(rng.integers(2, height - 18)), int(rng.integers(2, width // 2 - 16))
    mask[top : top + 14, left : left + 14] = 1
    cy, cx = int(rng.integers(9, height - 9)), int(rng.integers(width // 2 + 9, width - 9))
    mask[(rows - cy) ** 2 + (columns - cx) ** 2 < 49] = 2
    colors = np.array([[60, 90, 50], [200, 120, 30], [40, 110, 210]])
    image = np.clip(colors[mask] + rng.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8)
    clicks = [(left + 7.5, top + 7.5, 1), (cx + 0.5, cy + 0.5, 2), (width / 2 + 0.5, 0.5, 0)]
    return image, mask, clicks


def write_tiny(folder: Path, train: int = 4, val: int = 2) -> Path:
    """A native data set of tiny images."""
    for name in ("images", "masks", "splits"):
        (folder / name).mkdir(parents=True)
    names = [f"tiny_{index}.png" for index in range(train + val)]
    points = []
    for index, name in enumerate(names):
        image, mask, clicks = draw_tiny(index)
        Image.fromarray(image).save(folder / "images" / name)
        Image.fromarray(mask).save(folder / "masks" / name)
        points += [Point(name, x, y, CLASSES.names[label]) for x, y, label in clicks]
    write_csv(PointTable(points), folder / "points.csv")
    write_dataset_file(folder / "dataset.yaml", CLASSES)
    (folder / "splits" / "train.txt").write_text("\n".join(names[:train]) + "\n")
    (folder / "splits" / "val.txt").write_text("\n".join(names[train:]) + "\n")
    return folder


@pytest.fixture
def tiny_data(tmp_path: Path) -> Path:
    """Folder of a native data set: 4 training and 2 validation images of 48×64, three classes."""
    return write_tiny(tmp_path / "tiny")


@pytest.fixture(autouse=True)
def _quick_classifier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How well pixels are classified before the first step matters to few; it takes most of a tiny training."""
    if request.node.get_closest_marker("whole_classifier") is None:
        monkeypatch.setattr("pointillist.training.pixel_classifier.STEPS", 20)


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str


Cli = Callable[..., Result]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The real command line, run in this process."""

    def run(*arguments: str | Path) -> Result:
        from pointillist.cli import main

        monkeypatch.setattr(sys, "argv", ["pointillist", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


TINY_FLAGS = [
    *("--size", "48x64", "--epochs", "2", "--batch-size", "2", "--device", "cpu"),
    *("--set", TINY_NETWORK, "--set", "trainer.snapshots=1", "--set", "trainer.checkpoint_seconds=0"),
]
"""The same as `TINY`, for the command line."""
