"""The native data set: a folder with `images/`, `points.csv`, `dataset.yaml`, perhaps masks and splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import Field, field_validator

from pointillist.classes import BACKGROUND_POLICIES, IGNORE, BackgroundPolicy, ClassSet, parse_color
from pointillist.data.bands import DeclaredBands
from pointillist.data.dataset import Dataset, Item
from pointillist.data.layouts.base import Layout
from pointillist.data.listing import SplitNames, find_images, find_images_like, pair_files, pair_masks, read_split
from pointillist.data.masks import MASK_ENCODINGS, MaskEncoding, MaskReader
from pointillist.errors import ConfigError, DatasetError, nearest
from pointillist.files import read_yaml, refuse_existing, write_text
from pointillist.schema import Strict, parse

FILE = "dataset.yaml"


class ClassEntry(Strict):
    """One class as `dataset.yaml` lists it; `value` is what masks have for it, where that is not its index."""

    name: str
    color: str | None = None
    value: int | tuple[int, ...] | None = None


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


Pair = tuple[float, float]


class BandsEntry(Strict):
    """What `dataset.yaml` says about the bands of the images; what it leaves out is found out."""

    names: tuple[str, ...] | None = None
    """Names of the bands that are used."""
    select: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] | None = None
    """Bands of the files that are used, counted from 1; all when left out."""
    display: tuple[str | int, ...] | None = Field(default=None, min_length=1, max_length=3)
    """Bands that are shown as red, green and blue: names, or numbers counted from 1."""
    range: Literal["auto"] | Pair | Annotated[tuple[Pair, ...], Field(min_length=1)] = "auto"
    """Values that become black and white: one pair for all bands, or one for each; `auto` measures them."""
    plane: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Which picture of files with several, counted from 1: {page: 2}, {Z: 5}."""

    @field_validator("range", mode="after")
    @classmethod
    def _rises(cls, value: Any) -> Any:
        pairs = () if value == "auto" else (value,) if isinstance(value[0], float) else value
        if any(low >= high for low, high in pairs):
            raise ValueError("the first value of a range must be below the second")
        return pairs or "auto"

    def declared(self) -> DeclaredBands:
        """The same for whoever looks at the images."""
        ranges = None if self.range == "auto" else self.range
        return DeclaredBands(self.names, self.select, self.display, ranges, self.plane)  # type: ignore[arg-type]


class DatasetFile(Strict):
    """The content of `dataset.yaml`."""

    classes: tuple[ClassEntry, ...]
    background: BackgroundPolicy | BackgroundEntry = "points"
    ignore_index: int = 255
    ignore_colors: tuple[str, ...] = ()
    masks: MaskEncoding = "index"
    paths: PathsEntry = PathsEntry()
    bands: BandsEntry = BandsEntry()

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
                hint="Choose a value no class has.",
            )
        # Nobody who says that 255 is a building also means the default.
        table.setdefault(self.ignore_index, IGNORE)
        return table

    def reader(self, classes: ClassSet) -> MaskReader:
        """The reader of the masks."""
        if self.ignore_colors and self.masks != "color":
            raise DatasetError(
                "ignore_colors only go with masks: color.",
                field="ignore_colors",
                hint="Use ignore_index, or remove it.",
            )
        if self.mask_values() is not None and self.masks == "color":
            raise DatasetError(
                "classes of colour-coded masks have no value.", field="classes", hint="Give each its color instead."
            )
        ignored = [parse_color(color) for color in self.ignore_colors]
        return MaskReader(classes, self.masks, ignored, self.mask_values())


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
            raise DatasetError("there is no dataset.yaml.", where=root, hint=f"Run 'pointillist init {root} …'.")
        settings = parse(DatasetFile, read_yaml(file, DatasetError), DatasetError, file)
        home = file.parent
        try:
            classes = settings.class_set()
            reader = settings.reader(classes)
            images = find_images_like(home, settings.paths.images)
            masks = _find_masks(home, settings.paths.masks, images)
            instances = _find_masks(home, settings.paths.instances, images)
        except DatasetError as error:
            raise DatasetError(error.found, where=error.where or file, field=error.field, hint=error.hint) from error
        for key in ("points", "masks", "instances", "splits"):
            value = getattr(settings.paths, key)
            # A default that is not there is not used; what somebody wrote down must be there.
            if key in settings.paths.model_fields_set and "{}" not in value and not (home / value).exists():
                raise DatasetError(
                    f"'{value}' does not exist.", where=file, field=f"paths.{key}", hint="Correct the path."
                )
        items = tuple(Item(name, path, masks.get(name), instances.get(name)) for name, path in images.items())
        folder = home / settings.paths.splits
        split_files = sorted(folder.glob("*.txt")) if folder.is_dir() else []
        points_file = home / settings.paths.points
        return Dataset(
            root=root,
            layout=self.name,
            classes=classes,
            items=items,
            splits=_read_splits(split_files, images),
            masks=reader,
            points_file=points_file if points_file.exists() else None,
            declared=settings.bands.declared(),
        )


def _read_splits(files: Sequence[Path], images: Mapping[str, Path]) -> dict[str, tuple[str, ...]]:
    names = SplitNames(images)
    splits = {path.stem: read_split(path, names) for path in files}
    held = {name for split in ("val", "test") for name in splits.get(split, ())}
    if held and "train" not in splits:
        # Whoever lists only what is to be scored does not want it to be learnt from.
        splits["train"] = tuple(name for name in images if name not in held)
    return splits


def _find_masks(home: Path, pattern: str, images: Mapping[str, Path]) -> dict[str, Path]:
    if "{}" not in pattern:
        return pair_masks(home / pattern, images)
    return pair_files(find_images_like(home, pattern), images, home / pattern)


def create_dataset(
    root: Path, classes: Sequence[str], *, background: str = "points", masks: str = "index", overwrite: bool = False
) -> Dataset:
    """Make a data set of a folder with `images/`, by writing its `dataset.yaml`.

    Args:
        root: The folder.
        classes: Class names; the first is the background.
        background: Background policy: points, border or none.
        masks: How masks, if there are any, name classes: index, palette or color.
        overwrite: Whether an existing `dataset.yaml` may be replaced.

    Raises:
        ConfigError: There is no such policy or kind of mask.
        DatasetError: There are no images, or the classes do not hold together.
        SaveError: There is a `dataset.yaml` already.
    """
    if background not in BACKGROUND_POLICIES:
        raise ConfigError(
            f"{background!r} is no background policy.",
            field="--background",
            hint=nearest(background, BACKGROUND_POLICIES),
        )
    if masks not in MASK_ENCODINGS:
        raise ConfigError(f"{masks!r} is no kind of mask.", field="--masks", hint=nearest(masks, MASK_ENCODINGS))
    refuse_existing(root / FILE, overwrite)
    find_images(root / "images")
    write_dataset_file(root / FILE, ClassSet.create(classes, policy=background), masks=masks)
    return Folder().load(root)


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
        "ignore_index": classes.ignore_index,
        "masks": masks,
    }
    if paths:
        content["paths"] = dict(paths)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    write_text(path, text)
