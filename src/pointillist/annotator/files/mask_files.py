"""Masks that were accepted on the page, as files beside those of others; what others made is never lost."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointillist.annotator.files.foreign import digest_of
from pointillist.annotator.files.rendering import values_of
from pointillist.annotator.folder import DataFolder, contains
from pointillist.annotator.labels.correcting import AGREED
from pointillist.annotator.labels.mask_tables import MaskRow, StrokeRow
from pointillist.annotator.labels.painting import paint_strokes, painted
from pointillist.annotator.labels.tables import Tables
from pointillist.annotator.labels.writer import Writer
from pointillist.classes import IGNORE, parse_color
from pointillist.data.dataset_file import DatasetFile
from pointillist.data.listing import MASK_SUFFIXES
from pointillist.errors import DatasetError, PointillistError, SaveError
from pointillist.files import make_folder, replacing, saving

LARGEST_MASK = 64_000_000
"""Pixels of the largest image that gets a mask here: all of one is in memory while it is written."""

_FILE = "mask file "
"""Name of the fact, before that of an image: its `_Record`."""


@dataclass(frozen=True)
class _Record:
    """What is known of the file of a mask.

    Attributes:
        done: What it was made from; empty where the file is not (any more) as it should be.
        written: Digest of the file as it was written last.
        writing: Digest of the file that was about to be written.
        backups: Copies, by name of the file that they replaced.
    """

    done: str = ""
    written: str = ""
    writing: str = ""
    backups: Mapping[str, str] = field(default_factory=dict)


class MaskFiles:
    """Writes the masks of the store into the folder of masks.

    Args:
        folder: The data folder.
        size_of: (height, width) of an image.
        writer: Of the store.

    Attributes:
        problems: Why the mask of an image could not be written, by its name.
    """

    def __init__(self, folder: DataFolder, size_of: Callable[[str], tuple[int, int]], writer: Writer) -> None:
        self._folder = folder
        self._size_of = size_of
        self._writer = writer
        self._declared = folder.declared or DatasetFile(classes=())
        self._home = folder.root / self._declared.paths.masks
        self._lock = threading.Lock()
        self._last: tuple[tuple[Any, ...], tuple[str, ...], NDArray[np.uint8]] | None = None
        self.problems: dict[str, PointillistError] = {}

    def check(self, image: str) -> None:
        """Refuse an image that can have no mask here; see `MaskHome`."""
        pattern, kind = self._declared.paths.masks, self._declared.masks
        if kind == "coco" or "{}" in pattern:
            where = "in a COCO file" if kind == "coco" else "in several folders"
            raise DatasetError(
                f"the masks of this data set are {where}.",
                field="masks",
                hint="Make a folder of masks first: pointillist data convert --help.",
            )
        if kind == "color" and not self._declared.ignore_colors:
            raise DatasetError(
                "the masks of this data set have no colour for what is undecided.",
                field="ignore_colors",
                hint="Name one in dataset.yaml, ignore_colors: ['#000000'], and start the annotator again.",
            )
        stem = _stem(image)
        other = next((name for name in self._folder.images if name != image and _stem(name) == stem), None)
        if other is not None:
            raise DatasetError(
                f"'{image}' and '{other}' differ in extension only, so one mask would fit both.",
                field="image",
                hint="Rename one of the images, and start the annotator again.",
            )
        height, width = self._size_of(image)
        if height * width > LARGEST_MASK:
            raise DatasetError(
                f"the image has {height * width:,} pixels; masks are made of up to {LARGEST_MASK:,}.",
                field="image",
                hint="Cut it into tiles.",
            )
        if self._path(image).parent == self._folder.images[image].parent:
            raise DatasetError(
                "images and masks of this data set lie in one folder.",
                field="masks",
                hint="Give masks a folder of their own.",
            )
        if not contains(self._folder.root, self._path(image).parent):
            raise DatasetError(
                "the folder of masks leads out of the data folder.", field="masks", hint="Copy it into the folder."
            )

    def foreign(self, tables: Tables, image: str) -> dict[str, str]:
        """Digests by name of the mask files of an image that were not written here; see `MaskHome`."""
        records = [_record(tables, image)]
        there = {path.name: digest_of(path) for path in self._there(image)}
        records.append(_record(tables, image))  # it may have been written while it was looked at
        ours = {digest for record in records for digest in (record.written, record.writing)}
        return {name: digest for name, digest in there.items() if digest not in ours}

    def about(self, tables: Tables, image: str) -> dict[str, str | bool | None]:
        """The file of a mask and whether it is as the store has it, or the name of one made elsewhere."""
        wanted = self._wanted(tables, image, tables.mask_versions().get(image, 0))
        return {
            "file": self._path(image).relative_to(self._folder.root).as_posix(),
            "written": _record(tables, image).done == wanted and image not in self.problems,
            "foreign": next(iter(self.foreign(tables, image)), None),
        }

    def current(self, tables: Tables) -> bool:
        """Whether all files are as the store has them."""
        versions = tables.mask_versions()
        return all(_record(tables, image).done == self._wanted(tables, image, v) for image, v in versions.items())

    def write(self, tables: Tables) -> None:
        """Write what has changed; what fails for one image is in `problems`, and is tried again the next time."""
        with self._lock:
            for image, version in tables.mask_versions().items():
                self._bring(tables, image, self._wanted(tables, image, version))

    def _bring(self, tables: Tables, image: str, wanted: str) -> None:
        mask, path = tables.mask_of(image), self._path(image)
        if _record(tables, image).done == wanted and (mask is None or path.is_file()):
            return
        try:
            with saving(path):
                if mask is None:
                    self._withdraw(tables, image)
                elif image in self._folder.images:
                    self.check(image)
                    self._put(tables, mask)
            self._keep(tables, image, done=wanted)
        except PointillistError as error:
            self.problems[image] = error
        else:
            self.problems.pop(image, None)

    def _put(self, tables: Tables, mask: MaskRow) -> None:
        image, path = mask.image, self._path(mask.image)
        agreed = json.loads(tables.metadata(AGREED + image) or "[]")

        def of_others() -> list[str]:
            foreign = self.foreign(tables, image)
            for name, digest in foreign.items():
                if digest not in agreed:
                    raise SaveError(
                        f"'{name}' was made or changed by another program, so the mask of the page is not written.",
                        where=path,
                        hint="Accept the layer again to replace it, or take the mask back; a copy is kept.",
                    )
            return list(foreign)

        foreign = of_others()
        make_folder(path.parent)
        backups = {name: self._backed_up(path.parent / name) for name in foreign}
        made = self._folder.own / "mask.next.png"
        self._picture(tables, mask).save(made, format="PNG")
        self._keep(
            tables, image, writing=digest_of(made), backups={**_record(tables, image).backups, **backups}, done=""
        )
        with replacing(path, keep=True) as temporary:
            shutil.copyfile(made, temporary)
            of_others()  # painting takes its time
        for name in foreign:
            if name != path.name:
                (path.parent / name).unlink(missing_ok=True)
        self._keep(tables, image, written=digest_of(made))
        made.unlink()

    def _withdraw(self, tables: Tables, image: str) -> None:
        """Remove the file, and bring back what it replaced; what others wrote since stays."""
        path, record = self._path(image), _record(tables, image)
        if path.is_symlink() or (path.is_file() and digest_of(path) not in (record.written, record.writing)):
            return
        for name, copy in record.backups.items():
            kept = self._folder.below("backups", "masks") / copy
            if kept.is_file() and (name == path.name or not (path.parent / name).exists()):
                with replacing(path.parent / name) as temporary:
                    shutil.copyfile(kept, temporary)
        if path.name not in record.backups:
            path.unlink(missing_ok=True)
        self._keep(tables, image, written="", writing="", backups={})

    def _backed_up(self, path: Path) -> str:
        """Copy a file of others to the backups; gives the name of the copy, which says what is in it."""
        name = f"{digest_of(path)[:16]}-{path.name}"
        with replacing(self._folder.below("backups", "masks") / name) as temporary:
            shutil.copyfile(path, temporary)
        return name

    def _picture(self, tables: Tables, mask: MaskRow) -> Image.Image:
        classes, declared = tables.classes(), self._declared
        places = {row.id: index for index, row in enumerate(classes)}

        def index_of(given: str) -> int | None:
            found = tables.class_id(given)
            return None if found is None else places.get(found)

        labels = self._painted(mask, tables.strokes_of(mask.id), tuple(places), index_of)
        colors: NDArray[np.uint8] = np.zeros((256, 3), np.uint8)
        colors[: len(classes)] = [parse_color(row.color) for row in classes]
        if declared.masks == "color":
            colors[IGNORE] = parse_color(declared.ignore_colors[0])
            return Image.fromarray(colors[labels])
        values = np.zeros(256, np.uint16)
        values[: len(classes)] = [own[0] for own in values_of(classes, declared.ignore_index)]
        values[IGNORE] = declared.ignore_index
        if values.max() > 255:
            return Image.fromarray(values[labels])
        picture = Image.fromarray(values[labels].astype(np.uint8))
        if declared.masks == "palette":
            palette = np.zeros((256, 3), np.uint8)
            palette[values[: len(classes)]] = colors[: len(classes)]
            picture.putpalette(palette.tobytes())
        return picture

    def _painted(
        self, mask: MaskRow, strokes: list[StrokeRow], classes: tuple[str, ...], index_of: Callable[[str], int | None]
    ) -> NDArray[np.uint8]:
        """The labels of a mask; what was painted the last time is not painted again."""
        size = self._size_of(mask.image)
        about = (mask.id, classes, size)
        known: tuple[str, ...] = ()
        labels: NDArray[np.uint8] | None = None
        if self._last is not None and self._last[0] == about:
            _, known, labels = self._last
        ids = tuple(stroke.id for stroke in strokes)
        if labels is None or ids[: len(known)] != known:
            labels = painted(mask, strokes, size, index_of)
        else:
            paint_strokes(labels, strokes[len(known) :], index_of)
        self._last = about, ids, labels
        return labels

    def _wanted(self, tables: Tables, image: str, version: int) -> str:
        """What a file is to be made from: a text that changes when the file has to."""
        if tables.mask_of(image) is None:
            return f"none {version}"
        classes = tables.classes()
        by = [row.color for row in classes] if self._declared.masks in ("palette", "color") else []
        values = values_of(classes, self._declared.ignore_index)
        of = json.dumps([[row.id for row in classes], values, by])
        return f"{version} {hashlib.sha256(of.encode()).hexdigest()[:16]}"

    def _path(self, image: str) -> Path:
        return self._home / f"{_stem(image)}.png"

    def _there(self, image: str) -> list[Path]:
        """All files that would be taken for the mask of an image."""
        path = self._path(image)
        if not path.parent.is_dir():
            return []
        return [
            file
            for file in sorted(path.parent.iterdir())
            if file.stem == path.stem and file.suffix.lower() in MASK_SUFFIXES and file.is_file()
        ]

    def _keep(self, tables: Tables, image: str, **changed: str | Mapping[str, str]) -> None:
        """Keep what is known of a file, on the disk before anything else happens."""
        record = replace(_record(tables, image), **changed)  # type: ignore[arg-type]
        text = json.dumps(asdict(record))
        self._writer.submit(lambda writing: writing.set_metadata(_FILE + image, text)).result()


def _record(tables: Tables, image: str) -> _Record:
    return _Record(**json.loads(tables.metadata(_FILE + image) or "{}"))


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122 - as the layouts pair them
