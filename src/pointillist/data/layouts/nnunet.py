"""nnU-Net's raw data sets: `imagesTr/`, `labelsTr/`, `dataset.json`, read and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.dataset import Dataset, Item
from pointillist.data.folders import LeftOut
from pointillist.data.images import SUFFIXES
from pointillist.data.layouts.base import Layout, Written
from pointillist.data.listing import find_images
from pointillist.data.masks import MaskReader
from pointillist.errors import DatasetError, PointsError
from pointillist.points.formats.jsontext import Node, read_json, write_json
from pointillist.points.table import Point

FILE = "dataset.json"
PARTS = {"train": "Tr", "test": "Ts"}
"""Ends of the names of folders, by split."""

BACKGROUND, UNLABELLED = "background", "ignore"
"""Two names that nnU-Net keeps for itself: its label 0, and its highest label, which it does not learn from."""


@dataclass(frozen=True)
class Numbers:
    """nnU-Net's numbers for the classes of a data set.

    Its label 0 is background: left out of its Dice, and what lies beyond an image. So a class has it only if it is the
    data set's background, and in a data set without background no pixel has it.
    """

    classes: ClassSet

    @property
    def of_class(self) -> list[int]:
        """Label of each class."""
        first = self.classes.background
        if first is None:
            return list(range(1, len(self.classes) + 1))
        return [0 if index == first else index + (index < first) for index in range(len(self.classes))]

    @property
    def unlabelled(self) -> int:
        """The label of pixels that nobody labelled: the highest."""
        return max(self.of_class) + 1

    def table(self) -> dict[str, int]:
        """As dataset.json has it.

        Raises:
            DatasetError: A class has a name that nnU-Net keeps for itself, or there are more labels than a byte holds.
        """
        if self.unlabelled > np.iinfo(np.uint8).max:
            found = f"{len(self.classes)} classes are more than labels of 8 bits hold beside those that nnU-Net needs."
            raise DatasetError(found, field="classes", hint="Merge or drop some.")
        numbers = sorted(zip(self.of_class, self.classes.names, strict=True))
        for number, name in numbers:
            if number and name in (BACKGROUND, UNLABELLED):
                found = f"the class {name!r} has a name that nnU-Net keeps for itself."
                raise DatasetError(found, field="classes", hint="Rename it.")
        # In the order of the numbers, which is the order in which nnU-Net names its outputs.
        return {BACKGROUND: 0, **{name: number for number, name in numbers if number}, UNLABELLED: self.unlabelled}

    def drawn(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """H×W class indices, 255 where nobody labelled, as nnU-Net's labels."""
        table = np.full(IGNORE + 1, self.unlabelled, np.uint8)
        table[: len(self.classes)] = self.of_class
        return table[labels]


class Nnunet(Layout):
    """The format of nnU-Net version 2 (Isensee et al., *nnU-Net: a self-configuring method for deep learning-based
    biomedical image segmentation*, Nature Methods 2021; documentation/dataset_format.md), for images, not for volumes.

    `imagesTr/` is the split `train`, `imagesTs/` is `test`. Written, `imagesTr/` are the images to learn from that have
    clicks (all pixels but the clicked ones have the label `ignore`), or, in a data set without clicks, a mask; the
    images of all other splits are in `imagesTs/`, with their masks in `labelsTs/`. Images of three bands of 8 bits are
    one file, others one for each band, which is not read back.
    """

    name: ClassVar[str] = "nnunet"
    title: ClassVar[str] = "nnU-Net: imagesTr/, labelsTr/, dataset.json"
    folders: ClassVar[tuple[str, ...]] = ("imagesTr", "labelsTr")

    def recognise(self, root: Path) -> bool:
        """The two folders and the file."""
        return super().recognise(root) and (root / FILE).is_file()

    def load(self, root: Path) -> Dataset:
        """Pair the files of `imagesTr/` and `labelsTr/`, `imagesTs/` and `labelsTs/`; see `Layout.load`."""
        try:
            described = read_json(root / FILE)
            ending = described.get("file_ending").text()
            names, values = _classes(described.get("labels"))
        except PointsError as error:
            raise DatasetError(
                error.found, where=error.where, line=error.line, field=error.field, hint=error.hint
            ) from error
        if ending.lower() not in SUFFIXES:
            found = f"its files end in '{ending}', and only images are read here, no volumes."
            raise DatasetError(found, where=root / FILE, field="file_ending", hint="Save the slices as PNG or TIFF.")
        classes = ClassSet.create(names)
        items: list[Item] = []
        splits: dict[str, tuple[str, ...]] = {}
        left_out = LeftOut()
        for split, part in PARTS.items():
            folder = root / f"images{part}"
            if folder.is_dir() and (part == PARTS["train"] or any(folder.iterdir())):
                inside, beside = _items(root, part, ending)
                items += inside
                splits[split] = tuple(item.name for item in inside)
                left_out.include(beside, f"{folder.name}/")
        reader = MaskReader(classes, "index", values=values)
        return Dataset(root, self.name, classes, tuple(items), splits, reader, left_out=left_out)

    def write(self, dataset: Dataset, folder: Path, on_image: Callable[[str], None] | None = None) -> Written:
        """Write images as PNG and labels of them; see `Layout.write` and the class."""
        numbers, bands = Numbers(dataset.classes), dataset.with_bands().known_bands
        described = {
            "channel_names": {str(number): name for number, name in enumerate(bands.names)},
            "labels": numbers.table(),
            "file_ending": ".png",
            "overwrite_image_reader_writer": "NaturalImage2DIO",
        }
        for part in PARTS.values():
            for kind in ("images", "labels"):
                (folder / f"{kind}{part}").mkdir()
        learnt = {item.name for item in dataset.split(dataset.training_split)}
        cases: dict[str, str] = {}
        left_out: list[str] = []
        in_training = masks = points = 0
        for item in dataset.items:
            part = PARTS["train" if item.name in learnt else "test"]
            clicks = dataset.points.of(item.name) if item.name in learnt else []
            by_mask = item.mask is not None and (item.name not in learnt or not len(dataset.points))
            if not clicks and not by_mask and item.name in learnt:
                left_out.append(item.name)
                continue
            case = _case(item.name, cases, dataset.root)
            pixels = bands.read(item.image)
            _save_image(pixels.values, folder / f"images{part}" / case)
            if clicks or by_mask:
                mask = item.mask if by_mask else None
                labels = _clicked(clicks, pixels.size, dataset.classes)
                labels = labels if mask is None else dataset.masks.read(mask, pixels.size)
                labels = labels if pixels.valid is None else np.where(pixels.valid, labels, np.uint8(IGNORE))
                Image.fromarray(numbers.drawn(labels)).save(folder / f"labels{part}" / f"{case}.png")
            in_training += item.name in learnt
            masks += by_mask
            points += len(clicks)
            if on_image is not None:
                on_image(item.name)
        if not in_training:
            found = "no image to learn from has clicks or a mask."
            raise DatasetError(found, where=dataset.root, hint="Click some, or add masks.")
        write_json(folder / FILE, {**described, "numTraining": in_training})
        return Written(len(cases), masks, points, tuple(left_out))


def _classes(labels: Node) -> tuple[list[str], dict[int, int]]:
    """Names of the classes by their label, and class index (or 255) of each label."""
    numbers: dict[int, str] = {}
    for name, node in labels.members():
        if isinstance(node.value, list):
            raise node.fail("is a region of several labels, which is not read.", "Give each class one label.")
        if not 0 <= (number := node.integer()) < 2**16:
            raise node.fail(f"found the label {number:g}, which no mask holds.", "Labels are 0, 1, 2, …")
        if numbers.setdefault(number, name) != name:
            raise node.fail(f"has the label {number} of {numbers[number]!r}.", "Give each class a label of its own.")
    classes = sorted(number for number, name in numbers.items() if name != UNLABELLED)
    values = {number: index for index, number in enumerate(classes)}
    return [numbers[number] for number in classes], {**dict.fromkeys(numbers, IGNORE), **values}


def _items(root: Path, part: str, ending: str) -> tuple[list[Item], LeftOut]:
    """Images of `imagesTr/` or `imagesTs/`, each with its mask where there is one, and what is left out."""
    found = find_images(root / f"images{part}")
    items: dict[str, Item] = {}
    for name, path in found.images.items():
        match = re.fullmatch(rf"(.+)_\d{{4}}{re.escape(ending)}", name)
        if match is None:
            hint = f"Images are called CASE_0000{ending}, as dataset.json says."
            raise DatasetError("is no name of an image of nnU-Net.", where=path, hint=hint)
        case = match[1]
        if case in items:
            found_text = f"the case '{case}' has several files, one for each band, which is not read."
            raise DatasetError(found_text, where=path, hint="Put all bands into one file.")
        mask = root / f"labels{part}" / f"{case}{ending}"
        items[case] = Item(f"images{part}/{name}", path, mask if mask.is_file() else None)
    return list(items.values()), found.left_out


def _case(name: str, cases: dict[str, str], where: Path) -> str:
    """The name that nnU-Net has for an image, kept in `cases`; file systems may take small letters for capitals."""
    case = PurePosixPath(name).with_suffix("").as_posix().replace("/", "__")
    other = cases.setdefault(case.casefold(), name)
    if other != name:
        found = f"'{other}' and '{name}' would both be the case '{case}'."
        raise DatasetError(found, where=where, hint="Rename one of the images.")
    return case


def _save_image(values: NDArray[np.generic], beside: Path) -> None:
    """Write H×W×K: three bands of 8 bits as one file, others as one for each band."""
    if values.dtype == np.uint8 and values.shape[2] == 3:
        pictures = [values]
    else:
        pictures = [np.ascontiguousarray(values[:, :, band]) for band in range(values.shape[2])]
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(beside.with_name(f"{beside.name}_{number:04}.png"))


def _clicked(clicks: Sequence[Point], size: tuple[int, int], classes: ClassSet) -> NDArray[np.uint8]:
    """H×W class indices that hold the clicks, 255 elsewhere; of two in one pixel the later one stays."""
    labels = np.full(size, IGNORE, np.uint8)
    for point in clicks:
        labels[int(point.y), int(point.x)] = classes.index(point.label)
    return labels
