"""The native data set: a folder with `images/`, `points.csv`, `dataset.yaml`, perhaps masks and splits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import yaml
from pydantic import Field, field_validator

from pointillist.classes import BackgroundPolicy, ClassSet, hex_color, parse_color
from pointillist.data.dataset import Dataset, Item, find_images, pair_masks, read_split
from pointillist.data.layouts.base import Layout
from pointillist.data.masks import MaskEncoding, MaskReader
from pointillist.errors import DatasetError
from pointillist.files import read_yaml, write_text
from pointillist.schema import Strict, parse

FILE = "dataset.yaml"


class ClassEntry(Strict):
    """One class as `dataset.yaml` lists it."""

    name: str
    color: str | None = None


class BackgroundEntry(Strict):
    """The long form of `background`, for a background class that is not the first."""

    policy: BackgroundPolicy
    class_: str | None = Field(default=None, alias="class")


class PathsEntry(Strict):
    """Where things are, relative to `dataset.yaml`; absolute paths are taken as they are."""

    images: str = "images"
    points: str = "points.csv"
    masks: str = "masks"
    splits: str = "splits"


class DatasetFile(Strict):
    """The content of `dataset.yaml`."""

    classes: tuple[ClassEntry, ...]
    background: BackgroundPolicy | BackgroundEntry = "points"
    ignore_index: int = 255
    ignore_colors: tuple[str, ...] = ()
    masks: MaskEncoding = "index"
    paths: PathsEntry = PathsEntry()

    @field_validator("classes", mode="before")
    @classmethod
    def _names_alone_will_do(cls, value: Any) -> Any:
        if isinstance(value, list):
            return [{"name": entry} if isinstance(entry, str) else entry for entry in value]
        return value

    def class_set(self) -> ClassSet:
        """The classes with their colours; missing colours come from the default palette."""
        names = [entry.name for entry in self.classes]
        fallback = ClassSet.create(names, ignore_index=self.ignore_index).colors
        colors = [entry.color or color for entry, color in zip(self.classes, fallback, strict=True)]
        long = self.background if isinstance(self.background, BackgroundEntry) else None
        policy = long.policy if long else self.background
        return ClassSet.create(
            names,
            colors,
            policy,  # type: ignore[arg-type]
            long.class_ if long else None,
            self.ignore_index,
        )


class Folder(Layout):
    """A folder with a `dataset.yaml`, or such a file anywhere."""

    name: ClassVar[str] = "folder"
    title: ClassVar[str] = "a folder with images/, points.csv and dataset.yaml"

    def recognise(self, root: Path) -> bool:
        """A `dataset.yaml` (of any name, when it is named itself)."""
        return (root / FILE).is_file() or (root.is_file() and root.suffix.lower() in (".yaml", ".yml"))

    def load(self, root: Path) -> Dataset:
        """Read `dataset.yaml` and list the files it points to; see `Layout.load`."""
        file = root if root.is_file() else root / FILE
        if not file.is_file():
            raise DatasetError("there is no dataset.yaml.", where=root, cure=f"Run 'pointillist init {root} …'.")
        settings = parse(DatasetFile, read_yaml(file, DatasetError), DatasetError, file)
        try:
            classes = settings.class_set()
            ignore_colors = [parse_color(color) for color in settings.ignore_colors]
        except DatasetError as error:
            raise DatasetError(error.found, where=file, field=error.field, cure=error.cure) from error
        home = file.parent
        images = find_images(home / settings.paths.images)
        masks = pair_masks(home / settings.paths.masks, images)
        items = tuple(Item(name, path, masks.get(name)) for name, path in images.items())
        folder = home / settings.paths.splits
        split_files = sorted(folder.glob("*.txt")) if folder.is_dir() else []
        points_file = home / settings.paths.points
        if not points_file.exists() and "points" in settings.paths.model_fields_set:
            raise DatasetError(
                f"'{settings.paths.points}' does not exist.", where=file, field="paths.points", cure="Correct the path."
            )
        return Dataset(
            root=root,
            layout=self.name,
            classes=classes,
            items=items,
            splits={path.stem: read_split(path, list(images)) for path in split_files},
            masks=MaskReader(classes, settings.masks, ignore_colors),
            points_file=points_file if points_file.exists() else None,
        )


def write_dataset_file(
    path: Path,
    classes: ClassSet,
    *,
    masks: MaskEncoding = "index",
    paths: Mapping[Literal["images", "points", "masks", "splits"], str] | None = None,
) -> None:
    """Write a `dataset.yaml`, whole or not at all."""
    content: dict[str, Any] = {
        "classes": [
            {"name": name, "color": hex_color(color)} for name, color in zip(classes.names, classes.colors, strict=True)
        ],
        "background": classes.policy
        if not classes.background
        else {"policy": classes.policy, "class": classes.names[classes.background]},
        "ignore_index": classes.ignore_index,
        "masks": masks,
    }
    if paths:
        content["paths"] = dict(paths)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    write_text(path, text)
