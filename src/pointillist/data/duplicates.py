"""Finding images that are the same, or nearly so: a digest of the pixels and a hash of how the image looks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 16
"""Rows and columns of the hash."""

MAX_BITS = 13
"""Images of which at most so many of the 256 bits differ look alike: a twentieth."""

MAX_LEVELS = 10.0
"""And their small grey versions differ by at most so many of 255 levels on average: flat images all hash alike."""


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of an image to find its like.

    Args:
        digest: Of its pixels and its shape.
        bits: 32 bytes, 256 bits: whether each place of a 16×17 grey version is brighter than its left neighbour.
        small: 16×16 grey version.
    """

    digest: bytes
    bits: bytes
    small: bytes


def fingerprint(pixels: NDArray[np.uint8]) -> Fingerprint:
    """Fingerprint of an H×W×3 image.

    The hash is the difference hash of N. Krawetz (2013) at 16×16: it survives another size, compression and
    brightness, and changes with what the image shows.
    """
    grey = Image.fromarray(pixels).convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX)
    values = np.asarray(grey, dtype=np.int16)
    digest = hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).digest()
    bits = np.packbits(values[:, 1:] > values[:, :-1]).tobytes()
    return Fingerprint(digest, bits, values[:, :SIDE].astype(np.uint8).tobytes())


def same_groups(prints: Mapping[str, Fingerprint]) -> list[list[str]]:
    """Names of images with the same pixels, in groups of two or more."""
    groups: dict[bytes, list[str]] = {}
    for name, found in prints.items():
        groups.setdefault(found.digest, []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def near_pairs(left: Mapping[str, Fingerprint], right: Mapping[str, Fingerprint]) -> Iterator[tuple[str, str, int]]:
    """For each image of `right`, the one of `left` that is most like it, where one looks alike.

    Yields:
        Name on the left, name on the right, number of differing bits.
    """
    if not left or not right:
        return
    names = list(left)
    bits = _stack([found.bits for found in left.values()]).view(np.uint64)
    small = _stack([found.small for found in left.values()]).astype(np.int16)
    for name, found in right.items():
        distances = np.bitwise_count(bits ^ np.frombuffer(found.bits, dtype=np.uint64)).sum(axis=1)
        close = np.flatnonzero(distances <= MAX_BITS)
        levels = np.abs(small[close] - np.frombuffer(found.small, dtype=np.uint8).astype(np.int16)).mean(axis=1)
        close = close[levels <= MAX_LEVELS]
        if len(close):
            best = int(close[np.argmin(distances[close])])
            yield names[best], name, int(distances[best])


def _stack(rows: list[bytes]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), -1)
