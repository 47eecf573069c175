"""Which classes an image may show of which nobody was asked: presence as a probability.

Somebody who clicks objects clicks every class that there is. Questions may miss one: of a class that covers a tenth of
an image, none of five questions says so in more than half of all cases. Ecologists have this problem with animals that
are there and not seen. Their model has for each class a share of images that show it, and a chance that a question in
such an image hits it (MacKenzie et al., *Estimating site occupancy rates when detection probabilities are less than
one*, Ecology 2002); both are estimated here by expectation maximisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.points.questions import inclusion_of, is_question
from pointillist.points.table import PointTable

ITERATIONS = 200
"""Of the maximisation; it converges long before."""


def class_presence(table: PointTable, classes: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """How likely each class is somewhere in the images in which questions were answered and no object was clicked.

    Args:
        table: Clicks and answers.
        classes: Class names by index.

    Returns:
        By image, C probabilities: 1 for a class that was named there, 0 for one that was named nowhere. Images with a
        click that is no question are left out: there, what was not clicked is not there.
    """
    index = {name: number for number, name in enumerate(classes)}
    named: dict[str, NDArray[np.float64]] = {}
    for image in table.images:
        points = table.of(image)
        if all(map(is_question, points)):
            # A pixel that was less likely to be asked stands for more of them.
            weights = np.array([1 / inclusion_of(point) for point in points])
            labels = [index[point.label] for point in points]
            named[image] = np.bincount(labels, weights * len(points) / weights.sum(), len(classes)).astype(np.float64)
    if not named:
        return {}
    likely = occupancy(np.stack(list(named.values())))
    return dict(zip(named, likely.astype(np.float32), strict=True))


def occupancy(named: NDArray[np.float64]) -> NDArray[np.float64]:
    """How likely each class is at each place, by how many questions there named it.

    Args:
        named: N×C, not negative: questions at each of N places that named each class.

    Returns:
        N×C: 1 where a class was named, less elsewhere; 0 for a class that was named nowhere.

    >>> occupancy(np.array([[5.0, 0.0], [4.0, 1.0], [3.0, 2.0], [5.0, 0.0]])).round(2).tolist()
    [[1.0, 0.32], [1.0, 1.0], [1.0, 1.0], [1.0, 0.32]]
    """
    asked = named.sum(1, keepdims=True)
    there = named > 0
    share = there.mean(0)
    hit = _share(named, asked, there)
    likely = there.astype(np.float64)
    for _ in range(ITERATIONS):
        missed = share * (1 - hit) ** asked
        likely = np.where(there, 1.0, missed / np.maximum(missed + 1 - share, 1e-12))
        share = likely.mean(0)
        hit = _share(named, asked, likely)
    return likely


def _share(named: NDArray[np.float64], asked: NDArray[np.float64], there: NDArray[Any]) -> NDArray[np.float64]:
    """Of the questions where a class is, the share that named it; one question more keeps it from being all or none."""
    found: NDArray[np.float64] = (named.sum(0) + 0.5) / ((asked * there).sum(0) + 1)
    return found
