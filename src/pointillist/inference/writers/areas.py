"""How much of an image each class has."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pointillist.inference.shapes.ground import ground_of
from pointillist.inference.shapes.objects import objects_of
from pointillist.inference.writers.base import Result
from pointillist.inference.writers.tables import Cell, Table


class Areas(Table):
    """A row for each class, also one with no pixel."""

    name = "areas"
    title = "a table of the pixels, area and objects of each class"
    suffix = "_areas.csv"
    together = ("areas.csv", "areas.parquet")
    columns = {  # noqa: RUF012
        "image": str,
        "class": str,
        "class_index": int,
        "pixels": int,
        "share": float,
        "area_m2": float,
        "objects": int,
        "mean_confidence": float,
        "no_data": int,
    }

    def rows(self, result: Result) -> Iterator[list[Cell]]:
        """See `Table.rows`."""
        count = len(result.classes)
        areas = ground_of(result.place, result.prediction.size).areas
        objects, pixels = np.zeros((2, count), np.int64)
        confidence, ground = np.zeros((2, count))
        for found in objects_of(result.prediction, ground=areas):
            np.add.at(objects, found.label, 1)
            np.add.at(pixels, found.label, found.area)
            np.add.at(confidence, found.label, found.confidence * found.area)
            np.add.at(ground, found.label, found.ground)
        if areas is None:
            ground[:] = math.nan
        total = int(pixels.sum())
        for index, name in enumerate(result.classes):
            yield [
                result.image,
                name,
                index,
                int(pixels[index]),
                int(pixels[index]) / total if total else None,
                float(ground[index]),
                int(objects[index]),
                float(confidence[index] / pixels[index]) if pixels[index] else None,
                result.prediction.labels.size - total,
            ]
