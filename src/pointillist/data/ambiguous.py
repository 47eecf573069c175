"""A mask value with two meanings: 255 is ignored unless somebody says that it is a class, as many masks have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import yaml

from pointillist.classes import IGNORE
from pointillist.data.dataset import IN_MEMORY, Dataset, Item
from pointillist.data.images import image_size
from pointillist.errors import DatasetError, ImageError, MaskError

MOST = 200
"""Masks that are looked at before one without doubt is found; usually the first one has several classes."""


def check_ambiguous(dataset: Dataset, items: Sequence[Item] = ()) -> None:
    """Stop where the ignored value of the masks may well be a class; see `ambiguity`.

    Looks at some of the masks, evenly spread, and only until one has two classes.

    Args:
        dataset: The data set.
        items: The images that are to be used; all where none is given.

    Raises:
        DatasetError: With the share of the ignored pixels, and the setting.
    """
    if dataset.masks.undeclared is None:
        return
    pixels: Counter[str] = Counter()
    ignored = looked = 0
    for item in _some(items or dataset.items):
        try:
            labels = dataset.masks.read(item.mask, image_size(item.image)) if item.mask is not None else None
        except (ImageError, MaskError):
            continue  # whoever needs it names it
        if labels is None:
            continue
        looked += 1
        counts = np.bincount(labels.ravel(), minlength=IGNORE + 1)
        ignored += int(counts[IGNORE])
        pixels.update({name: int(counts[index]) for index, name in enumerate(dataset.classes.names)})
        if sum(count > 0 for count in pixels.values()) > 1:
            return
    if (problem := ambiguity(dataset, pixels, ignored, looked)) is not None:
        raise problem


def ambiguity(dataset: Dataset, pixels: Mapping[str, int], ignored: int, masks: int) -> DatasetError | None:
    """The error of masks in which one class alone has pixels, and all other pixels have the ignored value.

    Nobody labels like that; but masks of 0 and 255 are common, and there 255 is the object. A value that is declared
    (`{name: berry, value: 1}`) has no second meaning.

    Args:
        dataset: The data set.
        pixels: Pixels by class name.
        ignored: Pixels with the ignored value.
        masks: Number of masks they were counted in.
    """
    value = dataset.masks.undeclared
    present = [name for name in dataset.classes.names if pixels.get(name, 0)]
    if value is None or len(present) > 1 or ignored == 0:
        return None
    absent = [name for name in dataset.classes.names if name not in present]
    share = ignored / (ignored + sum(pixels.values()))
    rest = f"all that are not '{present[0]}'" if present else "all of them"
    values = {name: value if name == absent[0] else index for index, name in enumerate(dataset.classes.names)}
    hint = f"Is {value} a class? Then write in dataset.yaml, without ignore_index: {_entries(values)}. "
    hint += f"If not, say what is: {_entries({name: index for index, name in enumerate(values)})}."
    if dataset.layout == IN_MEMORY:
        hint = f"If {value} is a class, give its index in its place. "
        hint += "If not, give another value, and a ClassSet with it as ignore_index."
    return DatasetError(
        f"{value} is ignored: {share:.1%} of the pixels of {masks:,} masks, {rest}; no pixel is "
        f"{' or '.join(repr(name) for name in absent[:4])}.",
        where=dataset.root,
        field="classes",
        hint=hint,
    )


def _entries(values: dict[str, int]) -> str:
    """Classes as `dataset.yaml` lists them."""
    some = [{"name": name, "value": value} for name, value in values.items()]
    return "classes: " + yaml.safe_dump(some, default_flow_style=True, sort_keys=False, width=10**6).strip()


def _some(items: Sequence[Item]) -> Iterable[Item]:
    masked = [item for item in items if item.mask is not None]
    return masked[:: max(1, -(-len(masked) // MOST))]
