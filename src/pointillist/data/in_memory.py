"""Data sets that a program holds: arrays, tensors and torch data sets in place of files."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from pointillist.classes import BackgroundPolicy, ClassSet
from pointillist.data.arrays import described, labels_of, pixels_of, points_of
from pointillist.data.dataset import ALL, IN_MEMORY, Dataset, Item
from pointillist.data.listing import with_rest_as_train
from pointillist.data.masks import MaskReader
from pointillist.data.pixels import Pixels
from pointillist.data.regions import InMemory
from pointillist.errors import DatasetError, MaskError, PointillistError, PointsError, nearest
from pointillist.points.check import Reason, check_points
from pointillist.points.names import ImageNames
from pointillist.points.table import Point, PointTable

AXES = {"images": 4, "points": 3, "masks": 3, "names": 1}
"""Of an array that has an entry for each image."""


class MapStyle(Protocol):
    """What torch calls a map-style data set."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def dataset_of_arrays(
    images: Sequence[Any],
    points: Sequence[Any],
    classes: Sequence[str] | ClassSet,
    masks: Sequence[Any] | None,
    *,
    names: Sequence[str] | None,
    splits: Mapping[str, Iterable[str | int]] | None,
    background: BackgroundPolicy | None,
) -> Dataset:
    """See `Dataset.from_arrays`."""
    for field, given in {"images": images, "points": points, "masks": masks, "names": names}.items():
        if given is not None or field in ("images", "points"):
            _check_list(given, field, images)
    read = partial(_entry, images, points, masks)
    fields = ("images[{}]", "points[{}]", "masks[{}]")
    return _dataset(read, len(images), fields, classes, names, splits, background)


def dataset_of_torch(
    dataset: MapStyle,
    classes: Sequence[str] | ClassSet,
    *,
    names: Sequence[str] | None,
    splits: Mapping[str, Iterable[str | int]] | None,
    background: BackgroundPolicy | None,
) -> Dataset:
    """See `Dataset.from_torch`."""
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        hint = "Give a map-style one: it has a length, and dataset[i] is (image, points)."
        raise _refused(f"{described(dataset)} is no such data set.", field="dataset", hint=hint)
    if names is not None:
        _check_list(names, "names", dataset)
    fields = ("dataset[{}][0]", "dataset[{}][1]", "dataset[{}][2]")
    return _dataset(partial(_example, dataset), len(dataset), fields, classes, names, splits, background)


_refused = partial(DatasetError, where=IN_MEMORY)


def _check_list(given: Any, field: str, images: Sized) -> None:
    axes = getattr(given, "ndim", None)
    is_list = hasattr(given, "__len__") and hasattr(given, "__getitem__") and not isinstance(given, str | Mapping)
    if not is_list or axes not in (None, 1, AXES[field]):
        hint = f"Give a list with an entry for each image, or an array of {AXES[field]} axes."
        raise _refused(f"{described(given)} is no list of {field}.", field=field, hint=hint)
    if len(given) != len(images):
        found = f"there are {len(given)}, and {len(images)} images."
        raise _refused(found, field=field, hint="Give one for each image, in the same order.")


Entry = tuple[object, object, object]
"""Image, points and mask, as they were given."""


def _entry(images: Sequence[Any], points: Sequence[Any], masks: Sequence[Any] | None, number: int) -> Entry:
    return images[number], points[number], None if masks is None else masks[number]


def _example(dataset: MapStyle, number: int) -> Entry:
    example = dataset[number]
    if not isinstance(example, tuple | list) or len(example) not in (2, 3):
        hint = "An example is a tuple (image, points) or (image, points, mask)."
        raise _refused(f"{described(example)} is no example.", field=f"dataset[{number}]", hint=hint)
    return example[0], example[1], example[2] if len(example) == 3 else None


@dataclass(frozen=True)
class _Read:
    """One image, with what goes with it."""

    pixels: Pixels
    points: list[Point]
    mask: Pixels | None


class _Reader:
    """Reads images when they are needed; the last one is kept, because its mask comes next.

    Args:
        read: Gives what was handed over, by number.
        fields: What image, points and mask of a number are called, in messages.
        names: Of the images.
        classes: For the points.
    """

    def __init__(
        self, read: Callable[[int], Entry], fields: tuple[str, str, str], names: Sequence[str], classes: ClassSet
    ) -> None:
        self._read, self._fields, self._names, self._classes = read, fields, names, classes
        self._seen: dict[int, tuple[tuple[int, ...], list[Point]]] = {}
        self._last: tuple[int, _Read] | None = None

    def __call__(self, number: int) -> _Read:
        if self._last is None or self._last[0] != number:
            name, fields = self._names[number], [field.format(number) for field in self._fields]
            image, points, mask = self._read(number)
            read = _Read(
                pixels_of(image, field=fields[0], where=name),
                points_of(points, self._classes, field=fields[1], where=name),
                None if mask is None else labels_of(mask, field=fields[2], where=name),
            )
            seen = (read.pixels.values.shape, read.points)
            if self._seen.setdefault(number, seen) != seen:
                found = "is of another size, or has other points, than when it was read first."
                hint = "Leave random transforms out: training moves, scales and flips images with their points."
                raise DatasetError(found, where=name, field=fields[0], hint=hint)
            self._last = number, read
        return self._last[1]

    def item(self, number: int) -> Item:
        """The image and its mask, to be read again when they are needed."""
        read, name = self(number), self._names[number]
        image = _source(name, partial(self._image, number), read.pixels)
        return Item(name, image, None if read.mask is None else _source(name, partial(self._mask, number), read.mask))

    def _image(self, number: int) -> Pixels:
        return self(number).pixels

    def _mask(self, number: int) -> Pixels:
        mask = self(number).mask
        if mask is None:
            found, hint = "has no mask any more.", "Give the same each time."
            raise MaskError(found, where=self._names[number], field=self._fields[2].format(number), hint=hint)
        return mask


def _source(name: str, read: Callable[[], Pixels], pixels: Pixels) -> InMemory:
    height, width, bands = pixels.values.shape
    return InMemory(name, read, bands, pixels.values.dtype.name, height, width)


def _dataset(
    read: Callable[[int], Entry],
    count: int,
    fields: tuple[str, str, str],
    classes: Sequence[str] | ClassSet,
    names: Sequence[str] | None,
    splits: Mapping[str, Iterable[str | int]] | None,
    background: BackgroundPolicy | None,
) -> Dataset:
    """Read and check everything once."""
    if not count:
        raise _refused("there are no images.", field="images", hint="Give at least one.")
    known, called = _classes(classes, background), _names(names, count)
    reader, masks = _Reader(read, fields, called, known), MaskReader(known, "index")
    items, points, sizes = [], [], {}
    problems: dict[str, PointillistError] = {}
    for number, name in enumerate(called):
        try:
            example, item = reader(number), reader.item(number)
            sizes[name] = example.pixels.size
            points += example.points
            items.append(item)
            if item.mask is not None:
                masks.read(item.mask, sizes[name])
        except MaskError as error:
            hint = f"A mask has its image's size, and values 0 to {len(known) - 1} or {known.ignore_index} = not known."
            problems[name] = MaskError(error.found, where=name, field=fields[2].format(number), hint=hint)
        except PointillistError as error:
            problems[name] = error
    checked = check_points(
        PointTable(points), names=ImageNames(called), classes=known.names, size_of=lambda name: sizes[name]
    )
    for rejected in checked.rejections:
        # As in a label file: a trembling hand makes doubles, and the others are as good as they were.
        if rejected.reason not in (Reason.DUPLICATE, Reason.CONFLICTING):
            name, place = rejected.point.image, rejected.point.place
            problems.setdefault(name, PointsError(rejected.found, where=name, field=place, hint=rejected.hint))
    if problems:
        first = next(problems[name] for name in called if name in problems)
        more = f" (Images with problems: {len(problems)} of {count}.)" if len(problems) > 1 else ""
        raise type(first)(first.found + more, where=first.where, field=first.field, hint=first.hint)
    return Dataset(
        root=Path(IN_MEMORY),
        layout=IN_MEMORY,
        classes=known,
        items=tuple(items),
        splits=_splits(splits or {}, called),
        masks=masks,
        points=checked.points,
        rejected=checked,
    )


def _classes(given: Sequence[str] | ClassSet, background: BackgroundPolicy | None) -> ClassSet:
    if isinstance(given, ClassSet):
        return given if background is None else given.with_policy(background)
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(isinstance(name, str) for name in given):
        hint = 'Give their names: ["soil", "berry"], or a ClassSet.'
        raise _refused(f"{given!r} is no list of classes.", field="classes", hint=hint)
    return ClassSet.create(given, policy=background or "points")


def _names(given: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if given is None:
        return tuple(f"image-{number:04}" for number in range(1, count + 1))
    names: dict[str, None] = {}
    for number, name in enumerate(given):
        if not isinstance(name, str) or not name or name in names:
            found = f"{name!r} is no name, or is given twice."
            raise _refused(found, field=f"names[{number}]", hint="Give each image a name of its own.")
        names[name] = None
    return tuple(names)


def _splits(given: Mapping[str, Iterable[str | int]], names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    splits: dict[str, tuple[str, ...]] = {}
    index = {name: name for name in names}
    for split, images in given.items():
        refused = partial(_refused, field=f"splits[{split!r}]")
        if not isinstance(split, str) or split == ALL:
            raise refused(f"{split!r} cannot be the name of a split.", hint=f"Choose another; '{ALL}' is every image.")
        if isinstance(images, str) or not isinstance(images, Iterable):
            raise refused(f"{described(images)} is no list.", hint="Give names or indices of images.")
        chosen: dict[str, None] = {}
        for one in images:
            name = index.get(one) if isinstance(one, str) else _at(names, one)
            if name is None or name in chosen:
                found = f"{one!r} is no image, or is listed twice."
                hint = nearest(one, names) if isinstance(one, str) and len(names) < 20 else "Give names or indices."
                raise refused(found, hint=hint)
            chosen[name] = None
        if not chosen:
            raise refused("lists no image.", hint="Leave it out.")
        splits[split] = tuple(chosen)
    return with_rest_as_train(splits, names)


def _at(names: tuple[str, ...], index: Any) -> str | None:
    try:
        place = operator.index(index)
    except TypeError:
        return None
    return names[place] if 0 <= place < len(names) and not isinstance(index, bool) else None
