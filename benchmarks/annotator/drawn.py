"""A folder of drawn images with a model, for measurements of what the page does with one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from pointillist.classes import ClassSet
from pointillist.data.dataset_file import write_dataset_file
from pointillist.data.synthetic import draw_scene
from pointillist.points.formats.native import write_csv
from pointillist.points.simulate import simulate_image
from pointillist.points.table import Point, PointTable
from tests.annotator.models import add_model

CLASSES = ClassSet.create(("ground", "road", "building", "tree", "water", "car"))
CLICKED = 8
USUAL = {"network.options": {}, "data.size": "native", "data.window": [128, 128], "trainer.epochs": 1}
"""The network that a page trains, at the images' own scale; how well it was trained does not matter here."""


def draw_folder(folder: Path, count: int, scale: int, **settings: Any) -> Path:
    """Draw images of 128×160 pixels times `scale`, click the first ones, and train on those.

    Args:
        folder: A new folder.
        count: Images.
        scale: How many times larger they are.
        settings: Of the training, by dotted name.
    """
    (folder / "images").mkdir(parents=True)
    points = []
    for index in range(count):
        name, scene = f"village_{index:04d}.png", draw_scene(0, index)
        size = (scale * scene.image.shape[1], scale * scene.image.shape[0])
        Image.fromarray(scene.image).resize(size, Image.Resampling.BICUBIC).save(folder / "images" / name)
        if index < CLICKED:
            clicks = simulate_image(name, scene.mask, CLASSES, seed=0)
            points += [Point(name, scale * one.x, scale * one.y, one.label) for one in clicks]
    write_dataset_file(folder / "dataset.yaml", CLASSES)
    write_csv(PointTable(points), folder / "points.csv")
    add_model(folder, **settings)
    return folder
