"""What the clicks on one image imply: its pseudo-mask, by the code that trains."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pointillist.annotator.engine.jobs import Clicks
from pointillist.points.border import border_points
from pointillist.pseudomask import PseudoMaskGenerator, distance_fields
from pointillist.pseudomask.reliability import IGNORE
from pointillist.training.methods.single_stage import SingleStageOptions

GAMMA = 2.0
"""Price of colour without a model: so many image scales √(H·W) for the way from black to white in one channel."""

SPREAD = 0.1
"""Without a model, a class loses the factor e of its share with so much more distance, in image scales."""

PLAIN = PseudoMaskGenerator(background=None, sigma_start=0.2, sigma_end=1.0, low=0.1, cut=0.4, cut_background=0.4)
"""The generator without a model."""

PROGRESS = 0.75
"""Without a model, how far the fields have expanded; with one, they have wholly, as at the end of its training."""


@dataclass(frozen=True)
class ModelOutput:
    """What a trained model adds.

    Args:
        probabilities: C×H×W of the image at hand, for all classes; the label shift is taken out of them.
        options: Of the method that trained it.
        gamma: Price of colour in pixels of the image at hand.
    """

    probabilities: Tensor
    options: SingleStageOptions
    gamma: float


def layer_labels(
    pixels: NDArray[np.uint8],
    clicks: Clicks,
    size: tuple[int, int],
    output: ModelOutput | None = None,
    still_wanted: Callable[[], bool] = lambda: True,
) -> NDArray[np.uint8] | None:
    """The pseudo-mask of an image.

    Without a model, the share of a class at a pixel falls with its geodesic distance D: softmax of −D/(SPREAD·√(H·W)).

    Args:
        pixels: H×W×3 uint8, the image at the size of the layer.
        clicks: On the whole image.
        size: (height, width) of the whole image.
        output: Of a model; None without one.
        still_wanted: Asked between the stages.

    Returns:
        H×W class indices, 255 where undecided; None when it is not wanted any more.
    """
    height, width = pixels.shape[:2]
    table = clicks.points * (width / size[1], height / size[0], 1.0)
    if clicks.border and clicks.background is not None:
        border = border_points(table, (height, width))
        table = np.concatenate([table, np.hstack([border, np.full((len(border), 1), clicks.background)])])
    # Only the planes of these classes are ever computed.
    present = sorted({*table[:, 2].astype(int).tolist(), *([] if clicks.background is None else [clicks.background])})
    table[:, 2] = np.searchsorted(present, table[:, 2])
    points = torch.from_numpy(table).float()
    image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None].float() / 255
    scale = (height * width) ** 0.5
    gamma = GAMMA * scale if output is None else output.gamma
    fields = distance_fields([points], (height, width), len(present), metric="geodesic", image=image, gamma=gamma)
    if not still_wanted():
        return None
    probabilities = shares_of(fields, scale) if output is None else output.probabilities[present][None]
    background = None if clicks.background is None else present.index(clicks.background)
    generator = replace(PLAIN, background=background) if output is None else output.options.generator(background)
    progress = PROGRESS if output is None else 1.0
    labels = generator(image, probabilities, [points], progress=progress, fields=fields).labels[0].numpy()
    back = np.full(256, IGNORE, np.uint8)
    back[: len(present)] = present
    return back[labels.astype(np.uint8)]


def shares_of(fields: Tensor, scale: float) -> Tensor:
    """Shares of the classes by distance alone: B×C×H×W that sum to 1, 0 for a class without clicks."""
    shares = torch.softmax(-fields / (SPREAD * scale), dim=1)
    return torch.where(fields.isfinite(), shares, 0.0)


def layer_png(labels: NDArray[np.uint8], colors: Sequence[str]) -> bytes:
    """An indexed PNG in the colours of the classes, transparent where undecided."""
    palette = bytearray(768)
    for index, color in enumerate(colors):
        palette[3 * index : 3 * index + 3] = bytes.fromhex(color[1:])
    image = Image.fromarray(labels)
    image.putpalette(bytes(palette))
    stream = io.BytesIO()
    image.save(stream, format="PNG", compress_level=1, transparency=bytes([255] * IGNORE + [0]))
    return stream.getvalue()
