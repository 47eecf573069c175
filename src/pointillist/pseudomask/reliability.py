"""Reliability: keep a pixel only where exactly one class speaks up, and that class is the strongest."""

from __future__ import annotations

import enum

import torch
from torch import Tensor

from pointillist.errors import TensorError
from pointillist.pseudomask.checks import check_device, check_maps, check_setting, shape_of
from pointillist.pseudomask.presence import check_background

IGNORE = 255
"""Label of a pixel that teaches nothing."""


class Rule(enum.IntEnum):
    """Why a pixel has the label it has."""

    KEPT = 0
    """Its strongest class passes its bar, alone."""
    CLICKED = 1
    """It carries a click, whatever the maps say."""
    BELOW_BAR = 2
    """Dropped: its strongest class does not pass its bar, or no class has any evidence."""
    CONTESTED = 3
    """Dropped: a second class passes its bar."""
    INVALID = 4
    """Dropped: padding."""


def reliability(
    masks: Tensor,
    *,
    low: float = 0.2,
    cut: float = 0.75,
    background: int | None = None,
    cut_background: float = 0.8,
    valid: Tensor | None = None,
) -> Tensor:
    """Label maps of soft masks, with the doubtful pixels left out.

    The bar of class c in an image is max(low, cut · max_x m_c(x)). A pixel is kept with its argmax class if that class
    exceeds its bar and no second class exceeds its own.

    Args:
        masks: B×C×H×W soft masks m, not negative, finite.
        low: Lowest bar of any class.
        cut: Bar as a fraction of the largest value of that class in that image.
        background: Index of the class that uses `cut_background` instead; `None` if there is no such class.
        cut_background: As `cut`, for the background.
        valid: B×H×W booleans, false on padding: 255 there, and not counted in max_x.

    Returns:
        B×H×W int64 class indices, 255 = ignore.

    Raises:
        TensorError: For a wrong rank, size, dtype or device.
        ConfigError: For a bar outside [0, 1], or a background that is no class.
    """
    check_maps(masks, "masks")
    check_background(background, masks.shape[1])
    check_bars(low, cut, cut_background)
    check_valid(valid, masks)
    cuts = torch.full(masks.shape[:2], cut)
    if background is not None:
        cuts[:, background] = cut_background
    return decide(masks, low, cuts, valid)[0]


def decide(masks: Tensor, low: float, cuts: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Plane indices (B×H×W int64, 255 = ignore) and the `Rule` behind each (B×H×W uint8) for cuts of B×K."""
    masks = masks if masks.dtype == torch.float64 else masks.float()
    counted = masks if valid is None else masks * valid[:, None]
    bars = (counted.amax(dim=(2, 3)) * cuts.to(masks.device, masks.dtype)).clamp(min=low)
    passes = masks > bars[:, :, None, None]
    strongest = masks.max(dim=1).indices  # on CPUs five times faster than argmax
    above = passes.gather(1, strongest[:, None])[:, 0]
    contested = above & (passes.sum(dim=1) > 1)
    rules = torch.zeros_like(strongest, dtype=torch.uint8)  # Rule.KEPT
    rules.masked_fill_(~above, int(Rule.BELOW_BAR)).masked_fill_(contested, int(Rule.CONTESTED))
    return _dropped(strongest, rules, valid)


def decide_by_share(masks: Tensor, confidence: float, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """As `decide`, but a pixel is kept if its strongest class has more than this share of all evidence there."""
    best, strongest = masks.max(dim=1)
    total = masks.sum(dim=1)
    rules = torch.zeros_like(strongest, dtype=torch.uint8)  # Rule.KEPT
    rules.masked_fill_(best <= confidence * total, int(Rule.CONTESTED)).masked_fill_(best <= 0, int(Rule.BELOW_BAR))
    return _dropped(strongest, rules, valid)


def argmax(masks: Tensor, distances: Tensor | None, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """As `decide` without any bar.

    Where every mask is 0, a product with an expanding filter has become too small for float32, and the nearest click
    decides: the squared distance outweighs all else there. Without a click in reach the pixel is dropped.
    """
    strength, strongest = masks.max(dim=1)
    rules = torch.zeros_like(strongest, dtype=torch.uint8)  # Rule.KEPT
    silent = strength <= 0
    if distances is not None:
        distance, nearest = distances.min(dim=1)
        strongest = torch.where(silent, nearest, strongest)
        silent = silent & distance.isinf()
    return _dropped(strongest, rules.masked_fill_(silent, int(Rule.BELOW_BAR)), valid)


def _dropped(labels: Tensor, rules: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Ignore padding, and each pixel that a rule dropped."""
    if valid is not None:
        rules.masked_fill_(~valid, int(Rule.INVALID))
    return labels.masked_fill_(rules > 0, IGNORE), rules


def check_bars(low: float, cut: float, cut_background: float) -> None:
    """Refuse a bar outside [0, 1].

    Raises:
        ConfigError: With the name of the bar.
    """
    for name, value in (("low", low), ("cut", cut), ("cut_background", cut_background)):
        check_setting(0.0 <= value <= 1.0, name, value, "Use a number from 0 to 1.")


def check_valid(valid: Tensor | None, maps: Tensor) -> None:
    """Refuse anything but B×H×W booleans beside the maps.

    Raises:
        TensorError: With what was found.
    """
    if valid is None:
        return
    expected = (maps.shape[0], *maps.shape[2:])
    if valid.dtype != torch.bool or valid.shape != expected:
        raise TensorError(
            f"Got {shape_of(valid)} {valid.dtype}.",
            field="valid",
            hint=f"Pass booleans of shape {'×'.join(map(str, expected))}.",
        )
    check_device(valid, "valid", maps.device)
