"""What a report may ask of a pseudo-mask: each stage's maps, coverage, and why a pixel was dropped."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pointillist.pseudomask.fields import Metric, class_fields
from pointillist.pseudomask.planes import scatter_planes
from pointillist.pseudomask.reliability import IGNORE


@dataclass(frozen=True)
class Trace:
    """Every stage of the pseudo-masks of a batch. Maps of absent classes are 0, their distances +inf.

    Attributes:
        present: B×C booleans, the classes that were computed.
        presence: B×C×H×W probabilities after presence.
        refined: B×C×H×W after refinement.
        distances: B×C×H×W in pixels, `None` with fields off.
        expansion: B×C×H×W filter E, `None` with fields off.
        evidence: B×C×H×W, the product that the reliability rule judges.
        rules: B×H×W uint8, the `Rule` behind each label.
        clicks: B×H×W int64, row of the click (in that image's points) of the label's class that is nearest to the
            pixel on this crop; −1 for a dropped pixel or a class without clicks.
        coverage: B×C float32, share of the pixels that carry each class as label.
    """

    present: Tensor
    presence: Tensor
    refined: Tensor
    distances: Tensor | None
    expansion: Tensor | None
    evidence: Tensor
    rules: Tensor
    clicks: Tensor
    coverage: Tensor


@dataclass(frozen=True)
class PseudoMask:
    """Result of `PseudoMaskGenerator`.

    Attributes:
        labels: B×H×W int64 class indices, 255 = ignore.
        trace: The stages behind it, if asked for.
    """

    labels: Tensor
    trace: Trace | None


@dataclass(frozen=True)
class Stages:
    """The B×K×H×W planes of each stage, K ≤ C, and their B×K classes (−1 = filled up)."""

    classes: Tensor
    presence: Tensor
    refined: Tensor
    distances: Tensor | None
    expansion: Tensor | None
    evidence: Tensor


def make_trace(
    stages: Stages,
    labels: Tensor,
    rules: Tensor,
    clicks: list[Tensor],
    image: Tensor,
    num_classes: int,
    metric: Metric | None,
    gamma: float,
) -> Trace:
    """Scatter the planes to all classes, and find each pixel's click and each class's coverage."""

    def scatter(planes: Tensor, fill: float = 0.0) -> Tensor:
        return scatter_planes(planes, stages.classes, num_classes, fill)

    size = (labels.shape[1], labels.shape[2])
    owners = class_fields(clicks, size, num_classes, metric or "euclidean", image, gamma, labels.device, owners=True)[1]
    kept = labels != IGNORE
    rows = torch.full_like(labels, -1)
    if owners is not None:
        rows = owners.gather(1, labels.masked_fill(~kept, 0)[:, None])[:, 0].masked_fill_(~kept, -1)
    coverage = torch.stack([(labels == c).float().mean(dim=(1, 2)) for c in range(num_classes)], dim=1)
    present = torch.zeros(labels.shape[0], num_classes + 1, dtype=torch.bool)
    present.scatter_(1, stages.classes % (num_classes + 1), True)
    return Trace(
        present=present[:, :num_classes],
        presence=scatter(stages.presence),
        refined=scatter(stages.refined),
        distances=None if stages.distances is None else scatter(stages.distances, math.inf),
        expansion=None if stages.expansion is None else scatter(stages.expansion),
        evidence=scatter(stages.evidence),
        rules=rules,
        clicks=rows,
        coverage=coverage,
    )
