"""Polygons that people correct in labelme."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import Any

from pydantic import Field

from pointillist.classes import IGNORE
from pointillist.files import replacing
from pointillist.inference.shapes.objects import objects_of
from pointillist.inference.shapes.outlines import rings_of, simplified
from pointillist.inference.writers.base import Result, Writer
from pointillist.schema import Strict

NO_DATA = "__ignore__"
"""What labelme's own examples call pixels of no class."""


class LabelmeOptions(Strict):
    """How exact polygons are."""

    simplify: float = Field(default=0, ge=0)
    """Pixels by which a polygon may leave the edges of the object's pixels, to have fewer points."""


class Labelme(Writer):
    """A polygon around each object, from the largest to the smallest: a later one covers those before it.

    Its polygons have no holes. What fills a hole is a polygon of its own, later on, be it background or without data;
    both are left out elsewhere, that is, where they reach the border of the image. Pixels that touch only at a corner
    make two objects, so that none is half inside another one. Points are corner-based. `imagePath` is the image's own
    name: labelme finds it in the folder of the file.

    Source: labelme's `LabelFile`, format of version 5.
    """

    name = "labelme"
    title = "polygons to correct in labelme"
    suffix = ".json"
    Options = LabelmeOptions
    options: LabelmeOptions

    def write(self, result: Result, path: Path) -> None:
        """See `Writer.write`."""
        height, width = result.prediction.size
        names = dict(enumerate(result.classes)) | {IGNORE: NO_DATA}
        only_inside = {IGNORE, result.classes.background}
        about: dict[str, Any] = {
            "version": "5.5.0",
            "flags": {},
            "imagePath": PurePosixPath(result.image).name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        # Sorted are places in a file; the polygons of a large image fill the memory.
        shapes: list[tuple[int, int, int]] = []
        with replacing(path) as temporary, TemporaryFile() as store, temporary.open("wb") as stream:
            for objects in objects_of(result.prediction, without=(), diagonal=False, pixels=True):
                left, top, right, bottom = objects.box.T
                inside = ((left > 0) & (top > 0) & (right < width) & (bottom < height)).tolist()
                labels = objects.label.tolist()
                for ring in rings_of(objects.pixel_runs):
                    label = labels[ring.owner]
                    if ring.hole or (label in only_inside and not inside[ring.owner]):
                        continue
                    shape = {
                        "label": names[label],
                        "points": simplified(ring.points, self.options.simplify).tolist(),
                        "group_id": None,
                        "description": "",
                        "shape_type": "polygon",
                        "flags": {},
                        "mask": None,
                    }
                    shapes.append((-ring.area, store.tell(), store.write(json.dumps(shape).encode("ascii"))))
            stream.write(json.dumps(about)[:-1].encode("ascii") + b', "shapes": [')
            for number, (_, place, length) in enumerate(sorted(shapes)):
                store.seek(place)
                stream.write((b",\n" if number else b"\n") + store.read(length))
            stream.write(b"\n]}\n")
