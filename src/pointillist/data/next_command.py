"""What a person can do next, as the command to type."""

from __future__ import annotations

import shlex
from pathlib import Path

from pointillist.data.dataset import Dataset


def command(*words: str | Path) -> str:
    """A command of ours that can be copied into a shell.

    >>> command("annotate", "my berries")
    "pointillist annotate 'my berries'"
    """
    return shlex.join(["pointillist", *map(str, words)])


def to_click(dataset: Dataset) -> str:
    """How to click; the annotator opens folders of our own layout alone."""
    if dataset.layout != "folder":
        return "Name a label file with --points"
    return f"Click some: {command('annotate', _folder(dataset))}"


def to_get_clicks(dataset: Dataset) -> str:
    """How a data set without clicks comes by some: drawn from its masks, where it has any."""
    if all(item.mask is None for item in dataset.items):
        return to_click(dataset)
    file = _folder(dataset) / "points.csv" if dataset.layout == "folder" else Path("points.csv")
    simulate = command("points", "simulate", dataset.root, "--out", file, *["--overwrite"] * file.exists())
    return f"{to_click(dataset)}. This data has masks, to draw clicks from: {simulate}"


def _folder(dataset: Dataset) -> Path:
    return dataset.root.parent if dataset.root.is_file() else dataset.root
