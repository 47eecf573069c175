"""What a training learns from: which images, in which bands, at which scale, in which windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from statistics import median

from pointillist.data.dataset import Dataset, Item
from pointillist.data.images import image_size, on_a_map
from pointillist.data.inputs import MOST_FACTOR, InputSpec, Scale
from pointillist.data.next_command import to_get_clicks
from pointillist.errors import ConfigError, DatasetError, PointsError
from pointillist.points.names import listed
from pointillist.training.config import WINDOW, Config, DataSettings
from pointillist.training.methods import get_method

LOOKED_AT = 200
"""At most so many images decide on a scale."""

WINDOWS_ACROSS = 1.25
"""√(H·W) that the median image is brought to, never enlarged, in sides of a window: measured, see docs/data-sets.md."""


@dataclass(frozen=True)
class TrainingInput:
    """What a training learns from.

    Args:
        dataset: The data set, its bands known.
        items: Images with labels.
        spec: Bands and scale.
        window: (height, width) of a training window.
    """

    dataset: Dataset
    items: tuple[Item, ...]
    spec: InputSpec
    window: tuple[int, int]

    @classmethod
    def of(cls, dataset: Dataset, settings: DataSettings, supervision: str) -> TrainingInput:
        """Look at a data set.

        Raises:
            DatasetError: There is no mask and the method needs some, or the images differ in bands or type.
            PointsError: There is no click and the method needs some.
            ImageError: An image that was looked at cannot be read.
        """
        dataset = dataset if settings.background is None else dataset.with_policy(settings.background)
        items = training_items(dataset, supervision, settings.learn_masks)
        dataset = dataset.with_bands()
        spec = InputSpec(dataset.known_bands, learnt_scale(settings, items))
        return cls(dataset, items, spec, training_window(settings, spec.scale, items))

    def __str__(self) -> str:
        sizes = Counter(_sizes(self.items))
        (height, width), _ = sizes.most_common(1)[0]
        factor = self.spec.scale.factor((height, width))
        many = "images" if len(sizes) == 1 else "most images"
        what = "" if self.spec.bands.photograph else f" with {self.spec.bands}"
        share = "their own size" if factor == 1 else f"{factor:.2g} of their size"
        window = f"{self.window[1]}×{self.window[0]}"
        count = self.masks_learnt
        masks = f"; {count:,} of them from {'its mask' if count == 1 else 'their masks'}, too" if count else ""
        return f"{many} of {width:,}×{height:,} px{what} are learnt at {share}, in windows of {window}{masks}"

    @property
    def masks_learnt(self) -> int:
        """Number of images whose masks a method that learns from points learns, too."""
        return sum(item.mask_learnt for item in self.items)


def training_items(dataset: Dataset, supervision: str, learn_masks: str | Collection[str] = "none") -> tuple[Item, ...]:
    """Images a method can learn from: those with a mask, or those with at least one click.

    Args:
        dataset: The data set.
        supervision: Of the method.
        learn_masks: See `DataSettings`; for a method that learns from points, these images have `mask_learnt`.

    Raises:
        DatasetError: There is no mask, or an image that is named has none.
        PointsError: There is no click.
    """
    split = dataset.split(dataset.training_split)
    if supervision == "masks":
        items = tuple(item for item in split if item.mask is not None)
        if not items:
            found = f"no image of '{dataset.training_split}' has a mask, and this method learns from masks."
            hint = "Add masks, or choose --method single-stage."
            raise DatasetError(found, where=dataset.root, field="masks", hint=hint)
        return items
    learnt = _masks_learnt(dataset, split, learn_masks)
    if not any(dataset.points.of(item.name) for item in split):
        found = f"there are no points on the {len(split)} images of '{dataset.training_split}'."
        raise PointsError(found, where=dataset.points_file or dataset.root, hint=to_get_clicks(dataset))
    marked = (replace(item, mask_learnt=item.name in learnt) for item in split)
    return tuple(item for item in marked if item.mask_learnt or dataset.points.of(item.name))


def check_masks_learnt(config: Config) -> None:
    """Refuse masks beside clicks for a method that could not learn them.

    Raises:
        ConfigError: The method learns from masks anyway, or at once from clicks.
    """
    method = get_method(config.method.name)
    if config.data.learn_masks != "none" and (method.supervision == "masks" or not method.in_steps):
        alone = "every mask there is" if method.supervision == "masks" else "clicks alone"
        hint = "Leave it out, or choose another method."
        raise ConfigError(f"'{method.name}' learns from {alone}.", field="data.learn_masks", hint=hint)


def _masks_learnt(dataset: Dataset, split: Sequence[Item], wanted: str | Collection[str]) -> frozenset[str]:
    there = frozenset(item.name for item in split if item.mask is not None)
    if wanted == "none":
        return frozenset()
    if wanted == "all":
        return there
    if missing := sorted(set(wanted) - there):
        found = f"{listed(missing)} {'has' if len(missing) == 1 else 'have'} no mask in '{dataset.training_split}'."
        hint = "Name images of this split that have a mask, or all, or none."
        raise DatasetError(found, where=dataset.root, field="data.learn_masks", hint=hint)
    return frozenset(wanted)


def learnt_scale(settings: DataSettings, items: Sequence[Item]) -> Scale:
    """The scale of a training: what the settings say, or what the images ask for.

    Raises:
        ImageError: The size of an image cannot be read.
    """
    if settings.size is None:
        return Scale.of(1.0)
    if settings.size == "auto":
        # Pixels of a map have a size on the ground, whatever part of it a file holds.
        if any(on_a_map(item.image) for item in items[:: max(1, len(items) // LOOKED_AT)]):
            return Scale.of(1.0)
        height, width = settings.window or (WINDOW, WINDOW)
        target = WINDOWS_ACROSS * (height * width) ** 0.5
        return Scale.of(min(1.0, target / median((height * width) ** 0.5 for height, width in _sizes(items))))
    box = Scale(settings.size)
    # An image larger than any of these is later seen at the smallest scale that was learnt, not at a smaller one.
    return Scale(settings.size, least=min(MOST_FACTOR, *(box.factor(image_size(item.image)) for item in items)))


def training_window(settings: DataSettings, scale: Scale, items: Sequence[Item]) -> tuple[int, int]:
    """(height, width) of a training window: what the settings say, or the largest image, up to 256×256."""
    if settings.window is not None:
        return settings.window
    if isinstance(settings.size, tuple):
        return settings.size
    sizes = [scale.size_of(size) for size in _sizes(items)]
    return min(WINDOW, max(height for height, _ in sizes)), min(WINDOW, max(width for _, width in sizes))


def _sizes(items: Sequence[Item]) -> list[tuple[int, int]]:
    return [image_size(item.image) for item in items[:: max(1, len(items) // LOOKED_AT)]]
