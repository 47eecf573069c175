"""The classes of a data set: names, colours, what is ignored, and what background means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

from pointillist.errors import DatasetError, nearest
from pointillist.naming import class_key, class_name_problem

BackgroundPolicy = Literal["points", "border", "none"]
"""How background is told from the rest.

`points`: it is clicked like any class. `border`: pixels at the image border far from every click count as background
clicks. `none`: there is no background, every pixel belongs to a clicked class.
"""

BACKGROUND_POLICIES: tuple[BackgroundPolicy, ...] = get_args(BackgroundPolicy)

IGNORE = 255
"""Label of pixels that belong to no class, everywhere inside the program; files may use another value."""

Color = tuple[int, int, int]
"""Red, green, blue in 0..255."""


@dataclass(frozen=True)
class ClassSet:
    """Ordered classes; the position of a name is its index in masks, logits and metrics.

    Args:
        names: At least two, unique.
        colors: One (red, green, blue) per name.
        policy: Background policy.
        background: Index of the background class; None exactly when the policy is `none`.
        ignore_index: Value in masks that belongs to no class and is left out of loss and metric.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    policy: BackgroundPolicy = "points"
    background: int | None = 0
    ignore_index: int = 255

    def __post_init__(self) -> None:
        refused = partial(DatasetError, field="classes")
        count = len(self.names)
        if count < 2:
            found = f"{count} class(es) are listed; a segmentation needs at least two."
            raise refused(found, hint="List every class, background included.")
        if count > IGNORE:
            raise refused(f"{count} classes are listed; label maps hold at most {IGNORE}.", hint="Merge or drop some.")
        composed = [class_key(name) for name in self.names]
        for name in self.names:
            if (wrong := class_name_problem(name)) is not None:
                raise refused(wrong, hint="Use a name of visible characters, without blanks at its ends.")
            if composed.count(class_key(name)) > 1:
                raise refused(f"{name!r} is listed twice.", hint="Give every class its own name.")
        if len(self.colors) != count:
            found = f"{len(self.colors)} colours for {count} classes."
            raise refused(found, hint="Give one colour per class, or none at all.")
        if self.policy not in BACKGROUND_POLICIES:
            found = f"{self.policy!r} is no background policy."
            raise DatasetError(found, field="background", hint=nearest(str(self.policy), BACKGROUND_POLICIES))
        if (self.background is None) != (self.policy == "none"):
            raise DatasetError(
                f"Background class {self.background!r} does not go with the policy {self.policy!r}.",
                field="background",
                hint="Name a background class for 'points' and 'border', none for 'none'.",
            )
        if 0 <= self.ignore_index < len(self.names):
            raise DatasetError(
                f"ignore_index {self.ignore_index} is also the index of {self.names[self.ignore_index]!r}.",
                field="ignore_index",
                hint="Choose a value no class has; 255 is the custom of the field.",
            )

    @classmethod
    def create(
        cls,
        names: Sequence[str],
        colors: Sequence[Color | str] | None = None,
        policy: BackgroundPolicy = "points",
        background: str | None = None,
        ignore_index: int = 255,
    ) -> ClassSet:
        """Build from names alone: the first is the background, colours come from a palette safe for colour-blind eyes.

        Examples:
            >>> ClassSet.create(["soil", "berry"]).background
            0
            >>> ClassSet.create(["berry", "soil"], background="soil").background
            1
        """
        index = None
        if policy != "none" and names:
            index = 0 if background is None else cls._find(tuple(names), background)
        chosen = default_palette(len(names)) if colors is None else tuple(parse_color(color) for color in colors)
        return cls(tuple(names), chosen, policy, index, ignore_index)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    @property
    def border_background(self) -> int | None:
        """Index of the background class, where the image border gives its clicks and no person does."""
        return self.background if self.policy == "border" else None

    @property
    def clicked(self) -> tuple[str, ...]:
        """Names of the classes that a person has to click."""
        return tuple(name for index, name in enumerate(self.names) if index != self.border_background)

    def index(self, name: str) -> int:
        """Position of a class.

        Raises:
            DatasetError: No class has this name; the nearest one is suggested.
        """
        return self._find(self.names, name)

    def swatches(self) -> list[dict[str, str]]:
        """Name and colour (`#rrggbb`) of each class, for files and pages."""
        return [{"name": name, "color": hex_color(color)} for name, color in zip(self.names, self.colors, strict=True)]

    def with_policy(self, policy: BackgroundPolicy) -> ClassSet:
        """The same classes under another background policy."""
        background = None if policy == "none" else (self.background or 0)
        return ClassSet(self.names, self.colors, policy, background, self.ignore_index)

    @staticmethod
    def _find(names: tuple[str, ...], name: str) -> int:
        if name not in names:
            raise DatasetError(f"{name!r} is not a class.", field="classes", hint=nearest(name, names))
        return names.index(name)


def parse_color(color: Color | str) -> Color:
    """`#c81e3c` or (200, 30, 60) as a triple.

    Examples:
        >>> parse_color("#c81e3c")
        (200, 30, 60)
    """
    if isinstance(color, str):
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", color):
            raise DatasetError(
                f"{color!r} is no colour.", field="color", hint="Write it as '#rrggbb', for example '#c81e3c'."
            )
        red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
        return red, green, blue
    if len(color) != 3 or not all(isinstance(part, int) and 0 <= part <= 255 for part in color):
        raise DatasetError(f"{color!r} is no colour.", field="color", hint="Give red, green and blue in 0..255.")
    return color


def hex_color(color: Color) -> str:
    """A triple as `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def voc_palette(count: int) -> tuple[Color, ...]:
    """The first colours of the PASCAL VOC palette, which spreads the bits of the index over the three channels.

    Source: `VOClabelcolormap` of the PASCAL VOC development kit.

    Examples:
        >>> voc_palette(3)
        ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    """

    def color(index: int) -> Color:
        red = green = blue = 0
        for bit in range(7, -1, -1):
            red |= (index & 1) << bit
            green |= (index >> 1 & 1) << bit
            blue |= (index >> 2 & 1) << bit
            index >>= 3
        return red, green, blue

    return tuple(color(index) for index in range(count))


_OKABE_ITO: tuple[Color, ...] = (
    (64, 64, 64),
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
"""Okabe & Ito, *Color Universal Design* (2008), with a dark grey in front for the background."""


def default_palette(count: int) -> tuple[Color, ...]:
    """Colours that colour-blind eyes tell apart, as far as they reach; then the VOC palette.

    Examples:
        >>> len(set(default_palette(60)))
        60
    """
    rest = (color for color in voc_palette(256 + count)[1:] if color not in _OKABE_ITO)
    return (_OKABE_ITO + tuple(rest))[:count]


VOC_CLASSES: tuple[str, ...] = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""PASCAL VOC in the order of its indices, 0 = background."""
