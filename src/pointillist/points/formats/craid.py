"""CRAID (cranberries from a drone): PNGs with 4×4 squares, 1 = berry, 2 = background."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from pointillist.errors import PointsError
from pointillist.points.formats.base import PointFormat, ReadContext, translated
from pointillist.points.formats.files import Outputs, label_files
from pointillist.points.formats.options import FormatOptions
from pointillist.points.formats.point_png import draw, marks, read_labels, write_labels
from pointillist.points.table import Point, PointTable

BLOCK = 4
"""Side of the square that stands for a point."""

_BERRY, _BACKGROUND = 1, 2
_MASKS, _BACK_MASKS = "masks", "back_masks"


class Craid(PointFormat):
    """A folder of PNGs called like their images; each 4×4 square is one point at its centre; 0 is unlabelled.

    Two layouts are known. `single`: 1 is a berry, 2 is background. `split` (2020): the folder has `masks/` with the
    berries and `back_masks/` with the background, 1 in both. The number in the name `count_{N}_….png` is how many
    berries the image holds; it is kept as the further column `count`.

    Source: Akiva et al., *Finding Berries* (CVPRW 2020) and the loader published with it.
    """

    class Options(FormatOptions):
        """What the user says about the files."""

        berry: str = "berry"
        """Class of the berries' points."""
        background: str = "background"
        """Class of the background points."""
        layout: Literal["single", "split"] = "single"
        """For writing: both in one PNG, or split into masks/ and back_masks/, as in 2020."""

    name = "craid"
    title = "CRAID point PNGs: 4×4 squares of berries and background"
    suffixes = (".png",)
    origin = "pixel"
    tolerance = 0.5
    images_by = "stem"
    keeps = ("count",)
    one_per_image = True
    only_classes = ("berry", "background")
    options: Options

    def recognise(self, path: Path) -> bool:
        """The two folders of the 2020 layout, or PNGs named by their count."""
        if not path.is_dir():
            return False
        if (path / _MASKS).is_dir() and (path / _BACK_MASKS).is_dir():
            return True
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
        return bool(names) and all(re.fullmatch(r"count_\d+_.*\.png", name, re.IGNORECASE) for name in names)

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        berry, background = self.options.berry, self.options.background
        points: list[Point] = []
        listed = []
        split = (path / _BACK_MASKS).is_dir()
        for file, image in label_files(path / _MASKS if split else path, self.suffixes):
            listed.append(image)
            names = {_BERRY: berry} if split else {_BERRY: berry, _BACKGROUND: background}
            points += _points(file, image, names)
            if split:
                # A background file has the berry file's place in the other folder; some images have none.
                other = path / _BACK_MASKS / file.relative_to(path / _MASKS)
                points += _points(other, image, {1: background, _BACKGROUND: background}) if other.is_file() else []
        if split:
            berries = set(listed)
            for file, image in label_files(path / _BACK_MASKS, self.suffixes):
                if image not in berries:
                    raise PointsError(
                        f"there is no '{_MASKS}/{image}.png' beside it.", where=file, hint="Fetch the missing file."
                    )
        # `marks` gives the centres of the squares; only an `origin` that the user declares moves them.
        return PointTable([translated(p, self.offset - 0.5) for p in points], ["count"], listed=listed)

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        berry, background = self.options.berry, self.options.background
        parts = [(path, {berry: _BERRY, background: _BACKGROUND})]
        if self.options.layout == "split":
            parts = [(path / _MASKS, {berry: 1}), (path / _BACK_MASKS, {background: 1})]
        for point in table:
            if point.label not in (berry, background):
                raise PointsError(
                    f"'{point.label}' is neither '{berry}' nor '{background}'.",
                    where=path,
                    hint="CRAID has two classes; name yours with --set berry=NAME --set background=NAME.",
                )
        for folder, values in parts:
            outputs = Outputs(folder, ".png")
            for image in table.listed:
                here = [point for point in table.of(image) if point.label in values]
                clicks = [(translated(point, 0.5 - self.offset), values[point.label]) for point in here]
                labels = draw(image, clicks, context.need_size(image, path), 0, BLOCK, path)
                write_labels(labels, outputs.file(image))


def _points(file: Path, image: str, names: dict[int, str]) -> Iterator[Point]:
    count = re.match(r"count_(\d+)_", PurePosixPath(image).name, re.IGNORECASE)
    extra = {"count": count[1] if count else ""}
    for x, y, value in marks(read_labels(file), 0, BLOCK, file):
        if value not in names:
            raise PointsError(
                f"the value {value} at column {int(x)}, row {int(y)} means nothing.",
                where=file,
                hint=f"Known values: 0 (unlabelled), {', '.join(f'{key} ({name})' for key, name in names.items())}.",
            )
        yield Point(image, x, y, names[value], extra, place=f"{file.name}, ({int(x)}, {int(y)})")
