"""A folder with a trained model, as a training on the page leaves it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from pointillist.annotator.folder import open_folder
from pointillist.annotator.model.runs import Run
from pointillist.annotator.session import Session
from pointillist.api import train_config
from pointillist.data.layouts import open_dataset
from pointillist.training.config import make_config
from tests.conftest import TINY, write_tiny


def write_trained(folder: Path, *, train: int = 4, **settings: Any) -> Run:
    """A tiny data set with a model of it, in the annotator's own folder."""
    write_tiny(folder, train=train)
    return add_model(folder, **settings)


def add_model(folder: Path, number: int = 1, **settings: Any) -> Run:
    """Train a model of the classes of a folder as they are now, without the classifier that takes half of the time."""
    session = Session(open_folder(folder))
    try:
        session.files.flush()
        rows = session.store.reading().classes()
        home = session.folder.below("runs")
    finally:
        session.close()
    ids, names = tuple(row.id for row in rows), tuple(row.name for row in rows)
    run = Run(number, home, time.time(), ids, names, {}, state="done", seconds=1.0)
    dataset = open_dataset(folder).with_points(folder / "points.csv", "csv", strict=False)
    train_config(make_config(None, TINY | {"method.pseudo_mask.evidence": None} | settings), dataset, run.folder)
    run.save()
    return run
