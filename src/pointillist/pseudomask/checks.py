"""Typed errors for tensors of the wrong rank, size, dtype or device, before any arithmetic is done with them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pointillist.errors import ConfigError, TensorError


def shape_of(tensor: Tensor) -> str:
    """Shape as it is written in the docstrings.

    >>> shape_of(torch.zeros(2, 3, 4, 5))
    '2×3×4×5'
    """
    return "×".join(str(n) for n in tensor.shape) or "scalar"


def check_maps(maps: Tensor, field: str, *, channels: int | None = None, like: Tensor | None = None) -> None:
    """Refuse anything but floating B×C×H×W maps.

    Args:
        maps: The tensor to check.
        field: Name of the argument, for the error.
        channels: Required number of channels, `None` for any.
        like: Maps whose batch, height, width and device must be the same.

    Raises:
        TensorError: With what was found and what to do.
    """
    if not isinstance(maps, Tensor):
        raise TensorError(f"Got {type(maps).__name__}.", field=field, hint="Pass a torch tensor of shape B×C×H×W.")
    found = f"Got shape {shape_of(maps)}"
    check_tensor(maps.ndim == 4, f"{found}.", field, "Pass four dimensions: B×C×H×W.")
    check_tensor(maps.is_floating_point(), f"Got dtype {maps.dtype}.", field, "Convert it to a floating dtype.")
    check_tensor(0 not in maps.shape, f"{found}.", field, "Pass at least one image, channel and pixel.")
    good = channels is None or maps.shape[1] == channels
    check_tensor(good, f"{found}.", field, f"Pass {channels} channels: B×{channels}×H×W.")
    if like is not None:
        good = (maps.shape[0], *maps.shape[2:]) == (like.shape[0], *like.shape[2:])
        hint = "Bring both to the same batch, height and width."
        check_tensor(good, f"{found} beside maps of {shape_of(like)}.", field, hint)
        check_device(maps, field, like.device)


def check_device(tensor: Tensor, field: str, device: torch.device) -> None:
    """Refuse a tensor that lives elsewhere than the others."""
    good = tensor.device == device
    check_tensor(good, f"Got device {tensor.device} beside {device}.", field, "Move it to the same device.")


def check_points(points: Sequence[Tensor], batch: int | None, num_classes: int, field: str = "points") -> list[Tensor]:
    """The points of each image on the CPU, after a check of each row.

    Args:
        points: One N_i×3 tensor per image: x, y (pixels, origin at the top-left corner), class index.
        batch: Required number of images, `None` for any but zero.
        num_classes: Class indices must be below this.
        field: Name of the argument, for the error.

    Raises:
        TensorError: For a wrong number of images, a wrong shape, a coordinate that is not finite, or a class that is
            not an index below `num_classes`.
    """
    if isinstance(points, Tensor) or not isinstance(points, Sequence) or not len(points):
        found = shape_of(points) if isinstance(points, Tensor) else repr(points)
        raise TensorError(f"Got {found}.", field=field, hint="Pass a list with one N×3 tensor per image.")
    good = batch is None or len(points) == batch
    check_tensor(good, f"Got {len(points)} tensors for {batch} images.", field, "Pass one per image.")
    checked = []
    for index, rows in enumerate(points):
        name = f"{field}[{index}]"
        if not isinstance(rows, Tensor) or rows.ndim != 2 or rows.shape[1] != 3 or not rows.is_floating_point():
            found = f"{shape_of(rows)} {rows.dtype}" if isinstance(rows, Tensor) else type(rows).__name__
            raise TensorError(f"Got {found}.", field=name, hint="Pass a floating N×3 tensor: x, y, class.")
        rows = rows.detach().cpu()
        check_tensor(bool(rows.isfinite().all()), "A coordinate is not finite.", name, "Remove that point.")
        classes = rows[:, 2]
        wrong = (classes < 0) | (classes >= num_classes) | (classes != classes.floor())
        if bool(wrong.any()):
            found = f"Class {float(classes[wrong][0]):g} is no index of {num_classes} classes."
            hint = f"Use integers from 0 to {num_classes - 1} in the third column."
            raise TensorError(found, field=name, hint=hint)
        checked.append(rows)
    return checked


def check_tensor(good: bool, found: str, field: str, hint: str) -> None:
    """Refuse a tensor.

    Raises:
        TensorError: When `good` is false.
    """
    if not good:
        raise TensorError(found, field=field, hint=hint)


def check_setting(good: bool, field: str, value: object, hint: str) -> None:
    """Refuse a setting that cannot have this value.

    Raises:
        ConfigError: When `good` is false.
    """
    if not good:
        raise ConfigError(f"Got {value!r}.", field=field, hint=hint)
