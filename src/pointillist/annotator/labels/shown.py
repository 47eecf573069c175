"""Labels that pages are shown, as they were made: what somebody corrects or accepts is what they saw."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointillist.errors import RunError

KEPT = 64 * 2**20
"""Bytes of pictures of labels that are kept; the longest unused go first."""


@dataclass(frozen=True)
class ShownLabels:
    """Labels of a whole image, perhaps smaller than it: an indexed PNG of places in `classes`, 255 where undecided.

    `image` is the image's name, `classes` are ids.
    """

    image: str
    png: bytes
    classes: tuple[str, ...]

    def labels(self) -> NDArray[np.uint8]:
        """H×W places in `classes`, 255 where undecided."""
        with Image.open(io.BytesIO(self.png), formats=["PNG"]) as picture:
            return np.array(picture, dtype=np.uint8)


class Shown:
    """Keeps the last labels that pages were shown, under a token that a page gives back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, ShownLabels] = OrderedDict()

    def keep(self, labels: ShownLabels) -> str:
        """Keep labels; the same ones have the same token."""
        about = "\0".join((labels.image, *labels.classes, "")).encode(errors="replace")
        token = hashlib.sha256(about + labels.png).hexdigest()[:24]
        with self._lock:
            self._kept[token] = labels
            self._kept.move_to_end(token)
            while len(self._kept) > 1 and sum(len(kept.png) for kept in self._kept.values()) > KEPT:
                self._kept.popitem(last=False)
        return token

    def find(self, token: str, image: str) -> ShownLabels:
        """The labels of a token.

        Raises:
            RunError: They are not at hand any more, or of another image.
        """
        with self._lock:
            found = self._kept.get(token)
        if found is None or found.image != image:
            raise RunError(
                "what was shown on this image is not at hand any more.",
                field="layer",
                hint="Wait until it is shown again, and repeat this.",
            )
        return found
