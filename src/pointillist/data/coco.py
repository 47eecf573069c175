"""Masks drawn from the objects of a COCO file: run lengths, compressed or not, and polygons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.masks import MaskReader, check_size
from pointillist.data.regions import Region, Source, file_of
from pointillist.data.rle import counts_of, mask_of_counts, mask_of_outlines
from pointillist.errors import DatasetError, MaskError, PointsError, nearest
from pointillist.points.formats.jsontext import Node, read_json
from pointillist.points.names import ImageNames

Overlap = Literal["smaller", "later"]
"""Which of two objects has the pixels of both: the one with fewer pixels, or the one that stands later in the file."""

Shape = str | NDArray[np.int64] | tuple[NDArray[np.float64], ...]
"""Compressed run lengths, run lengths, or outlines."""


@dataclass(frozen=True, slots=True)
class CocoObject:
    """One annotation: class index, shape as the file has it, key path for messages."""

    label: int
    shape: Shape
    field: str


class CocoMasks(MaskReader):
    """Draws the masks of the images of a COCO file, each when it is asked for.

    A pixel of no object is background, or ignored where the classes have none. Crowds count like any object. A mask is
    named like a file in an archive, `annotations.json/image.jpg.mask`.

    Args:
        file: The file.
        classes: The classes; categories have their names.
        images: Names of the images at hand.
        overlap: Which of two objects has the pixels of both.

    Attributes:
        files: Names of the masks, by image.
        missing: Images of the file that are not at hand.

    Raises:
        DatasetError: The file cannot be read, has none of the images, or an object without a shape or a class.
    """

    def __init__(self, file: Path, classes: ClassSet, images: Iterable[str], overlap: Overlap = "smaller") -> None:
        super().__init__(classes, "index", values={})
        self.file = file
        self.overlap = overlap
        self.files: dict[str, Path] = {}
        self.missing: list[str] = []
        self._sizes: dict[Path, tuple[int, int]] = {}
        self._objects: dict[Path, list[CocoObject]] = {}
        try:
            self._read_file(read_json(file), ImageNames(images))
        except PointsError as error:
            raise DatasetError(
                error.found, where=error.where, line=error.line, field=error.field, hint=error.hint
            ) from error
        if not self.files:
            found = f"none of its {len(self.missing):,} images is in the image folder"
            example = f"; '{self.missing[0]}' is one of them" if self.missing else ""
            raise DatasetError(f"{found}{example}.", where=file, field="images", hint="Is this the right file?")

    def _read_file(self, content: Node, names: ImageNames) -> None:
        masks: dict[int, Path | None] = {}
        for entry in content.get("images").each():
            listed = entry.get("file_name").text()
            name = names.find(listed, "tail")
            identity = entry.get("id").integer()
            if identity in masks or name in self.files:
                raise entry.fail(f"image {identity}, '{listed}', is listed twice.")
            masks[identity] = None
            if name is None:
                self.missing.append(listed)
                continue
            path = content.file / f"{name}.mask"
            masks[identity] = self.files[name] = path
            self._sizes[path] = (entry.get("height").integer(), entry.get("width").integer())
            self._objects[path] = []
        categories = {node.get("id").integer(): node.get("name") for node in content.get("categories").each()}
        for annotation in content.get("annotations").each():
            image = annotation.get("image_id")
            if image.integer() not in masks:
                raise image.fail(f"no image has the id {image.integer()}.")
            mask = masks[image.integer()]
            if mask is not None:
                shape = _shape(annotation.get("segmentation"), self._sizes[mask])
                label = self._label(annotation.get("category_id"), categories)
                self._objects[mask].append(CocoObject(label, shape, annotation.field))

    def _label(self, identity: Node, categories: dict[int, Node]) -> int:
        if identity.integer() not in categories:
            raise identity.fail(f"no category has the id {identity.integer()}.")
        name = categories[identity.integer()].text()
        if name not in self.classes:
            raise identity.fail(f"its category '{name}' is no class.", nearest(name, self.classes.names))
        return self.classes.names.index(name)

    def read(self, path: Source, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Draw one mask; see `MaskReader.read`."""
        if isinstance(path, Region):
            whole = self.read(path.path, self._sizes[path.path])
            return whole[path.top : path.top + path.height, path.left : path.left + path.width]
        file = file_of(path)
        check_size(file, self._sizes[file], size)
        background = self.classes.background
        labels = np.full(size, IGNORE if background is None else background, dtype=np.uint8)
        least = np.full(size, labels.size + 1, dtype=np.int64)
        for annotated in self._objects[file]:
            try:
                inside = _draw(annotated.shape, size)
            except ValueError as error:
                raise MaskError(
                    f"an object of '{file.relative_to(self.file).with_suffix('')}' cannot be drawn: {error}.",
                    where=self.file,
                    field=annotated.field,
                    hint="Correct its segmentation, or export the file again.",
                ) from error
            if self.overlap == "smaller":
                count = np.count_nonzero(inside)
                inside = inside & (least >= count)
                least[inside] = count
            labels[inside] = annotated.label
        return labels


def _shape(node: Node, size: tuple[int, int]) -> Shape:
    """The shape of an object in an image of (height, width)."""
    if isinstance(node.value, dict):
        stated = [side.integer() for side in node.get("size").each()]
        if stated != list(size):
            raise node.get("size").fail(f"[height, width] is {stated}, but the image has {list(size)}.")
        counts = node.get("counts")
        return counts.value if isinstance(counts.value, str) else _numbers(counts, "iu").astype(np.int64)
    outlines = tuple(_numbers(outline, "iuf").astype(np.float64) for outline in node.each())
    if not outlines:
        hint = "Export polygons or run lengths, or remove the annotation."
        raise node.fail("an object has no outline, so nobody knows its pixels.", hint)
    for number, outline in enumerate(outlines):
        if outline.size % 2 or outline.size == 0:
            raise node.fail(f"outline {number} has {outline.size} numbers, which are no pairs x, y.")
    return outlines


def _numbers(node: Node, kinds: str) -> NDArray[np.generic]:
    """A list of numbers; one by one they would take minutes."""
    values = node.value if isinstance(node.value, list) else None
    try:
        array = np.array(values if values else [0])
    except ValueError:
        values = None  # lists of different lengths
    if values is None or array.ndim != 1 or array.dtype.kind not in kinds:
        raise node.fail("is no list of numbers.")
    return array[: len(values)]


def _draw(shape: Shape, size: tuple[int, int]) -> NDArray[np.bool_]:
    if isinstance(shape, tuple):
        return mask_of_outlines(shape, size)
    return mask_of_counts(counts_of(shape) if isinstance(shape, str) else shape, size)
