"""Layers of napari as this project has its data, and back.

In napari the centre of the first pixel is (row 0, column 0); here it is (x 0.5, y 0.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Points
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from pointillist.classes import IGNORE, ClassSet, hex_color
from pointillist.data.arrays import pixels_of
from pointillist.data.pixels import TYPES, Pixels
from pointillist.errors import ImageError, PointsError
from pointillist.points.formats.napari import CLASS_COLUMNS

COLUMN = CLASS_COLUMNS[0]
"""The feature that says which class a click is of, in a layer that is made here."""

CENTRE = 0.5

Click = tuple[float, float, str]
"""x, y and class."""


def stack_of(image: Image) -> tuple[int, ...]:
    """Lengths of an image layer's sliders, () for one without: it holds as many images as these allow."""
    shape: tuple[int, ...] = (image.data[0] if image.multiscale else image.data).shape
    return shape[: len(shape) - (3 if image.rgb else 2)]


def image_at(image: Image, place: tuple[int, ...]) -> Pixels:
    """One image of a layer, at full size.

    Args:
        image: The layer.
        place: Where its sliders are.

    Raises:
        ImageError: Its values are of a type that images do not have.
    """
    values = np.asarray((image.data[0] if image.multiscale else image.data)[place])
    if values.dtype == np.float64:
        values = values.astype(np.float32)
    if values.dtype.name not in TYPES:
        hint = "Convert it (Layer › Convert data type), or open the file that it came from."
        raise ImageError(f"has values of {values.dtype}; images have {', '.join(TYPES)}.", where=image.name, hint=hint)
    pixels = pixels_of(values, field="data", where=image.name)
    if image.rgb and values.shape[2] == 4:
        return Pixels(values[:, :, :3], values[:, :, 3] > 0)
    return pixels


def places_of(image: Image) -> list[tuple[int, ...]]:
    """Where the images of a layer are."""
    return list(np.ndindex(stack_of(image)))


def place_shown(image: Image, world: Sequence[float]) -> tuple[int, ...]:
    """Which image of a layer is shown when the viewer's sliders and its pointer are at a point of the world."""
    stack = stack_of(image)
    if not stack:
        return ()
    axes = len(stack) + 2
    at = np.asarray(image.world_to_data(world))[-axes:]
    return tuple(int(np.clip(round(value), 0, length - 1)) for value, length in zip(at, stack, strict=False))


def column_of(points: Points) -> str | None:
    """The feature of a points layer that says which class a click is of; None where there is none."""
    return next((name for name in CLASS_COLUMNS if name in points.features), None)


def labels_of(points: Points) -> list[Any] | None:
    """The class of each click of a layer, None where it says nothing of classes."""
    column = column_of(points)
    return None if column is None else list(points.features[column])


def clicks_of(points: Points, image: Image) -> dict[tuple[int, ...], list[Click]]:
    """The clicks on each image of a layer that has some, wherever the two layers lie in the world.

    Raises:
        PointsError: A click has no class, or lies on none of the images.
        ImageError: The image is turned or sheared.
    """
    check_upright(image)
    stack = stack_of(image)
    axes = len(stack) + 2
    labels = labels_of(points)
    if labels is None:
        hint = f"Choose 'new layer', or give the layer a feature '{COLUMN}'."
        raise PointsError("has no classes.", where=points.name, field=COLUMN, hint=hint)
    if points.ndim < axes:
        found = f"has {points.ndim} axes, and '{image.name}' has {axes}: nobody knows which image a click is on."
        raise PointsError(found, where=points.name, hint="Choose 'new layer' and click again.")
    clicks: dict[tuple[int, ...], list[Click]] = {}
    for number, (at, label) in enumerate(zip(points.data, labels, strict=True)):
        if not isinstance(label, str) or not label:
            hint = "Choose the click, then a class in the list."
            raise PointsError("has no class.", where=points.name, field=f"points[{number}]", hint=hint)
        here = np.asarray(image.world_to_data(points.data_to_world(at)))[-axes:]
        place = tuple(int(np.floor(value + CENTRE)) for value in here[:-2])
        if any(not 0 <= value < length for value, length in zip(place, stack, strict=True)):
            found = f"lies beyond the {'×'.join(map(str, stack))} images of '{image.name}'."
            raise PointsError(found, where=points.name, field=f"points[{number}]", hint="Delete it.")
        clicks.setdefault(place, []).append((float(here[-1]) + CENTRE, float(here[-2]) + CENTRE, label))
    return clicks


def check_upright(image: Image) -> None:
    """See that only scale and place of a layer were changed.

    Raises:
        ImageError: It is turned, sheared or moved by an affine matrix.
    """
    axes = image.ndim
    turned = not np.allclose(image.rotate, np.eye(axes)) or not np.allclose(image.shear, 0)
    if turned or not np.allclose(np.asarray(image.affine), np.eye(axes + 1)):
        hint = "Reset its rotation, shear and affine matrix."
        raise ImageError("is turned or sheared; a pixel of it is no square of the view.", where=image.name, hint=hint)


def placed_like(image: Image, axes: int) -> dict[str, Any]:
    """How a layer of the last so many axes of an image layer is made, so that it lies on it."""
    return {"scale": image.scale[-axes:], "translate": image.translate[-axes:], "units": image.units[-axes:]}


def click_size(image: Image) -> float:
    """Diameter of a drawn click, in pixels of an image layer: a fiftieth of its longer side."""
    height, width = image_at(image, places_of(image)[0]).size
    return max(1.0, max(height, width) / 50)


def color_clicks(points: Points, classes: ClassSet) -> None:
    """Draw each click in the colour of its class."""
    points.face_color_cycle = dict(zip(classes, map(hex_color, classes.colors), strict=True))
    points.face_color = column_of(points)


def label_colors(classes: ClassSet) -> DirectLabelColormap:
    """Colours of a labels layer by `shown`."""
    colors: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
    colors |= {index + 1: hex_color(color) for index, color in enumerate(classes.colors)}
    return DirectLabelColormap(color_dict=colors)


def shown(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Class indices as a labels layer has them: counted from 1, and 0 where undecided, for 0 is what it leaves bare.

    >>> shown(np.array([0, 1, 255], np.uint8)).tolist()
    [1, 2, 0]
    """
    return np.where(labels == IGNORE, 0, labels + 1).astype(np.uint8)
