from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Save = Callable[..., Path]


@pytest.fixture
def save() -> Save:
    """Writes an array, or a plain picture of (height, width), and makes the folders it needs."""

    def write(path: Path, content: np.ndarray | tuple[int, int] = (4, 6), palette: bool = False) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, tuple):
            content = np.random.default_rng(len(path.name)).integers(0, 256, (*content, 3), dtype=np.uint8)
        image = Image.fromarray(content)
        if palette:
            image.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
        image.save(path)
        return path

    return write


@pytest.fixture
def berries(tmp_path: Path, save: Save) -> Path:
    """The native data set: three images with masks, clicks and splits."""
    root = tmp_path / "berries"
    rows = ["image,x,y,class"]
    for index, name in enumerate(("a.jpg", "b.png", "deep/c.png")):
        save(root / "images" / name, (10, 12))
        mask = np.zeros((10, 12), np.uint8)
        mask[2:6, 3 + index : 8] = 1
        mask[0, 0] = 255
        save((root / "masks" / name).with_suffix(".png"), mask)
        rows += [f"{name},{5.25 + index},3.5,berry", f"{name},1,9,soil"]
    (root / "points.csv").write_text("\n".join(rows) + "\n")
    (root / "splits").mkdir()
    (root / "splits/train.txt").write_text("# two of them\na.jpg\n\ndeep/c\n")
    (root / "splits/val.txt").write_text("b\n")
    (root / "dataset.yaml").write_text("classes: [soil, berry]\n")
    return root


@pytest.fixture
def voc(tmp_path: Path, save: Save) -> Path:
    root = tmp_path / "VOC2012"
    for index, name in enumerate(("2007_01", "2007_02", "2007_03", "2007_04")):
        save(root / f"JPEGImages/{name}.jpg")
        if index < 3:
            save(
                root / f"SegmentationClass/{name}.png", np.full((4, 6), [index, 255, 20][index], np.uint8), palette=True
            )
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_01\n2007_02\n")
    (lists / "val.txt").write_text("2007_03\n")
    return root
