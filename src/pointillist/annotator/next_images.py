"""Which image a click would teach most on: those without points first, then where the model is unsure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointillist.annotator.session import Session


@dataclass(frozen=True)
class Region:
    """The part of an image where the model is least sure, in its pixels."""

    score: float
    x: int
    y: int
    width: int
    height: int

    def body(self) -> dict[str, Any]:
        """As the page reads it."""
        return {
            "x": self.x,
            "y": self.y,
            "width": self.width,
            "height": self.height,
            "cx": self.x + self.width / 2,
            "cy": self.y + self.height / 2,
            "score": round(self.score, 4),
        }


class NextImages:
    """Orders the images.

    Args:
        session: The folder.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._regions: dict[str, Region] = {}

    def entry(self, name: str, points: int) -> dict[str, Any]:
        """An image in a list."""
        region = self._regions.get(name)
        return {
            "id": self._session.catalogue.id(name),
            "name": name,
            "points": points,
            "region": None if region is None else region.body(),
        }

    def ordered(self) -> list[str]:
        """All images, the most instructive first."""
        counts = self._session.store.reading().counts()

        def key(name: str) -> tuple[int, float, int]:
            region = self._regions.get(name)
            points = counts.get(name, 0)
            unsure = 0.0 if region is None else -region.score
            return (0 if points == 0 else 1 if region is not None else 2, unsure, points)

        return sorted(self._session.catalogue.names, key=key)

    def next(self, after: str | None) -> dict[str, Any]:
        """The most instructive image but the present one, and why."""
        counts = self._session.store.reading().counts()
        name = next((name for name in self.ordered() if name != after), None)
        reason = "none"
        if name is not None:
            unsure = name in self._regions
            reason = "no-points" if not counts.get(name) else "uncertain" if unsure else "fewest-points"
        return {
            "image": None if name is None else self.entry(name, counts.get(name, 0)),
            "reason": reason,
            "ready": len(self._regions),
            "total": len(self._session.catalogue),
        }
