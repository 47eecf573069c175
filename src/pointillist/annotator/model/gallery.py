"""All images with what the model says about them, in an order that a person chose."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pointillist.annotator.folder import contains
from pointillist.annotator.model.background import Background
from pointillist.annotator.model.prediction_cache import About
from pointillist.annotator.session import Session
from pointillist.data.listing import SplitNames, read_split, with_rest_as_train

Order = Literal["name", "uncertainty", "share", "against"]

KEPT = 16
"""Orders that are kept for pages that go through them."""


@dataclass(frozen=True)
class Wish:
    """What a person wants to see: `by` what the images are sorted, and which.

    `label` is the id of a class: of `share`, it is the class whose share counts; with `shown`, only images where the
    model sees it. `split` is the name of one. `reverse` turns the order around.
    """

    by: Order = "name"
    label: str | None = None
    shown: bool = False
    split: str | None = None
    reverse: bool = False


class Gallery:
    """Lists of the images; one keeps its order while predictions and clicks go on."""

    def __init__(self, session: Session, background: Background) -> None:
        self._session = session
        self._background = background
        self._lock = threading.Lock()
        self._orders: OrderedDict[str, list[str]] = OrderedDict()

    def listed(self, wish: Wish, order: str, offset: int, limit: int) -> dict[str, Any]:
        """Some images of a list.

        Args:
            wish: What is to be listed.
            order: The name that an earlier answer gave its list; another one, or '', makes a new list.
            offset: First image.
            limit: So many.
        """
        about = self._background.about()
        with self._lock:
            names = self._orders.get(order)
        if names is None:
            order, names = secrets.token_hex(8), self._sorted(wish, about)
            with self._lock:
                self._orders[order] = names
                while len(self._orders) > KEPT:
                    self._orders.popitem(last=False)
        some = names[offset : offset + limit]
        # What is looked at comes first.
        self._background.want(some)
        counts = self._session.store.reading().counts()
        share = self._share(wish.label)
        return {
            **self._background.status(),
            "order": order,
            "matching": len(names),
            "splits": list(self._splits()),
            "images": [self._entry(name, counts.get(name, 0), about.get(name), share) for name in some],
        }

    def _entry(self, name: str, points: int, known: About | None, share: Callable[[About], float]) -> dict[str, Any]:
        catalogue = self._session.catalogue
        said = None
        if known is not None:
            shares = [round(value, 4) for value in known.shares]
            said = {
                **{"uncertainty": round(known.uncertainty, 4), "share": round(share(known), 4), "shares": shares},
                **{"clicks": known.clicks, "against": known.against, "stamp": known.stamp},
            }
        return {**catalogue.about(name), "points": points, "said": said}

    def _share(self, label: str | None) -> Callable[[About], float]:
        """How much of an image is of a class; of several outputs, where classes were merged."""
        outputs = [index for index, given in enumerate(self._background.status()["outputs"]) if given == label]
        return lambda known: sum(known.shares[index] for index in outputs if index < len(known.shares))

    def _sorted(self, wish: Wish, about: dict[str, About]) -> list[str]:
        names = self._session.catalogue.names
        share = self._share(wish.label)
        if wish.split is not None:
            inside = self._splits().get(wish.split, frozenset())
            names = [name for name in names if name in inside]
        if wish.shown:
            names = [name for name in names if name in about and share(about[name]) > 0]
        keys: dict[Order, Callable[[About], tuple[float, ...]]] = {
            "name": lambda _: (),
            "uncertainty": lambda known: (-known.uncertainty,),
            "share": lambda known: (-share(known),),
            "against": lambda known: (-known.against, -known.against / max(1, known.clicks), -known.clicks),
        }
        if wish.by == "name":
            return names[::-1] if wish.reverse else names
        known = sorted((name for name in names if name in about), key=lambda name: keys[wish.by](about[name]))
        # What is not known yet comes last, whichever way.
        return [*(known[::-1] if wish.reverse else known), *(name for name in names if name not in about)]

    def _splits(self) -> dict[str, frozenset[str]]:
        """Images by split; none where the folder has no splits, or they cannot be read."""
        folder = self._session.folder
        files = [path for path in sorted(folder.splits.glob("*.txt")) if contains(folder.root, path)]
        if not files:
            return {}
        names = SplitNames(folder.images)
        splits = with_rest_as_train({path.stem: read_split(path, names) for path in files}, folder.images)
        return {split: frozenset(listed) for split, listed in splits.items()}
