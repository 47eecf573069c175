"""What the clicks on one image imply: its pseudo-mask, by the code that trains.

Evidence is left out of it: that is learnt from all clicks when a training begins, and no model keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointillist.annotator.engine.jobs import Clicks
from pointillist.classes import IGNORE
from pointillist.points.border import with_border_points
from pointillist.pseudomask import (
    ClassThresholds,
    Gaussian,
    PseudoMaskGenerator,
    PseudoMaskSettings,
    SpatialPrior,
    distance_fields,
    unit_length,
)

PRIOR = Gaussian(gamma=320.0, sigma_start=107.0, sigma_end=107.0, background_floor=0.0)
WITHOUT_MODEL = PseudoMaskSettings(
    spatial_prior=PRIOR,
    evidence=None,
    selection=ClassThresholds(absolute=0.1, relative=0.4, relative_background=0.4),
)
"""Without a model, distance is all there is, and the recipe would paint nearly everything, half of it wrong: these
settings stop where a class is in doubt."""

SPREAD = 16.0
"""Without a model, a class loses the factor e of its probability with so many unit lengths more of distance."""


@dataclass(frozen=True)
class ModelOutput:
    """What a trained model adds.

    Args:
        probabilities: C×H×W of the image at hand, for all classes, after the prior correction.
        settings: How the method that trained it makes pseudo-masks; their evidence is left out.
    """

    probabilities: Tensor
    settings: PseudoMaskSettings


def layer_labels(
    pixels: NDArray[Any],
    clicks: Clicks,
    size: tuple[int, int],
    output: ModelOutput | None = None,
    still_wanted: Callable[[], bool] = lambda: True,
) -> NDArray[np.uint8] | None:
    """The pseudo-mask of an image.

    Args:
        pixels: H×W×K uint8 or uint16, the image at the size of the layer.
        clicks: On the whole image.
        size: (height, width) of the whole image.
        output: Of a model; None without one.
        still_wanted: Asked between the stages.

    Returns:
        H×W class indices, 255 where undecided; None when it is not wanted any more.
    """
    height, width = pixels.shape[:2]
    table = clicks.points * (width / size[1], height / size[0], 1.0)
    table = with_border_points(table, (height, width), clicks.background if clicks.border else None)
    # Only the channels of these classes are ever computed.
    present = sorted({*table[:, 2].astype(int).tolist(), *([] if clicks.background is None else [clicks.background])})
    table[:, 2] = np.searchsorted(present, table[:, 2])
    points = torch.from_numpy(table).float()
    shares = pixels.transpose(2, 0, 1).astype(np.float32) / np.iinfo(pixels.dtype).max
    image = torch.from_numpy(np.ascontiguousarray(shares))[None]
    unit = unit_length((height, width))

    def distances_for(prior: SpatialPrior) -> Tensor:
        gamma = prior.gamma * unit
        size = (height, width)
        return distance_fields([points], size, len(present), metric=prior.distance, image=image, gamma=gamma)

    if output is None:
        by_distance = distances_for(PRIOR)
        settings, probabilities = WITHOUT_MODEL, probabilities_of(by_distance, unit)
        distances: Tensor | None = by_distance
    else:
        settings = output.settings.model_copy(update={"evidence": None})
        probabilities = output.probabilities[present][None]
        distances = None if settings.spatial_prior is None else distances_for(settings.spatial_prior)
    if not still_wanted():
        return None
    background = None if clicks.background is None else present.index(clicks.background)
    generator = PseudoMaskGenerator(background, settings)
    # A prior that expands has done so at the end of a training.
    labels = generator(image, probabilities, [points], progress=1.0, distances=distances).labels[0].numpy()
    back = np.full(256, IGNORE, np.uint8)
    back[: len(present)] = present
    return back[labels.astype(np.uint8)]


def probabilities_of(distances: Tensor, unit: float) -> Tensor:
    """What distance alone says: B×C×H×W that sum to 1, 0 for a class without clicks."""
    probabilities = torch.softmax(-distances / (SPREAD * unit), dim=1)
    return torch.where(distances.isfinite(), probabilities, 0.0)
