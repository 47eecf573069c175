"""Finding the files of a data set: images, the masks that go with them, and the splits that list them."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path, PurePosixPath

from pointillist.data import matlab
from pointillist.data.folders import Found, LeftOut, look_through
from pointillist.data.images import SUFFIXES
from pointillist.errors import DatasetError
from pointillist.files import read_text
from pointillist.points.names import ImageNames

SUFFIX_LIST = ", ".join(sorted(SUFFIXES))
"""For messages."""

MASK_SUFFIXES = SUFFIXES | {matlab.SUFFIX}
"""File name endings that count as masks, lower case."""


def find_images(
    folder: Path, *, masks: bool = False, without: Collection[Path] = (), border: Path | None = None
) -> Found:
    """Images below a folder, and what is left out; see `folders.look_through`.

    Args:
        folder: Where to look.
        masks: Whether they are masks, which `predict` may have written.
        without: Folders below it that hold something else.
        border: Where links may not lead out of; see `folders.look_through`.

    Raises:
        DatasetError: The folder is missing, or holds no image.
    """
    if not folder.is_dir():
        raise DatasetError("there is no such folder.", where=folder, hint="Check the path.")
    found = look_through(
        folder, suffixes=MASK_SUFFIXES if masks else SUFFIXES, without=without, results=masks, border=border
    )
    if not found.images:
        raise no_images(folder, found.left_out)
    return found


def no_images(folder: Path, left_out: LeftOut) -> DatasetError:
    """The error of a folder without images, which names what was left out."""
    more = f"; {left_out}" if left_out else ""
    return DatasetError(f"holds no images{more}.", where=folder, hint=f"Put {SUFFIX_LIST} files there.")


def find_images_like(home: Path, pattern: str, *, masks: bool = False, without: Collection[Path] = ()) -> Found:
    """Images below one folder, or below several that fit a pattern such as `Tile {}/images`.

    With a pattern, what `{}` stands for becomes the first part of the names: `Tile 3/images/a.jpg` is `3/a.jpg`.

    Args:
        home: Folder that relative patterns start from.
        pattern: Path with at most one `{}`.
        masks: See `find_images`.
        without: See `find_images`.

    Raises:
        DatasetError: The pattern has several `{}` or fits no folder, a folder is missing, or there is no image.
    """
    if "{}" not in pattern:
        return find_images(home / pattern, masks=masks, without=without)
    if pattern.count("{}") > 1:
        raise DatasetError(f"'{pattern}' has more than one {{}}.", field="paths", hint="Use {} once.")
    parts = PurePosixPath(pattern).parts
    level = next(index for index, part in enumerate(parts) if "{}" in part)
    parent = home.joinpath(*parts[:level])
    fits = re.compile(re.escape(parts[level]).replace(re.escape("{}"), "(.+)"))
    found: dict[str, Path] = {}
    left_out = LeftOut()
    for folder in sorted(parent.iterdir()) if parent.is_dir() else []:
        match = fits.fullmatch(folder.name)
        below = folder.joinpath(*parts[level + 1 :])
        if match and below.is_dir():
            inside = find_images(below, masks=masks, without=without)
            found |= {f"{match[1]}/{name}": path for name, path in inside.images.items()}
            left_out.include(inside.left_out, f"{match[1]}/")
    if not found:
        raise DatasetError(f"'{pattern}' fits no folder.", where=home, field="paths", hint="Correct the path.")
    return Found(dict(sorted(found.items())), left_out)


def pair_masks(folder: Path, images: Iterable[str]) -> dict[str, Path]:
    """Masks by image name: the mask of `a/b.jpg` is `a/b.png` (or .tif, …) below the mask folder.

    Args:
        folder: Mask folder; when there is none, or an empty one, no image has a mask.
        images: Image names, as `find_images` gives them.

    Raises:
        DatasetError: A mask fits several images, an image several masks, their names differ in case, or no mask fits.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return {}
    return pair_files(find_images(folder, masks=True).images, images, folder)


def pair_files(masks: Mapping[str, Path], images: Iterable[str], where: Path) -> dict[str, Path]:
    """Pair masks and images whose names agree but for the extension; see `pair_masks`.

    Args:
        masks: Mask files by their name.
        images: Image names.
        where: For messages.
    """
    refused = partial(DatasetError, where=where)
    images = list(images)
    by_stem: dict[str, Path] = {}
    for name, path in masks.items():
        stem = _stem(name)
        if stem in by_stem:
            found = f"'{by_stem[stem].name}' and '{path.name}' are both the mask of '{stem}'."
            raise refused(found, hint="Keep one of them.")
        by_stem[stem] = path
    image_of: dict[str, str] = {}
    pairs: dict[str, Path] = {}
    for name in images:
        stem = _stem(name)
        other = image_of.setdefault(stem, name)
        mask = by_stem.get(stem)
        if mask is None:
            continue
        if other != name:
            found = f"images '{other}' and '{name}' differ in extension only, so '{mask.name}' fits both."
            raise refused(found, hint="Rename one of the images and give it its own mask.")
        pairs[name] = mask
    if len(pairs) < len(by_stem):
        folded = {stem.casefold(): name for stem, name in image_of.items()}
        for stem in by_stem:
            if stem not in image_of and stem.casefold() in folded:
                found = f"mask '{by_stem[stem].name}' and image '{folded[stem.casefold()]}' differ in case."
                raise refused(found, hint="Give both the same name.")
    if by_stem and not pairs:
        found = f"none of its {len(by_stem):,} masks has the name of an image; '{next(iter(masks))}' is one of them."
        hint = f"The mask of '{images[0]}' is '{_stem(images[0])}.png'." if images else "Add the images."
        raise refused(found, field="masks", hint=hint)
    return pairs


def find_split_folders(
    root: Path, splits: Iterable[str], images: str, masks: str | None = None
) -> tuple[Found, dict[str, Path]]:
    """Images and masks by image name where every split has folders of its own; names begin with the split's.

    Args:
        root: Folder of the data set.
        splits: Their names; one without a folder of images is left out.
        images: Folder of images below `root`, with `{}` for the split.
        masks: The same for masks; None where there are none.

    Raises:
        DatasetError: See `find_images` and `pair_masks`.
    """
    found = Found({}, LeftOut())
    pairs: dict[str, Path] = {}
    for split in splits:
        folder = root / images.format(split)
        if folder.is_dir():
            inside = find_images(folder)
            found.images.update({f"{split}/{name}": path for name, path in inside.images.items()})
            found.left_out.include(inside.left_out, f"{split}/")
            below = {} if masks is None else pair_masks(root / masks.format(split), inside.images)
            pairs |= {f"{split}/{name}": path for name, path in below.items()}
    return found, pairs


def splits_of(images: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Image names by their first folder, which is their split."""
    splits: dict[str, tuple[str, ...]] = {}
    for split, names in groupby(images, key=lambda name: name.split("/")[0]):
        splits[split] = (*splits.get(split, ()), *names)
    return splits


def with_rest_as_train(splits: Mapping[str, tuple[str, ...]], images: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The same splits, and `train` with the rest where only images to score are listed: these are not to be learnt."""
    held = {name for split in ("val", "test") for name in splits.get(split, ())}
    if not held or "train" in splits:
        return dict(splits)
    return {**splits, "train": tuple(name for name in images if name not in held)}


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122 - PurePosixPath takes ten times as long, for 100,000 names


class SplitNames:
    """Finds the images that lines of split files name; made once for all splits of a data set.

    Args:
        names: Names of all images.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._exact = frozenset(self.names)

    def find(self, wanted: str) -> list[str]:
        """The images a line may mean: the one of this name, or those of this path or last part without extension."""
        if wanted in self._exact:
            return [wanted]
        return self._by_path.get(wanted) or self._by_last.get(wanted) or []

    # Only looked into, and so only made, where lines leave the extension out.
    @cached_property
    def _by_path(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.names:
            found.setdefault(_stem(name), []).append(name)
        return found

    @cached_property
    def _by_last(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for stem, names in self._by_path.items():
            found.setdefault(stem.rpartition("/")[2], []).extend(names)
        return found


def read_split(
    path: Path, names: Sequence[str] | SplitNames, *, name_of: Callable[[str], str] = str
) -> tuple[str, ...]:
    """Read a split file: one image name per line, with or without extension; blank lines and `#` comments are skipped.

    A line that names no image but has `*`, `?` or `[` is a pattern for several: `Tile 1/*`.

    Args:
        path: The file.
        names: Names of all images.
        name_of: Takes the name out of a line, for layouts whose lines hold more.

    Raises:
        DatasetError: A line names no image, several, or one that was listed before; or nothing is listed.
    """
    index = names if isinstance(names, SplitNames) else SplitNames(names)
    chosen: dict[str, None] = {}
    for number, line in enumerate(read_text(path, DatasetError).splitlines(), start=1):
        wanted = line.strip().replace("\\", "/")
        if not wanted or wanted.startswith("#"):
            continue
        wanted = name_of(wanted)
        refused = partial(DatasetError, where=path, line=number)
        fits = index.find(wanted)
        if len(fits) > 1:
            some = ", ".join(f"'{name}'" for name in fits[:4])
            hint = f"Write the path below the image folder, one of {some}."
            raise refused(f"'{wanted}' fits {len(fits)} images.", hint=hint)
        if not fits and any(sign in wanted for sign in "*?["):
            fits = fnmatch.filter(index.names, wanted)
            if not fits:
                raise refused(f"no image fits the pattern '{wanted}'.", hint="Correct it, or remove it.")
        if not fits:
            raise refused(f"there is no image '{wanted}'.", hint=ImageNames(index.names).hint(wanted))
        for image in fits:
            if image in chosen:
                raise refused(f"'{image}' is listed twice.", hint="Remove one of the lines.")
            chosen[image] = None
    if not chosen:
        raise DatasetError("lists no image.", where=path, hint="Write one image name per line.")
    return tuple(chosen)
