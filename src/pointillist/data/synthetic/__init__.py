"""The embedded data set: a village from the air, drawn from a seed in seconds.

It is small, but not easy to cheat: the ground has the colours of roofs, roads and trees in places, roofs come in tree
green and water blue, shadows darken everything, crowns hide parts of roads and buildings. `village` draws it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointillist.classes import ClassSet
from pointillist.data.dataset_file import write_dataset_file
from pointillist.data.synthetic.scene_parameters import SceneParameters
from pointillist.data.synthetic.village import Village
from pointillist.errors import ConfigError, DatasetError
from pointillist.files import new_folder
from pointillist.points.formats.native import write_csv
from pointillist.points.seeds import rng_for
from pointillist.points.simulate import simulate_image
from pointillist.points.table import Point, PointTable

VERSION = 1
"""Raised whenever the same parameters and seed give other scenes, so that old and new figures are never mixed up."""

CLASSES = ClassSet.create(
    ("ground", "road", "building", "tree", "water", "car"),
    ("#ddd3b8", "#4d4d4d", "#d55e00", "#009e73", "#0072b2", "#f7d002"),
)
"""Ground is the background. The colours differ in lightness and stay apart for colour-blind eyes."""

DEFAULTS = SceneParameters()
"""The parameters all published figures were made with."""

VALIDATION_START = 90_000
"""Index of the first validation scene: more or fewer training scenes leave the validation set as it is."""


@dataclass(frozen=True)
class Scene:
    """One drawn image.

    Args:
        image: H×W×3 uint8, RGB.
        mask: H×W uint8, indices into `CLASSES`; no pixel is ignored.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]


def parameters_hash(parameters: SceneParameters = DEFAULTS) -> str:
    """Twelve hexadecimal digits that name the parameters and the version of the drawing; part of every protocol."""
    content = {"version": VERSION, "parameters": dataclasses.asdict(parameters)}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def draw_scene(seed: int, index: int, parameters: SceneParameters = DEFAULTS) -> Scene:
    """Draw one scene; it depends on nothing but the arguments.

    Args:
        seed: Seed of the data set, ≥ 0.
        index: Number of the scene, ≥ 0; validation scenes start at `VALIDATION_START`.
        parameters: What villages are like.

    Raises:
        ConfigError: A negative seed or index.
    """
    if index < 0:
        raise ConfigError(f"The index of a scene is {index}.", field="index", hint="Use a whole number of at least 0.")
    canvas = Village(parameters, rng_for(seed, f"village {index}")).draw()
    return Scene(np.rint(canvas.color * 255).astype(np.uint8), canvas.mask)


def write_dataset(
    folder: Path | str, *, seed: int = 0, train: int = 80, val: int = 40, parameters: SceneParameters = DEFAULTS
) -> Path:
    """Write a data set: `images/`, `masks/`, `points.csv`, `splits/`, `dataset.yaml`, and `synthetic.json`.

    Every image has one simulated click per connected component of at least 50 pixels, the same that
    `pointillist points simulate --protocol components` makes with this seed. `synthetic.json` says what was drawn. The
    folder appears under its name only when it is complete.

    Args:
        folder: Where to; must not exist, or be empty.
        seed: Of scenes and clicks, ≥ 0.
        train: Number of training images, ≥ 1.
        val: Number of validation images, ≥ 0.
        parameters: What villages are like.

    Returns:
        The folder.

    Raises:
        DatasetError: The folder holds something, or is a file.
        ConfigError: A negative seed, or counts that cannot be.
        SaveError: It could not be written; nothing is left behind.
    """
    folder = Path(folder)
    if not 1 <= train <= VALIDATION_START or val < 0:
        raise ConfigError(
            f"{train} training and {val} validation images are asked for.",
            field="train",
            hint=f"Draw 1 to {VALIDATION_START} for training and 0 or more for validation.",
        )
    rng_for(seed, "")  # a bad seed is found before anything is written
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DatasetError("is not empty.", where=folder, hint="Name a new folder for the data set.")
    splits = {"train": range(train), "val": range(VALIDATION_START, VALIDATION_START + val)}
    with new_folder(folder) as unfinished:
        _write(unfinished, splits, seed, parameters)
    return folder


def _write(folder: Path, splits: dict[str, range], seed: int, parameters: SceneParameters) -> None:
    for name in ("images", "masks", "splits"):
        (folder / name).mkdir()
    palette = [part for color in CLASSES.colors for part in color]
    points: list[Point] = []
    for split, indices in splits.items():
        names = [f"village_{index:05d}.png" for index in indices]
        for name, index in zip(names, indices, strict=True):
            scene = draw_scene(seed, index, parameters)
            Image.fromarray(scene.image).save(folder / "images" / name)
            mask = Image.fromarray(scene.mask)
            mask.putpalette(palette)  # stays an index mask, and looks like one in any viewer
            mask.save(folder / "masks" / name)
            points += simulate_image(name, scene.mask, CLASSES, seed=seed)
        if names:
            (folder / "splits" / f"{split}.txt").write_text("\n".join(names) + "\n", encoding="utf-8", newline="\n")
    write_csv(PointTable(points), folder / "points.csv")
    write_dataset_file(folder / "dataset.yaml", CLASSES)
    about = {
        "name": "village",
        "version": VERSION,
        "parameters_hash": parameters_hash(parameters),
        "seed": seed,
        "click_protocol": "components",
        **{split: len(indices) for split, indices in splits.items()},
    }
    (folder / "synthetic.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8", newline="\n")
