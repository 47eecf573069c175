"""Pixel-adaptive refinement: soft masks flow along pixels of the same colour."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import torch
from torch import Tensor

from pointillist.pseudomask import refine_cpu, refine_torch
from pointillist.pseudomask.channels import Present, channel_classes, gather_channels, present_mask, scatter_channels
from pointillist.pseudomask.checks import check_maps, check_setting
from pointillist.pseudomask.compiled import no_compile

DILATIONS = (1, 2, 4, 8, 12, 24)
"""Dilations of the 8-neighbourhoods in the published implementation."""


def refine(
    image: Tensor,
    masks: Tensor,
    *,
    dilations: Sequence[int] = DILATIONS,
    iterations: int = 10,
    features: Tensor | None = None,
    present: Present | None = None,
) -> Tensor:
    """Refine soft masks with affinities from colour.

    With N(i) the eight neighbours of pixel i at each dilation (borders replicated) and σ_k(i) the sample standard
    deviation of band k over these neighbours and, once per dilation, i itself:
    e(i,j) = mean_k −|I_k(i) − I_k(j)| / (1e-8 + 0.1·σ_k(i)), a(i,·) = softmax of e(i,·) over N(i), and then
    `iterations` times m(i) ← Σ_j a(i,j)·m(j). No parameters. The sum over classes is kept. As e is a mean over the
    bands, a grey image repeated over any number of them gives the same. The arithmetic is float32 (float64 for float64
    inputs). No gradient flows through: pseudo-masks are targets.

    Args:
        image: B×K×H×W of K ≥ 1 bands in [0, 1], not normalised.
        masks: B×C×H×W soft masks at the size of the image, finite.
        dilations: Distances of the neighbours in pixels.
        iterations: How often the masks are averaged; 0 returns them as they are.
        features: B×F×H×W further features, counted as further bands k. Each band is measured in its own deviation, so
            no unit has to be matched.
        present: The classes that may be non-zero: B×C booleans, or for each image their indices. Only these are
            computed; the others come back as zeros.

    Returns:
        B×C×H×W refined masks in the dtype and on the device of `masks`.

    Raises:
        TensorError: For a wrong rank, size, dtype or device.
        ConfigError: For a dilation below 1, none at all, or a negative number of iterations.

    Source:
        Araslanov and Roth, "Single-Stage Semantic Segmentation from Image Labels", CVPR 2020 (PAMR).

    Examples:
        >>> image = torch.zeros(1, 3, 8, 8)
        >>> image[..., 4:] = 1  # a dark and a bright half
        >>> masks = torch.full((1, 2, 8, 8), 0.5)
        >>> masks[0, :, 4, 1] = torch.tensor([1.0, 0.0])  # one pixel of the dark half is known
        >>> refined = refine(image, masks, dilations=(1, 2))
        >>> bool(refined[0, 0, 4, 2] > 0.5), bool(refined[0, 0, 4, 2] > refined[0, 0, 4, 6])
        (True, True)
    """
    check_maps(image, "image")
    check_maps(masks, "masks", like=image)
    if features is not None:
        check_maps(features, "features", like=image)
    good = len(dilations) > 0 and all(isinstance(d, int) and d >= 1 for d in dilations)
    check_setting(good, "dilations", tuple(dilations), "Use at least one whole number of pixels, 1 or more.")
    check_setting(isinstance(iterations, int) and iterations >= 0, "iterations", iterations, "Use 0 or more.")
    if present is None:
        return refine_channels(image, masks, dilations, iterations, features)
    num_classes = masks.shape[1]
    classes = channel_classes(present_mask(present, masks.shape[0], num_classes))
    counts = (classes >= 0).sum(dim=1).tolist()
    channels = refine_channels(image, gather_channels(masks, classes), dilations, iterations, features, counts)
    return scatter_channels(channels, classes, num_classes)


@no_compile
@torch.no_grad()
def refine_channels(
    image: Tensor,
    channels: Tensor,
    dilations: Sequence[int],
    iterations: int,
    features: Tensor | None = None,
    counts: Sequence[int] | None = None,
) -> Tensor:
    """`refine` without checks, on B×K×H×W channels, of which the first `counts[b]` are not filled up with zeros."""
    if iterations == 0:
        return channels.detach().clone()
    inputs = [image, channels] if features is None else [image, channels, features]
    wide = torch.float64 if any(maps.dtype == torch.float64 for maps in inputs) else torch.float32
    with torch.autocast(channels.device.type, enabled=False):
        colours, soft, *further = (maps.detach().to(wide) for maps in inputs)
        bands = torch.cat([colours, *further], dim=1)
        arguments = (bands, soft, dilations, iterations)
        narrow, device = wide == torch.float32, channels.device.type
        if narrow and device == "cpu":
            refined = refine_cpu.refine_channels(*arguments, counts)
        elif narrow and device == "cuda" and max(bands[0].numel(), soft[0].numel()) < 2**31 and find_spec("triton"):
            from pointillist.pseudomask import refine_triton

            refined = refine_triton.refine_channels(*arguments, counts)
        else:
            refined = refine_torch.refine_channels(*arguments)
        return refined.to(channels.dtype)
