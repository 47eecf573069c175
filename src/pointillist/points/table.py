"""Points as data: who was clicked where, in a stable order, by class name."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from unicodedata import normalize

NO_EXTRA: Mapping[str, str] = {}
"""No further columns; one for all points. A read-only proxy could not be sent to loader processes."""


OFF_IMAGES = ""
"""Image of a point on a map that lies in none of the images; x and y are then those of the map."""


@dataclass(frozen=True, slots=True)
class Point:
    """One click.

    Args:
        image: Path of the image below the data set's image folder, with `/` and extension, as the label file names it.
        x: Continuous, from the left edge of the EXIF-oriented image, in its pixels; column c has its centre at c + 0.5.
        y: Continuous, from the top edge, downwards.
        label: Class name.
        extra: Further columns of the label file, kept for a rewrite.
        line: 1-based line of a text file it was read from, for messages.
        place: Where it stands in any other label file (`a.json, shapes[3]`), for messages.

    Examples:
        >>> Point("a.jpg", x=412.5, y=300.5, label="berry").pixel
        (300, 412)
    """

    image: str
    x: float
    y: float
    label: str
    extra: Mapping[str, str] = field(default_factory=lambda: NO_EXTRA, compare=False)
    line: int | None = field(default=None, compare=False)
    place: str | None = field(default=None, compare=False)

    @property
    def pixel(self) -> tuple[int, int]:
        """(row, column) of the pixel it lies in."""
        return math.floor(self.y), math.floor(self.x)


class PointTable:
    """Points of many images, in the order they were read.

    Args:
        points: The clicks.
        columns: Names of the further columns, in their order.
        listed: Images the label file names, one per entry, also those without points; images with points are listed in
            any case. Names that stand for several entries are `repeated`.
        skipped: What the label file holds besides usable points, by kind, counted ("polygon": 3).
        unnamed: Questions that name no class, with the label "", see `pointillist.points.questions`. They are none of
            the points, and are kept for a rewrite and to be counted.

    Examples:
        >>> table = PointTable([Point("a.png", 3.5, 2.0, "berry"), Point("b.png", 1.0, 1.0, "soil")])
        >>> [point.label for point in table.of("a.png")]
        ['berry']
    """

    def __init__(
        self,
        points: Iterable[Point] = (),
        columns: Iterable[str] = (),
        *,
        listed: Iterable[str] = (),
        skipped: Mapping[str, int] | None = None,
        unnamed: Iterable[Point] = (),
    ) -> None:
        self._points = tuple(points)
        self.columns = tuple(columns)
        self.skipped = Counter(skipped or {})
        self.unnamed = tuple(unnamed)
        self._by_image: dict[str, list[Point]] = {}
        for point in self._points:
            self._by_image.setdefault(point.image, []).append(point)
        entries = Counter(iter(listed))
        self.listed = tuple(dict.fromkeys((*entries, *self._by_image, *(point.image for point in self.unnamed))))
        # One name in two Unicode forms is one name.
        spelt = Counter(normalize("NFC", name) for name in entries.elements())
        self.repeated = frozenset(name for name in entries if spelt[normalize("NFC", name)] > 1)

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[Point]:
        return iter(self._points)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PointTable) and self._points == other._points

    def __hash__(self) -> int:
        return hash(self._points)

    def __repr__(self) -> str:
        return f"PointTable({len(self)} points in {len(self.images)} images)"

    @cached_property
    def rows(self) -> PointTable:
        """The points and the unnamed questions alike."""
        return PointTable((*self._points, *self.unnamed), self.columns)

    @property
    def images(self) -> tuple[str, ...]:
        """Images with at least one point, in order of first appearance."""
        return tuple(self._by_image)

    def of(self, image: str) -> tuple[Point, ...]:
        """Points of one image; empty when it has none."""
        return tuple(self._by_image.get(image, ()))

    def counts(self) -> Counter[str]:
        """Number of points per class name."""
        return Counter(point.label for point in self._points)
