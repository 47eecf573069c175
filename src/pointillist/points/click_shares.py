"""Which class is clicked too rarely for its share of the pixels, whoever knows that share; needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LARGE = 0.5
"""A class of a smaller share of the pixels is not judged: only background was measured, and estimates are rougher."""

RARE, ENOUGH = 0.45, 0.5
"""A class is clicked too rarely whose share of clicks is below `RARE` times its share of pixels; enough at `ENOUGH`.

On peanut fields soil has 0.39 of its share with one click per piece of it, which teaches too little, and 0.57 with as
many clicks as all plants, which teaches enough.
"""


@dataclass(frozen=True)
class Advice:
    """A class that is worth more clicks.

    Args:
        label: The class.
        pixels: Its share of the pixels, 0 to 1, estimated.
        clicks: Its share of the clicks.
        more: How many clicks more bring it to `ENOUGH` of its share of the pixels.
        images: Images with clicks.
    """

    label: str
    pixels: float
    clicks: float
    more: int
    images: int

    def __str__(self) -> str:
        step = 10 ** max(0, len(str(self.more)) - 2)
        more, each = round(self.more / step) * step, self.more / self.images
        where = f"{each:.0f} an image" if each > 2 / 3 else f"one in every {round(1 / each)} images"
        return (
            f"{self.label} covers about {100 * self.pixels:.0f} % of the pixels and has {100 * self.clicks:.0f} % of "
            f"the clicks: about {more:,} clicks more on it, {where}, are worth it."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, and the text."""
        return {
            "class": self.label,
            "share_of_pixels": round(self.pixels, 3),
            "share_of_clicks": round(self.clicks, 3),
            "clicks_more": self.more,
            "images": self.images,
            "text": str(self),
        }


def judge(shares: Sequence[float], counts: Mapping[int, int], images: int, names: Sequence[str]) -> list[Advice]:
    """Classes of more than `LARGE` of the pixels that are clicked too rarely; one never clicked is none of them.

    Args:
        shares: Share of the pixels of each class, 0 to 1.
        counts: Clicks of each class that has some.
        images: Images with clicks.
        names: Of the classes.
    """
    advice = []
    for label, pixels in enumerate(shares):
        total, own = sum(counts.values()), counts.get(label, 0)
        if label in counts and pixels > LARGE and own < RARE * pixels * total:
            wanted = ENOUGH * pixels
            more = math.ceil((wanted * total - own) / (1 - wanted))
            advice.append(Advice(names[label], pixels, own / total, more, images))
    return advice
