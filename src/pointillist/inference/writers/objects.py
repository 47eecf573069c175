"""A table of the connected objects of an image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from pointillist.classes import IGNORE
from pointillist.inference.shapes.ground import ground_of
from pointillist.inference.shapes.objects import objects_of
from pointillist.inference.writers.base import Result
from pointillist.inference.writers.tables import Cell, Table
from pointillist.schema import Strict


class ObjectsOptions(Strict):
    """What gets a row."""

    background: bool = False
    """Whether objects of the background class have rows, too."""

    smallest: int = Field(default=1, ge=1)
    """Pixels of the smallest objects with rows of their own; those below share one for each class."""


class ObjectTable(Table):
    """A row for each object: pixels of one class that touch, be it at a corner.

    Columns have the names of `skimage.measure.regionprops_table`, and its values: `centroid-0` and `centroid-1` are row
    and column, 0 being the centre of the first pixel. `x` and `y` are the same point, corner-based.
    """

    name = "objects"
    title = "a table of the connected objects: size, position, confidence"
    suffix = "_objects.csv"
    together = ("objects.csv", "objects.parquet")
    Options = ObjectsOptions
    options: ObjectsOptions
    columns = {  # noqa: RUF012
        "image": str,
        "object": int,
        "class": str,
        "class_index": int,
        "objects": int,
        "area": int,
        "centroid-0": float,
        "centroid-1": float,
        "bbox-0": int,
        "bbox-1": int,
        "bbox-2": int,
        "bbox-3": int,
        "perimeter": float,
        "mean_confidence": float,
        "x": float,
        "y": float,
        "area_m2": float,
        "map_x": float,
        "map_y": float,
        "crs": str,
    }

    def rows(self, result: Result) -> Iterator[list[Cell]]:
        """See `Table.rows`."""
        options, names = self.options, result.classes.names
        ground = ground_of(result.place, result.prediction.size)
        background = result.classes.background
        without = [IGNORE] if options.background or background is None else [IGNORE, background]
        number = 0
        small = np.zeros((4, len(names)))
        for found in objects_of(result.prediction, without=without, ground=ground.areas):
            below = found.area < options.smallest
            sums = (np.ones(len(found)), found.area, found.area * found.confidence, found.ground)
            for total, values in zip(small, sums, strict=True):
                np.add.at(total, found.label[below], values[below])
            x, y = found.centroid[:, 1] + 0.5, found.centroid[:, 0] + 0.5
            numbers = (found.perimeter, found.confidence, x, y, found.ground, *ground.at(x, y))
            whole, real = (
                np.column_stack(columns)[~below].tolist()
                for columns in ((found.label, found.area, found.box), (found.centroid, *numbers))
            )
            for (label, area, *box), (row, column, *rest) in zip(whole, real, strict=True):
                number += 1
                yield [result.image, number, names[label], label, 1, area, row, column, *box, *rest, ground.crs]
        for label, (count, area, confidence, area_m2) in enumerate(small.T.tolist()):
            if count:
                blank: list[Cell] = [None] * 7
                start = [result.image, None, names[label], label, int(count), int(area), *blank]
                yield [*start, confidence / area, None, None, area_m2, None, None, ground.crs]
