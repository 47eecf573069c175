"""Uses that a type checker must refuse: each line with `# wrong` has an error, so that nothing here is of type Any."""

from __future__ import annotations

from pathlib import Path

import pointillist as pt


def mistakes(folder: Path) -> None:
    """One mistake for each of the functions that a program calls first."""
    data = pt.load(3)  # wrong
    run = pt.train(data, out=folder, epochs="many")  # wrong
    scores = pt.evaluate(run, data)
    print(scores.miuo)  # wrong
    print(pt.Predictor(run)("photo.jpg").lables)  # wrong
    pt.Point("a.png", "left", 3.0, "berry")  # wrong
    pt.ClassSet.create(3)  # wrong
    print(pt.audti)  # wrong
