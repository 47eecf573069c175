"""Presence: points name the classes in an image, so every other class is zero there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pointillist.pseudomask.channels import present_mask
from pointillist.pseudomask.checks import check_maps, check_points, check_setting, check_tensor


def present_classes(points: Sequence[Tensor], num_classes: int, *, background: int | None) -> Tensor:
    """Classes that may occur in each image.

    Args:
        points: One N_i×3 tensor per image with **all** clicks of the whole image: x, y, class.
        num_classes: C.
        background: Index of the class that is always present; `None` if there is no such class.

    Returns:
        B×C booleans on the CPU.

    Raises:
        TensorError: For points that are not N×3, or a class outside 0…C−1.
        ConfigError: If `background` is no class.

    Examples:
        >>> present_classes([torch.tensor([[3.5, 2.5, 2.0]])], 4, background=0).tolist()
        [[True, False, True, False]]
    """
    check_background(background, num_classes)
    rows = check_points(points, None, num_classes)
    present = torch.zeros(len(rows), num_classes, dtype=torch.bool)
    for image, clicks in enumerate(rows):
        present[image, clicks[:, 2].long()] = True
    if background is not None:
        present[:, background] = True
    return present


LEAST = 0.01
"""A class that is less likely than that is taken to be absent: each costs time at every pixel."""


def presence_weights(
    points: Sequence[Tensor], presence: Sequence[Tensor | None] | None, num_classes: int, *, background: int | None
) -> Tensor:
    """How likely each class is in each image.

    Args:
        points: As in `present_classes`.
        presence: One per image: C probabilities, or `None` where the clicks say it; `None` where they do for all.
        num_classes: C.
        background: Index of the class that is always present; `None` if there is no such class.

    Returns:
        B×C in [0, 1] on the CPU; 1 for classes with a point and the background, 0 for what is below `LEAST`.

    Raises:
        TensorError: As `present_classes`, or for a presence that is not C numbers from 0 to 1.
        ConfigError: If `background` is no class.
    """
    likely = present_classes(points, num_classes, background=background).float()
    for image, one in enumerate(presence or ()):
        if one is None:
            continue
        good = image < len(likely) and one.shape == (num_classes,) and bool(((one >= 0) & (one <= 1)).all())
        found = f"Got {tuple(one.shape)} for image {image} of {len(likely)}."
        check_tensor(good, found, "presence", f"Pass {num_classes} numbers from 0 to 1 per image, or None.")
        likely[image] = torch.maximum(likely[image], torch.where(one.cpu() < LEAST, 0.0, one.cpu().float()))
    return likely


def presence(probabilities: Tensor, points_or_present: Sequence[Tensor] | Tensor, *, background: int | None) -> Tensor:
    """Zero every class without a click in the whole image, and renormalise the rest.

    Args:
        probabilities: B×C×H×W, not negative.
        points_or_present: One N_i×3 tensor of clicks per image (x, y, class), or B×C booleans.
        background: Index of the class that is always present; `None` if there is no such class.

    Returns:
        B×C×H×W in the dtype of `probabilities`, summing to 1 over the present classes. Where their probabilities are
        all zero (an underflow), each gets the same share. An image in which no class is present is zero.

    Raises:
        TensorError: For a wrong rank, size or dtype, or a class outside 0…C−1.
        ConfigError: If `background` is no class.
    """
    check_maps(probabilities, "probabilities")
    batch, num_classes = probabilities.shape[:2]
    check_background(background, num_classes)
    if isinstance(points_or_present, Tensor):
        present = present_mask(points_or_present, batch, num_classes).clone()
        if background is not None:
            present[:, background] = True
    else:
        found = f"Got {len(points_or_present)} tensors for {batch} images."
        check_tensor(len(points_or_present) == batch, found, "points", "Pass one per image.")
        present = present_classes(points_or_present, num_classes, background=background)
    wide = probabilities if probabilities.dtype == torch.float64 else probabilities.float()
    return renormalise(wide, present).to(probabilities.dtype)


def renormalise(scores: Tensor, present: Tensor) -> Tensor:
    """Zero the channels that are not present (B×K booleans) and bring the others to a sum of 1 at each pixel.

    The sum runs over the channels in a fixed order, so channels of zeros change no bit of the result.
    """
    keep = present.to(scores.device)[:, :, None, None]
    kept = scores.masked_fill(~keep, 0.0)
    total = torch.zeros_like(kept[:, :1])
    for channel in range(kept.shape[1]):
        total += kept[:, channel : channel + 1]
    tiny = torch.finfo(kept.dtype).tiny
    kept /= total.clamp(min=tiny)
    silent = total <= tiny
    if bool(silent.any()):
        even = keep / keep.sum(dim=1, keepdim=True).clamp(min=1)
        kept = torch.where(silent, even.to(kept.dtype), kept)
    return kept


def check_background(background: int | None, num_classes: int) -> None:
    """Refuse a background index that is no class.

    Raises:
        ConfigError: Unless it is `None` or in 0…C−1.
    """
    good = background is None or 0 <= background < num_classes
    check_setting(good, "background", background, f"Use None or an index from 0 to {num_classes - 1}.")
