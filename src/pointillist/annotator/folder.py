"""The folder that is annotated: its images and label files, and the border that nothing crosses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pointillist.data.dataset_file import FILE, DatasetFile, MaskKind, PathsEntry
from pointillist.data.find_bands import DeclaredBands
from pointillist.data.folders import LeftOut
from pointillist.data.layouts import layouts
from pointillist.data.listing import SplitNames, find_images, read_split, with_rest_as_train
from pointillist.errors import DatasetError
from pointillist.files import make_folder, read_yaml, refuse_links
from pointillist.schema import parse

OWN = ".pointillist"
"""Folder of the annotator inside the data folder; hidden, so that nobody takes its pictures for images."""


@dataclass(frozen=True)
class DataFolder:
    """Where everything is; all of it lies below `root`, which has no link in its path.

    Images are known by the path below the image folder, with `/`; `images_at_root` tells whether that is the folder
    itself, not `images/`. `left_out` also counts links that lead out of the folder or to a folder, which are not
    followed, and names that are no text. `dataset.yaml` and `points.csv` may not be there yet. `masks` is how the masks
    name classes; None where there are none. `bands` is what `dataset.yaml` said of them when the folder was opened, and
    `declared` all that it said; None without one.
    """

    root: Path
    dataset_file: Path
    points_file: Path
    splits: Path
    images: dict[str, Path]
    images_at_root: bool
    left_out: LeftOut
    masks: MaskKind | None
    bands: DeclaredBands
    declared: DatasetFile | None = None

    @cached_property
    def own(self) -> Path:
        """The annotator's own folder, made when missing; no link is in it when it is opened."""
        path = self.root / OWN
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise DatasetError(
                "is no folder.", where=path, hint="Remove it: the annotator keeps its own files under this name."
            )
        make_folder(path)
        refuse_links(path, DatasetError)
        return path

    def below(self, *parts: str) -> Path:
        """A folder below `own`, made when missing."""
        return make_folder(self.own.joinpath(*parts))

    def learnt_from(self) -> list[str]:
        """Images that a training learns from: those of the split `train`, where the folder has splits.

        Raises:
            DatasetError: A file of a split is damaged.
        """
        names = SplitNames(self.images)
        files = [path for path in sorted(self.splits.glob("*.txt")) if contains(self.root, path)]
        splits = with_rest_as_train({path.stem: read_split(path, names) for path in files}, self.images)
        return list(splits.get("train", self.images))

    def image(self, name: str) -> Path:
        """The file of an image, as long as it still lies inside the folder."""
        path = self.images[name]
        if not contains(self.root, path):
            raise DatasetError(
                "leads out of the folder.", where=name, hint="Copy the image into the folder; links are not followed."
            )
        return path


def open_folder(path: Path) -> DataFolder:
    """Find the images and label files of a folder of images, one with `images/`, or a `dataset.yaml`; opens no image.

    Raises:
        DatasetError: There is no image, the folder is laid out in another way, or its `dataset.yaml` is damaged or
            leads out of the folder.
    """
    if not path.exists():
        raise DatasetError("there is no such folder.", where=path, hint="Check the path.")
    file = Path(os.path.realpath(path / FILE if path.is_dir() else path))
    root = Path(os.path.realpath(path if path.is_dir() else path.parent))
    settings: DatasetFile | None = None
    if file.is_file():
        _inside(root, file, path)
        settings = parse(DatasetFile, read_yaml(file, DatasetError), DatasetError, file)
    else:
        for name, kind in layouts().items():
            if name != "folder" and kind().recognise(root):
                raise DatasetError(
                    f"is laid out as '{name}', which has no place for clicks.",
                    where=path,
                    hint="Make a folder of it first: pointillist data convert.",
                )
    paths = PathsEntry() if settings is None else settings.paths
    at_root = settings is None and not (root / paths.images).is_dir()
    home = root if at_root else root / paths.images
    if "{}" in paths.images:
        raise DatasetError(
            f"'{paths.images}' stands for several folders.",
            where=file,
            field="paths.images",
            hint="Name one folder of images.",
        )
    _inside(root, home, file, "paths.images")
    points_file = root / paths.points
    _inside(root, points_file, file, "paths.points")
    found = find_images(home, without=paths.beside_images(root), border=root)
    masks_folder = root / paths.masks
    coco = settings is not None and settings.masks == "coco"
    has_masks = coco or (masks_folder.is_dir() and contains(root, masks_folder) and any(os.scandir(masks_folder)))
    return DataFolder(
        root=root,
        dataset_file=file,
        points_file=points_file,
        splits=root / paths.splits,
        images=found.images,
        images_at_root=at_root,
        left_out=found.left_out,
        masks=None if not has_masks else "index" if settings is None else settings.masks,
        bands=DeclaredBands() if settings is None else settings.bands,
        declared=settings,
    )


def contains(root: Path, path: Path) -> bool:
    """Whether a path, with all links followed, lies below a folder that has no link in its own path."""
    return Path(os.path.realpath(path)).is_relative_to(root)


def _inside(root: Path, path: Path, where: Path, field: str | None = None) -> None:
    if not contains(root, path):
        raise DatasetError(
            f"'{path}' lies outside the folder.",
            where=where,
            field=field,
            hint="The annotator reads and writes only inside the folder: copy what is needed into it.",
        )
