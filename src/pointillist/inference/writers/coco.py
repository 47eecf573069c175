"""COCO instances."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import IGNORE
from pointillist.data.rle import texts_of
from pointillist.errors import SaveError
from pointillist.files import replacing
from pointillist.inference.shapes.objects import Objects, objects_of
from pointillist.inference.shapes.outlines import rings_of
from pointillist.inference.shapes.runs import Runs
from pointillist.inference.writers.base import Result, Writer
from pointillist.schema import Strict
from pointillist.version import __version__

INFO = {"description": "Predicted by pointillist", "version": __version__}


class CocoOptions(Strict):
    """How pixels are told."""

    segmentation: Literal["rle", "polygons"] = "rle"
    """Compressed run lengths, or polygons along the edges of pixels, which lose the holes of objects."""


class Coco(Writer):
    """An annotation for each connected object of a class that is not the background.

    The id of a category is its class index + 1, because some tools take 0 for the background; `score` is the mean
    confidence. Lists have a line for each entry, so that files of any size are put together line by line.

    Source: cocodataset.org, *Data format*, object detection.
    """

    name = "coco"
    title = "connected objects as COCO instances"
    suffix = "_coco.json"
    together = ("coco.json",)
    needs = frozenset({"confidence"})
    Options = CocoOptions
    options: CocoOptions

    def write(self, result: Result, path: Path) -> None:
        """See `Writer.write`."""
        background = result.classes.background
        without = {IGNORE, IGNORE if background is None else background}
        height, width = result.prediction.size
        categories = [
            {"id": index + 1, "name": name} for index, name in enumerate(result.classes) if index not in without
        ]
        image = {"id": 1, "file_name": result.image, "height": height, "width": width}
        with replacing(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as stream:
            stream.write(f'{{"info": {json.dumps(INFO)},\n"categories": {json.dumps(categories)},\n')
            stream.write(f'"images": [{json.dumps(image)}],\n"annotations": [')
            found = objects_of(result.prediction, without=without, pixels=True)
            entries = (entry for objects in found for entry in self._annotations(objects, (height, width)))
            for number, entry in enumerate(entries, 1):
                _add(stream, {"id": number, "image_id": 1, **entry}, number == 1)
            stream.write("\n]}\n")

    def _annotations(self, objects: Objects, size: tuple[int, int]) -> Iterator[dict[str, Any]]:
        """Annotations without their ids; rows of `objects` are columns of the image."""
        shapes: list[Any]
        if self.options.segmentation == "rle":
            shapes = [{"size": size, "counts": text} for text in _texts(objects.pixel_runs, size, len(objects))]
        else:
            shapes = [[] for _ in range(len(objects))]
            for ring in rings_of(objects.pixel_runs):
                if not ring.hole:
                    shapes[ring.owner].append(ring.points.reshape(-1).tolist())
        rows = zip(objects.label, objects.area, objects.box.tolist(), objects.confidence, shapes, strict=True)
        for label, area, (left, top, right, bottom), confidence, shape in rows:
            yield {
                "category_id": int(label) + 1,
                "segmentation": shape,
                "area": int(area),
                "bbox": [left, top, right - left, bottom - top],
                "iscrowd": 0,
                "score": float(confidence),
            }

    def collect(self, files: Iterable[Path], out: Path) -> None:
        """See `Writer.collect`."""
        (name,) = self.together
        categories: Any = None
        with (
            replacing(out / name) as temporary,
            temporary.open("w", encoding="ascii", newline="\n") as stream,
            TemporaryFile("w+", encoding="ascii", newline="\n") as images,
        ):
            stream.write(f'{{"info": {json.dumps(INFO)},\n"annotations": [')
            count = 0
            for number, file in enumerate(files, 1):
                lines = _parts(file)
                head = next(lines)
                if head["categories"] != (categories or head["categories"]):
                    raise _refused(file, "has other categories")
                categories = head["categories"]
                _add(images, {**head["image"], "id": number}, number == 1)
                for annotation in lines:
                    count += 1
                    _add(stream, {**annotation, "id": count, "image_id": number}, count == 1)
            stream.write(f'\n],\n"categories": {json.dumps(categories or [])},\n"images": [')
            images.seek(0)
            stream.writelines(images)
            stream.write("\n]}\n")


def _add(stream: IO[str], entry: dict[str, Any], first: bool) -> None:
    stream.write(("\n" if first else ",\n") + json.dumps(entry))


def _texts(runs: Runs, size: tuple[int, int], objects: int) -> list[str]:
    """The compressed run lengths of each object."""
    begin = runs.row * size[0] + runs.start
    end = begin + runs.stop - runs.start
    # A run to the end of a column goes on at the beginning of the next one.
    fresh = np.ones(len(begin), bool)
    fresh[1:] = (begin[1:] != end[:-1]) | (runs.owner[1:] != runs.owner[:-1])
    starts = np.flatnonzero(fresh)
    owner, begin, end = runs.owner[starts], begin[starts], end[np.append(starts[1:], len(end)) - 1]
    many = np.bincount(owner, minlength=objects)
    behind = np.cumsum(many)
    before = np.zeros(len(end), np.int64)
    before[1:] = end[:-1]
    before[behind - many] = 0
    counts: NDArray[np.int64] = np.stack((begin - before, end - begin), axis=1).reshape(-1)
    rest = size[0] * size[1] - end[behind - 1]
    ending = rest > 0
    return texts_of(np.insert(counts, 2 * behind[ending], rest[ending]), 2 * many + ending)


def _parts(file: Path) -> Iterator[dict[str, Any]]:
    """What is said of an image, then its annotations, from a file that `Coco.write` wrote."""
    try:
        with file.open(encoding="ascii") as stream:
            head = json.loads("".join(next(stream) for _ in range(3)).removesuffix(",\n") + "}")
            (image,) = head["images"]
            if next(stream) != '"annotations": [\n':
                raise ValueError("other lines")
            yield {"categories": head["categories"], "image": dict(image)}
            for line in stream:
                if line.startswith("]"):
                    return
                if line != "\n":
                    yield dict(json.loads(line.removesuffix("\n").removesuffix(",")))
            raise ValueError("it has no end")
    except (ValueError, TypeError, KeyError, StopIteration, RuntimeError, FileNotFoundError) as error:
        raise _refused(file, f"could not be put together with the others ({error})") from error


def _refused(file: Path, found: str) -> SaveError:
    return SaveError(f"{found}.", where=file, hint="Predict without --resume.")
