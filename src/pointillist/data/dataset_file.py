"""`dataset.yaml`: what it may say, read and written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator

from pointillist.classes import IGNORE, BackgroundPolicy, ClassSet, parse_color
from pointillist.data.coco import CocoMasks, Overlap
from pointillist.data.find_bands import DeclaredBands
from pointillist.data.masks import MaskEncoding, MaskReader
from pointillist.errors import DatasetError
from pointillist.files import read_text, write_text
from pointillist.schema import Strict
from pointillist.yamltext import render_yaml

FILE = "dataset.yaml"

MaskKind = MaskEncoding | Literal["coco"]
"""How masks are stored: as files, see `MaskEncoding`, or as the objects of one COCO file that `paths.masks` names."""

MaskValue = Annotated[int, Field(ge=-(2**31), lt=2**32)]
"""What masks can hold."""


class ClassEntry(Strict):
    """One class as `dataset.yaml` lists it; `value` is what masks have for it, where that is not its index."""

    name: str
    color: str | None = None
    value: MaskValue | tuple[MaskValue, ...] | None = None


class BackgroundEntry(Strict):
    """The long form of `background`, for a background class that is not the first."""

    policy: BackgroundPolicy
    class_: str | None = Field(default=None, alias="class")


class PathsEntry(Strict):
    """Where things are, relative to `dataset.yaml`; absolute paths are taken as they are.

    `instances` are maps with one id per object, 0 for none. `images`, `masks` and `instances` may have one `{}` for a
    folder name that varies: `Tile {}/images`.
    """

    images: str = "images"
    points: str = "points.csv"
    masks: str = "masks"
    instances: str = "instances"
    splits: str = "splits"

    def beside_images(self, home: Path) -> list[Path]:
        """Folders that hold something else than images, also where they lie among them."""
        return [home / path for path in (self.masks, self.instances) if path != self.images]


class DatasetFile(Strict):
    """The content of `dataset.yaml`."""

    classes: tuple[ClassEntry, ...]
    background: BackgroundPolicy | BackgroundEntry = "points"
    ignore_index: MaskValue = 255
    ignore_colors: tuple[str, ...] = ()
    masks: MaskKind = "index"
    overlap: Overlap = "smaller"
    paths: PathsEntry = PathsEntry()
    bands: DeclaredBands = DeclaredBands()

    @field_validator("classes", mode="before")
    @classmethod
    def _names_alone_will_do(cls, value: Any) -> Any:
        if isinstance(value, list):
            return [{"name": entry} if isinstance(entry, str) else entry for entry in value]
        return value

    def class_set(self) -> ClassSet:
        """The classes with their colours; missing colours come from the default palette."""
        names = [entry.name for entry in self.classes]
        # Beside declared values, ignore_index is one of these values and not in the way of any class index.
        ignore_index = self.ignore_index if self.mask_values() is None else IGNORE
        fallback = ClassSet.create(names, ignore_index=ignore_index).colors
        colors = [entry.color or color for entry, color in zip(self.classes, fallback, strict=True)]
        entry = self.background
        if not isinstance(entry, BackgroundEntry):
            entry = BackgroundEntry(policy=entry)
        return ClassSet.create(names, colors, entry.policy, entry.class_, ignore_index)

    def mask_values(self) -> dict[int, int] | None:
        """Class index of each pixel value of the masks; None where the index itself is the value."""
        if all(entry.value is None for entry in self.classes):
            return None
        table: dict[int, int] = {}
        for index, entry in enumerate(self.classes):
            if entry.value is None:
                raise DatasetError(f"'{entry.name}' has no value.", field="classes", hint="Give all classes one.")
            for value in (entry.value,) if isinstance(entry.value, int) else entry.value:
                if value in table:
                    raise DatasetError(
                        f"value {value} stands for '{self.classes[table[value]].name}' and '{entry.name}'.",
                        field="classes",
                        hint="Give each class its own values.",
                    )
                table[value] = index
        if self.ignore_index in table and "ignore_index" in self.model_fields_set:
            raise DatasetError(
                f"ignore_index {self.ignore_index} is also a value of a class.",
                field="ignore_index",
                hint="Remove ignore_index, or choose a value no class has.",
            )
        # Nobody who says that 255 is a building also means the default.
        table.setdefault(self.ignore_index, IGNORE)
        return table

    def reader(self, classes: ClassSet, home: Path, images: Collection[str]) -> MaskReader:
        """The reader of the masks."""
        if self.masks != "coco" and "overlap" in self.model_fields_set:
            raise DatasetError("overlap only goes with masks: coco.", field="overlap", hint="Remove it.")
        if self.ignore_colors and self.masks != "color":
            raise DatasetError(
                "ignore_colors only go with masks: color.",
                field="ignore_colors",
                hint="Use ignore_index, or remove it.",
            )
        if self.mask_values() is not None and self.masks in ("color", "coco"):
            by = "color" if self.masks == "color" else "the name of its category"
            raise DatasetError(
                f"classes have no value where masks are '{self.masks}'.",
                field="classes",
                hint=f"Give each {by} instead.",
            )
        if self.masks == "coco":
            if "masks" not in self.paths.model_fields_set:
                hint = "Name it: paths: {masks: annotations.json}."
                raise DatasetError("no COCO file is named.", field="paths.masks", hint=hint)
            return CocoMasks(home / self.paths.masks, classes, images, self.overlap)
        ignored = [parse_color(color) for color in self.ignore_colors]
        return MaskReader(classes, self.masks, ignored, self.mask_values())


def check_class_names(content: Mapping[str, Any], file: Path) -> None:
    """Refuse names that YAML does not read as text (`no`, `1`), and what cannot be a list of classes at all.

    Raises:
        DatasetError: With the name as it is written in the file.
    """
    classes, background = content.get("classes", ()), content.get("background")
    listing = "Write a list of names, for example classes: [soil, berry]."
    if not isinstance(classes, list | tuple):
        raise DatasetError("is no list of classes.", where=file, field="classes", hint=listing)
    names: dict[tuple[str | int, ...], Any] = {}
    for index, entry in enumerate(classes):
        if not isinstance(entry, dict):
            names["classes", index] = entry
        elif "name" in entry:
            names["classes", index, "name"] = entry["name"]
    if isinstance(background, dict) and background.get("class") is not None:
        names["background", "class"] = background["class"]
    for place, name in names.items():
        field = ".".join(map(str, place))
        if isinstance(name, list | dict):
            raise DatasetError("is no class name.", where=file, field=field, hint=listing)
        if not isinstance(name, str):
            word = _as_written(file, place)
            if not word:
                raise DatasetError("is empty.", where=file, field=field, hint="Give this class a name.")
            raise DatasetError(
                f"YAML reads {word} as {_kind(name)}.",
                where=file,
                field=field,
                hint=f"Put class names into quotes: '{word}'.",
            )


def _as_written(file: Path, place: Sequence[str | int]) -> str:
    """What stands at a place of a file: of a False nobody can tell whether it was no, off or false."""
    found: Any = yaml.load(read_text(file, DatasetError), Loader=yaml.BaseLoader)
    for key in place:
        # What YAML merges into an entry (<<) stands elsewhere.
        found = found.get(key, "") if isinstance(found, dict) else found[key]
    return str(found)


def _kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else str(value).lower()
    return "a number" if isinstance(value, int | float) else "no text"


def write_dataset_file(
    path: Path,
    classes: ClassSet,
    *,
    masks: MaskEncoding = "index",
    paths: Mapping[Literal["images", "points", "masks", "instances", "splits"], str] | None = None,
) -> None:
    """Write a `dataset.yaml`, whole or not at all."""
    content: dict[str, Any] = {
        "classes": classes.swatches(),
        "background": classes.policy
        if not classes.background
        else {"policy": classes.policy, "class": classes.names[classes.background]},
        "masks": masks,
    }
    # Whoever declares later that 255 is a class need not know of the default.
    if classes.ignore_index != IGNORE:
        content["ignore_index"] = classes.ignore_index
    if paths:
        content["paths"] = dict(paths)
    write_text(path, render_yaml(content, DatasetError, path, short=True), keep=True)
