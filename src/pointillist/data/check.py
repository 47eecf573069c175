"""Looking over a data set: what cannot be read, what does not fit, what is missing, what leaks between splits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pointillist.classes import IGNORE
from pointillist.data.ambiguous import ambiguity
from pointillist.data.bands import Bands
from pointillist.data.dataset import Dataset, Item
from pointillist.data.duplicates import Fingerprint, fingerprint, near_pairs, same_groups
from pointillist.data.find_bands import MEASURED_IMAGES, find_bands
from pointillist.data.folders import LeftOut
from pointillist.data.images import image_size, read_pixels
from pointillist.data.listing import find_images
from pointillist.errors import DatasetError, ImageError, MaskError
from pointillist.files import write_text

Severity = Literal["error", "warning"]

RARE_SHARE = 0.001
"""A class with a smaller share of the pixels counts as rare."""

FEW_IMAGES = 5
"""A class in fewer images has a score that one image decides."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Args:
        kind: Short name of the kind: the key of tables and reports.
        severity: `error`: training or scoring would stop, or the score would be false. `warning`: worth a look.
        where: Image, file, class or split.
        detail: What is wrong with it.
    """

    kind: str
    severity: Severity
    where: str
    detail: str


@dataclass
class Report:
    """What a check found.

    Args:
        images: Number of images.
        masks: Number of masks that could be read.
        points: Number of clicks.
        sizes: Images by (height, width).
        pixels: Pixels by class name.
        ignored: Pixels that belong to no class.
        images_with: Images by class name, counted where at least one pixel has it.
        clicks: Clicks by class name.
        splits: Images by split.
        bands: The bands of the images and their ranges; None where they cannot be told.
        left_out: What of the folders is no input.
        findings: Everything that is wrong or odd.
    """

    images: int = 0
    masks: int = 0
    points: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    pixels: Counter[str] = field(default_factory=Counter)
    ignored: int = 0
    images_with: Counter[str] = field(default_factory=Counter)
    clicks: Counter[str] = field(default_factory=Counter)
    splits: dict[str, int] = field(default_factory=dict)
    bands: Bands | None = None
    left_out: LeftOut = field(default_factory=LeftOut)
    findings: list[Finding] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    def by_kind(self) -> list[tuple[Finding, int]]:
        """The first finding of each severity and kind, and how many there are."""
        kinds: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.findings:
            kinds.setdefault((finding.severity, finding.kind), []).append(finding)
        return [(found[0], len(found)) for _, found in sorted(kinds.items())]

    def write(self, path: Path) -> None:
        """Write everything that was found as a JSON file.

        Raises:
            SaveError: It cannot be written.
        """
        write_text(path, json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n")

    def add(self, kind: str, severity: Severity, where: str, detail: str) -> None:
        """Note a finding."""
        self.findings.append(Finding(kind, severity, where, detail))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "images": self.images,
            "masks": self.masks,
            "points": self.points,
            "sizes": {f"{height}x{width}": count for (height, width), count in self.sizes.most_common()},
            "pixels": dict(self.pixels),
            "ignored_pixels": self.ignored,
            "images_with_class": dict(self.images_with),
            "clicks": dict(self.clicks),
            "splits": self.splits,
            "bands": None if self.bands is None else self.bands.to_dict(),
            "left_out": self.left_out.to_dict(),
            "errors": self.errors,
            "findings": [vars(finding) for finding in self.findings],
        }


def check(dataset: Dataset, *, on_image: Callable[[str], None] | None = None) -> Report:
    """Open every image and mask of a data set and look at everything about it; nothing is changed.

    Args:
        dataset: The data set.
        on_image: Called with the name of each image that is done.
    """
    report = Report(len(dataset.items), points=len(dataset.points), clicks=dataset.points.counts())
    report.left_out = dataset.left_out
    report.splits = {name: len(images) for name, images in dataset.splits.items()}
    with_masks = any(item.mask is not None for item in dataset.items)
    try:
        dataset = _with_bands(dataset)
        report.bands = dataset.bands
    except DatasetError as error:
        report.add("bands", "error", error.where or str(dataset.root), error.found)
    prints: dict[str, Fingerprint] = {}
    for item in dataset.items:
        _check_item(dataset, item, with_masks, prints, report)
        if on_image is not None:
            on_image(item.name)
    _check_pairs(dataset, report)
    _check_classes(dataset, report)
    _check_splits(dataset, prints, report)
    return report


def _with_bands(dataset: Dataset) -> Dataset:
    """The data set with its bands known; where images are unreadable, by those that are not, if any."""
    try:
        return dataset.with_bands()
    except ImageError:
        readable = []
        for item in dataset.split(dataset.training_split):
            with suppress(ImageError):
                read_pixels(item.image, plane=dataset.declared.plane)
                readable.append(item.image)
            if len(readable) == MEASURED_IMAGES:
                break
        return dataset.with_bands(find_bands(readable, dataset.declared, dataset.root)) if readable else dataset


def _check_item(dataset: Dataset, item: Item, with_masks: bool, prints: dict[str, Fingerprint], report: Report) -> None:
    try:
        pixels = read_pixels(item.image, plane=dataset.declared.plane)
        picture = None if dataset.bands is None else dataset.bands.picture(dataset.bands.scaled(pixels).values)
    except ImageError as error:
        report.add("unreadable image", "error", item.name, error.found)
        return
    size = pixels.size
    if image_size(item.image) != size:
        report.add("unreadable image", "error", item.name, "its header and its pixels disagree about its size.")
    report.sizes[size] += 1
    if picture is not None:
        prints[item.name] = fingerprint(picture)
    if item.mask is None:
        if with_masks:
            report.add("image without mask", "warning", item.name, "other images have one.")
        return
    try:
        labels = dataset.masks.read(item.mask, size)
    except MaskError as error:
        kind = "mask of another size" if "but its image is" in error.found else "bad mask"
        report.add(kind, "error", item.name, error.found)
        return
    report.masks += 1
    counts = np.bincount(labels.ravel(), minlength=IGNORE + 1)
    report.ignored += int(counts[IGNORE])
    if counts[IGNORE] == labels.size:
        report.add("empty mask", "warning", item.name, "every pixel is ignored.")
    for index, name in enumerate(dataset.classes.names):
        report.pixels[name] += int(counts[index])
        report.images_with[name] += int(counts[index] > 0)


def _check_pairs(dataset: Dataset, report: Report) -> None:
    """Masks without an image, found in the folders the other masks are in."""
    masks = {item.mask for item in dataset.items if item.mask is not None}
    instances = {item.instances for item in dataset.items}
    images = {item.image for item in dataset.items}
    folders = sorted({mask.parent for mask in masks if isinstance(mask, Path) and mask.parent.is_dir()})
    for folder in folders:
        for path in find_images(folder, masks=True).images.values():
            if path.parent == folder and path not in masks and path not in images and path not in instances:
                report.add("mask without image", "warning", str(path), "no image has its name.")
    if len(dataset.points):
        for item in dataset.items:
            if not dataset.points.of(item.name):
                report.add("image without clicks", "warning", item.name, "nothing is learned from it.")
    if dataset.rejected is not None:
        for reason, count in dataset.rejected.reasons().items():
            report.add("rejected clicks", "warning", str(reason), f"{count:,} clicks of the label file.")


def _check_classes(dataset: Dataset, report: Report) -> None:
    total = sum(report.pixels.values())
    if (problem := ambiguity(dataset, report.pixels, report.ignored, report.masks)) is not None:
        report.add("ignored value that may be a class", "error", "masks", f"{problem.found} {problem.hint}")
    ignored = report.ignored / max(1, report.ignored + total)
    for name in dataset.classes.names:
        if report.masks:
            share = report.pixels[name] / total if total else 0.0
            if report.pixels[name] == 0:
                report.add(
                    "class without pixels", "warning", name, f"no mask has it; {ignored:.1%} of the pixels are ignored."
                )
            elif share < RARE_SHARE:
                report.add("rare class", "warning", name, f"{share:.3%} of the pixels.")
            elif report.images_with[name] < FEW_IMAGES <= report.masks:
                report.add("rare class", "warning", name, f"in {report.images_with[name]} image(s) only.")
        if len(dataset.points) and report.clicks[name] == 0 and name in dataset.classes.clicked:
            report.add("class without clicks", "warning", name, "it cannot be learned from points.")


def _check_splits(dataset: Dataset, prints: dict[str, Fingerprint], report: Report) -> None:
    """The same or nearly the same image in two splits makes a score look better than it is."""
    groups = same_groups(prints)
    for group in groups:
        report.add("identical images", "warning", group[0], f"the same pixels as {', '.join(group[1:4])}.")
    same = {name: group[0] for group in groups for name in group}
    names = [name for name in ("train", "val", "test") if name in dataset.splits]
    for first, second in combinations(names, 2):
        here, there = set(dataset.splits[first]), set(dataset.splits[second])
        pair = f"{first} and {second}"
        for name in sorted(here & there):
            report.add("leak between splits", "error", name, f"is in {pair}.")
        originals = {same[name] for name in here if name in same}
        for name in sorted(there - here):
            if same.get(name) in originals:
                report.add("leak between splits", "error", name, f"its pixels are in {pair}.")
        left = {name: prints[name] for name in sorted(here - there) if name in prints}
        right = {name: prints[name] for name in sorted(there - here) if name in prints}
        for one, other, distance in near_pairs(left, right):
            if same.get(one, one) != same.get(other, other):
                detail = f"looks like '{one}' ({distance} of 256 bits differ); they are in {pair}."
                report.add("near-duplicate between splits", "warning", other, detail)
