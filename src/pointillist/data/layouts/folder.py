"""The native data set: a folder with `images/`, `points.csv`, `dataset.yaml`, perhaps masks and splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pointillist.classes import BACKGROUND_POLICIES, ClassSet
from pointillist.data.coco import CocoMasks
from pointillist.data.dataset import Dataset, Item
from pointillist.data.dataset_file import FILE, DatasetFile, check_class_names, write_dataset_file
from pointillist.data.layouts.base import Layout, Written
from pointillist.data.listing import (
    SplitNames,
    find_images,
    find_images_like,
    pair_files,
    pair_masks,
    read_split,
    with_rest_as_train,
)
from pointillist.data.masks import MASK_ENCODINGS
from pointillist.data.native_folder import compare_native, write_native_folder
from pointillist.errors import ConfigError, DatasetError, nearest
from pointillist.files import read_yaml, refuse_existing
from pointillist.schema import parse


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
        content = read_yaml(file, DatasetError)
        check_class_names(content, file)
        settings = parse(DatasetFile, content, DatasetError, file)
        home = file.parent
        try:
            classes = settings.class_set()
            found = find_images_like(home, settings.paths.images, without=settings.paths.beside_images(home))
            images = found.images
            reader = settings.reader(classes, home, images)
            if isinstance(reader, CocoMasks):
                masks = reader.files
                for name in reader.missing:
                    found.left_out.add("image of the COCO file that is not there", name)
            else:
                masks = _find_masks(home, settings.paths.masks, images)
            instances = _find_masks(home, settings.paths.instances, images)
        except DatasetError as error:
            raise DatasetError(
                error.found, where=error.where or file, line=error.line, field=error.field, hint=error.hint
            ) from error
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
            declared=settings.bands,
            left_out=found.left_out,
        )

    def write(self, dataset: Dataset, folder: Path, on_image: Callable[[str], None] | None = None) -> Written:
        """Copy images and write all else anew; see `Layout.write` and `write_native_folder`."""
        write_native_folder(dataset, folder, on_image)
        written = self.load(folder)
        if written.points_file is not None:
            written = written.with_points(written.points_file)
        compare_native(dataset, written)
        masks = sum(item.mask is not None for item in written.items)
        return Written(len(written.items), masks, len(written.points))


def _read_splits(files: Sequence[Path], images: Mapping[str, Path]) -> dict[str, tuple[str, ...]]:
    names = SplitNames(images)
    return with_rest_as_train({path.stem: read_split(path, names) for path in files}, images)


def _find_masks(home: Path, pattern: str, images: Mapping[str, Path]) -> dict[str, Path]:
    if "{}" not in pattern:
        return pair_masks(home / pattern, images)
    return pair_files(find_images_like(home, pattern, masks=True).images, images, home / pattern)


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
    if not (root / "images").is_dir():
        raise DatasetError("there is no such folder.", where=root / "images", hint="Make it, and put the images there.")
    find_images(root / "images")
    write_dataset_file(root / FILE, ClassSet.create(classes, policy=background), masks=masks)
    return Folder().load(root)
