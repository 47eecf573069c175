"""What programs hand over, checked: images, points and masks as arrays, tensors and lists."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pointillist.classes import ClassSet
from pointillist.data.images import photograph
from pointillist.data.pixels import TYPES, Pixels
from pointillist.errors import ImageError, MaskError, PointsError
from pointillist.points.table import Point

if TYPE_CHECKING:
    from torch import Tensor

TAKEN = "NumPy height × width × bands, torch bands × height × width, height × width of either, a PIL image, or Pixels"
"""What is an image, for messages."""

THIN = 4
"""Nothing so few pixels high or wide is an image of more bands than this: its axes are in another order."""


def pixels_of(image: object, *, field: str, where: str | None = None, also: str = "") -> Pixels:
    """Pixels of an image in memory; those of NumPy arrays and tensors are not copied.

    Args:
        image: NumPy H×W×K or H×W, or torch K×H×W or H×W, of one of `TYPES`; a PIL image, which is turned upright; or
            `Pixels`.
        field: What the image is called, in messages.
        where: Where it is, in messages.
        also: What else may be given in its place, in messages.

    Raises:
        ImageError: It is none of these.
    """
    refused = partial(ImageError, where=where, field=field)
    if isinstance(image, Image.Image):
        try:
            return photograph(image)
        except (OSError, SyntaxError, ValueError) as error:  # Pillow reads the pixels of a file only now
            raise refused(f"is no readable image ({error}).", hint="Open it in another program.") from error
    values = _array(image.values if isinstance(image, Pixels) else image)
    if values is None or values.ndim not in (2, 3) or 0 in values.shape or values.dtype.name not in TYPES:
        raise refused(f"{described(image)} is no image.", hint=f"Give {also}{TAKEN}; of {', '.join(TYPES)}.")
    if values.ndim == 2:
        values = values[:, :, None]
    elif _is_tensor(image):
        values = values.transpose(1, 2, 0)
    height, width, bands = values.shape
    if min(height, width) <= THIN < bands and not isinstance(image, Pixels):
        found = f"{described(image)} would be {width} wide, {height} high, and have {bands} bands."
        hint = "Bring its axes in order: height × width × bands for NumPy, bands × height × width for torch."
        raise refused(found, hint=hint)
    valid = image.valid if isinstance(image, Pixels) else None
    if valid is not None and (valid.shape != (height, width) or valid.dtype != np.bool_):
        raise refused(f"{described(valid)} does not say which pixels count.", hint="Give height × width of bool.")
    return replace(image, values=values) if isinstance(image, Pixels) else Pixels(values)


def labels_of(mask: object, *, field: str, where: str) -> Pixels:
    """Values of a mask in memory, not copied: NumPy, torch or PIL, H×W of integers or bool.

    Raises:
        MaskError: It is none of these.
    """
    values = _array(np.asarray(mask) if isinstance(mask, Image.Image) else mask)
    if values is None or values.ndim != 2 or values.dtype.kind not in "biu":
        hint = "Give height × width of integers: class indices."
        raise MaskError(f"{described(mask)} is no mask.", where=where, field=field, hint=hint)
    return Pixels(values[:, :, None])


def points_of(rows: object, classes: ClassSet, *, field: str, where: str) -> list[Point]:
    """Points of one image; whether they lie in it, and whether names of classes are known, is not looked at.

    Args:
        rows: An array or tensor N×3, or a list of rows (x, y, name or index of the class).
        classes: For the indices.
        field: What the rows are called, in messages; each point gets a place such as `points[2][5]`.
        where: Name of the image.

    Raises:
        PointsError: They are none of these, or there is no class of an index.
    """
    hint = "Give rows (x, y, class), the class by name or index; an empty list for none."
    rows = _plain(rows)
    if not isinstance(rows, list):
        raise PointsError(f"{described(rows)} is no list of points.", where=where, field=field, hint=hint)
    points = []
    for number, row in enumerate(map(_plain, rows)):
        place = f"{field}[{number}]"
        refused = partial(PointsError, where=where, field=place)
        if not isinstance(row, list) or len(row) != 3:
            raise refused(f"{row!r} is no point.", hint=hint)
        x, y, label = map(_plain, row)
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in (x, y)):
            raise refused(f"({x!r}, {y!r}) is no position.", hint="Give numbers: pixels from the top-left corner.")
        if not isinstance(label, str):
            if isinstance(label, bool) or label not in range(len(classes)):
                hint = f"Give one of {', '.join(classes)}, or its index, counted from 0."
                raise refused(f"{label!r} is no class.", hint=hint)
            label = classes.names[int(label)]
        points.append(Point(where, float(x), float(y), label, place=place))
    return points


def described(value: Any) -> str:
    """What something is, for messages.

    >>> described(np.zeros((4, 6), np.uint8)), described({})
    ('an array of shape (4, 6) and type uint8', 'something of type dict')
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        kind = "a tensor" if _is_tensor(value) else "an array"
        return f"{kind} of shape {tuple(value.shape)} and type {str(value.dtype).removeprefix('torch.')}"
    return f"something of type {type(value).__name__}"


def _array(value: object) -> NDArray[Any] | None:
    """The same numbers as an array of NumPy; None where it has no such numbers (bfloat16, sparse tensors)."""
    if _is_tensor(value):
        try:
            value = value.detach().cpu().numpy()
        except (TypeError, RuntimeError):
            return None
    return value if isinstance(value, np.ndarray) else None


def _plain(value: Any) -> Any:
    """Arrays, tensors, tuples and numbers of NumPy as lists and numbers; anything else as it is."""
    if isinstance(value, tuple):
        return list(value)
    return value.tolist() if isinstance(value, np.ndarray | np.generic) or _is_tensor(value) else value


def _is_tensor(value: object) -> TypeGuard[Tensor]:
    """Whoever has a tensor has imported torch; images are predicted without it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)
