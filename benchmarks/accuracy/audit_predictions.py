"""What the benchmark of audits draws from: masks and the predictions of two quick models, of a whole split."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.api import load, train_config
from pointillist.data.ask import cell_means
from pointillist.data.dataset import Dataset
from pointillist.data.simulated import simulate_dataset
from pointillist.inference.predictor import Predictor
from pointillist.training.config import make_config

MODELS = {"forest": 40, "weak forest": 4}
"""Images whose 20 answered questions the model learns from, by its name."""

Images = list[dict[str, NDArray[Any]]]


def dataset_of(name: str, folder: Path) -> Dataset:
    """One of the benchmark's data sets: a folder of data in this project's layout, or a file in `datasets/`."""
    described = Path(__file__).parent / "datasets" / name
    if not described.is_dir():
        return load(folder / name)
    with TemporaryDirectory() as made:
        copy = Path(made, name)
        (copy / "splits").mkdir(parents=True)
        for file in described.rglob("*.*"):
            text = Template(file.read_text(encoding="utf-8")).safe_substitute(DATA=folder)
            (copy / file.relative_to(described)).write_text(text, encoding="utf-8")
        return load(copy)


def predictions(name: str, folder: Path, cache: Path) -> tuple[tuple[str, ...], Images]:
    """Class names, and of every image of `val`: its mask, what each model says, and how unsure the first one is.

    Args:
        name: Of the data set.
        folder: The real data.
        cache: A folder in which this is kept.
    """
    dataset = dataset_of(name, folder)
    file = cache / f"{name}.npz"
    items = dataset.split("val")
    if not file.is_file():
        found: dict[str, NDArray[Any]] = {}
        for number, (model, images) in enumerate(MODELS.items()):
            predictor = _learnt(dataset, images)
            for index, item in enumerate(items):
                said = predictor.predict(item.image, uncertainty=number == 0)
                found[f"{index} {model}"] = said.labels
                if number == 0:
                    assert item.mask is not None
                    found[f"{index} unsure"] = cell_means(said.map("uncertainty"))
                    found[f"{index} mask"] = dataset.masks.read(item.mask, said.size)
        np.savez_compressed(file, **found)
    with np.load(file) as content:
        keys = ("mask", "unsure", *MODELS)
        return dataset.classes.names, [{key: content[f"{i} {key}"] for key in keys} for i in range(len(items))]


def _learnt(dataset: Dataset, images: int) -> Predictor:
    train = dataset.split("train")[:: max(1, len(dataset.split("train")) // images)][:images]
    few = dataclasses.replace(dataset, splits={"train": tuple(item.name for item in train)})
    few = dataclasses.replace(few, points=simulate_dataset(few, split="train", per_object=0, questions=20))
    settings = {"method": "forest", "data.size": "160x160", "trainer.device": "cpu", "trainer.snapshots": 0}
    with TemporaryDirectory() as folder:
        return Predictor(train_config(make_config(None, settings), few, Path(folder, "run")), "cpu")
