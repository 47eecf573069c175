"""What a model says about an image, as Label Studio's regions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.classes import IGNORE, ClassSet
from pointillist.inference.prediction import Prediction
from pointillist.inference.shapes.objects import objects_of
from pointillist.inference.shapes.outlines import rings_of, simplified
from pointillist.label_studio.interface import Interface

SIMPLIFY = 1.0
"""Pixels by which a polygon may leave the edges of pixels: people move its points by hand."""

LEAST = 3
"""Points of the smallest polygon."""

SIZES = (3, 4, 8, 16)
"""Bits that the length of a run may have, of which each run takes the fewest."""


def regions_of(prediction: Prediction, classes: ClassSet, interface: Interface) -> list[dict[str, Any]]:
    """The regions of an image, of the classes that the interface has a label for.

    Polygons are those of connected objects, and have no holes; of a brush there is one region for each class. Polygons
    of a background fill nothing, as they have no holes; a brush paints it like any class.

    Args:
        prediction: Labels, and the confidence for a score.
        classes: Those of the model.
        interface: Where the regions go.
    """
    labels = {index: interface.labels[name] for index, name in enumerate(classes) if name in interface.labels}
    shapes = _polygons if interface.kind == "polygonlabels" else _painted
    height, width = prediction.size
    return [
        {
            "id": f"pointillist-{number}",
            "type": interface.kind,
            "from_name": interface.control,
            "to_name": interface.image,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "score": score,
            "value": {**shape, interface.kind: [labels[label]]},
        }
        for number, (label, score, shape) in enumerate(shapes(prediction, classes, set(labels)), 1)
    ]


def _polygons(
    prediction: Prediction, classes: ClassSet, wanted: set[int]
) -> Iterator[tuple[int, float, dict[str, Any]]]:
    """Class, score, and corners in percent of the image's width and height."""
    without = {*range(len(classes)), IGNORE} - wanted
    if classes.background is not None:
        without.add(classes.background)
    height, width = prediction.size
    for objects in objects_of(prediction, without=without, diagonal=False, pixels=True):
        for ring in rings_of(objects.pixel_runs):
            corners = simplified(ring.points, SIMPLIFY)
            if not ring.hole and len(corners) >= LEAST:
                points = (corners * (100 / width, 100 / height)).tolist()
                score = float(objects.confidence[ring.owner])
                yield int(objects.label[ring.owner]), score, {"points": points, "closed": True}


def _painted(prediction: Prediction, _: ClassSet, wanted: set[int]) -> Iterator[tuple[int, float, dict[str, Any]]]:
    """Class, score, and run lengths."""
    confidence = prediction.map("confidence")
    for label in sorted(wanted & {int(one) for one in np.unique(prediction.labels)}):
        mask = prediction.labels == label
        yield label, float(np.mean(confidence[mask], dtype=np.float64)), {"format": "rle", "rle": run_lengths(mask)}


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """The bytes that Label Studio keeps what a brush painted in: red, green, blue and opacity of each pixel, as runs.

    Big-endian bits: number of values (32), bits of a value less one (5), bits of the length of a run less one, for each
    of four kinds of run (4 × 4); then the runs: 1, kind of its length (2), length less one, value (8).

    Source: `decode_rle` of label-studio-converter, from thi.ng/rle-pack.

    Args:
        mask: H×W.
    """
    pixels = mask.reshape(-1)
    starts = np.flatnonzero(np.diff(pixels, prepend=~pixels[:1]))
    lengths = 4 * np.diff(np.append(starts, pixels.size))
    bits = [f"{4 * pixels.size:032b}{8 - 1:05b}", *(f"{size - 1:04b}" for size in SIZES)]
    longest = 2 ** SIZES[-1]
    for length, painted in zip(lengths.tolist(), pixels[starts].tolist(), strict=True):
        value = "1" * 8 if painted else "0" * 8
        for part in [longest] * (length // longest) + [length % longest]:
            if part:
                kind = next(number for number, size in enumerate(SIZES) if part <= 2**size)
                bits.append(f"1{kind:02b}{part - 1:0{SIZES[kind]}b}{value}")
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))
