"""The pseudo-mask of a training step: presence, refinement, expanding fields, reliability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pointillist.pseudomask.checks import check_maps, check_points, check_setting
from pointillist.pseudomask.compiled import eager
from pointillist.pseudomask.fields import (
    GAMMA,
    Metric,
    check_metric,
    check_progress,
    check_sigmas,
    class_fields,
    expanding_filter,
)
from pointillist.pseudomask.planes import gather_planes, plane_classes
from pointillist.pseudomask.presence import check_background, present_classes, renormalise
from pointillist.pseudomask.refine import DILATIONS, check_refinement, refine_planes
from pointillist.pseudomask.reliability import IGNORE, Rule, argmax, check_bars, check_valid, decide
from pointillist.pseudomask.trace import PseudoMask, Stages, make_trace


@dataclass(frozen=True)
class PseudoMaskGenerator:
    """Make label maps for an image from a network's probabilities and a few clicks.

    Each stage can be switched off, so that its share in the result can be measured. The order of the stages, the
    expanding fields and all default values are this project's; from the paper (Akiva and Dana, arXiv 2106.10309) is
    that pseudo-masks are made on the fly from refined and spatially filtered features.

    Args:
        background: Index of the class that is present in every image, `None` if there is no such class. In an image
            without a background click it takes part in presence and refinement, so that it can claim its share of the
            probability, but with fields on it has no field and is never a label (`unclicked`).
        presence: Keep only the classes clicked anywhere in the image (and the background).
        dilations: Distances of the neighbours in the refinement, in pixels.
        iterations: Refinement steps; 0 switches the stage off.
        metric: "euclidean" or "geodesic" distance from the clicks; `None` switches the stage off.
        gamma: Pixels per unit of colour in a geodesic that is computed here (when no `fields` are given).
        sigma_start: σ(0) of the expanding filter as a fraction of the image's scale √(H·W).
        sigma_end: σ(1), likewise.
        unclicked: Value of the filter for a present class without a click in the image.
        reliability: Drop doubtful pixels; off, each pixel gets its argmax class.
        low: Lowest bar of any class.
        cut: Bar of a class as a fraction of its largest value in the image.
        cut_background: The same for the background.
    """

    background: int | None
    presence: bool = True
    dilations: tuple[int, ...] = DILATIONS
    iterations: int = 10
    metric: Metric | None = "geodesic"
    gamma: float = GAMMA
    sigma_start: float = 0.05
    sigma_end: float = 1.0
    unclicked: float = 0.0
    reliability: bool = True
    low: float = 0.2
    cut: float = 0.75
    cut_background: float = 0.8

    def __post_init__(self) -> None:
        check_refinement(self.dilations, self.iterations)
        check_metric(self.metric or "euclidean", self.gamma)
        check_sigmas(self.sigma_start, self.sigma_end)
        check_bars(self.low, self.cut, self.cut_background)
        check_setting(0.0 <= self.unclicked <= 1.0, "unclicked", self.unclicked, "Use a number from 0 to 1.")

    @eager
    @torch.no_grad()
    def __call__(
        self,
        image: Tensor,
        probabilities: Tensor,
        points: Sequence[Tensor],
        *,
        progress: float,
        fields: Tensor | None = None,
        valid: Tensor | None = None,
        trace: bool = False,
    ) -> PseudoMask:
        """Make the pseudo-masks of a batch.

        Args:
            image: B×3×H×W in [0, 1], not normalised.
            probabilities: B×C×H×W softmax of the network, C ≤ 255.
            points: One N_i×3 tensor per image (x, y, class) with **all** clicks of the whole image; those outside the
                crop keep coordinates below 0 or beyond W, H. Pixel centres are at +0.5.
            progress: Share of training that is done, in [0, 1].
            fields: B×C×H×W distances in pixels made elsewhere, for instance geodesic ones of the whole image that were
                cropped and flipped with it; computed from `image` and `points` when `None`.
            valid: B×H×W booleans, false on padding.
            trace: Keep every stage's maps for a report.

        Returns:
            Labels B×H×W int64 (255 = ignore), and the trace if asked for. A pixel with a click has that click's class
            (of several clicks the last), unless it is padding.

        Raises:
            TensorError: For a wrong rank, size, dtype or device.
            ConfigError: For a progress outside [0, 1], or a background that is no class.
        """
        check_maps(image, "image", channels=3)
        check_maps(probabilities, "probabilities", like=image)
        if fields is not None:
            check_maps(fields, "fields", channels=probabilities.shape[1], like=image)
        num_classes = probabilities.shape[1]
        check_setting(num_classes <= IGNORE, "probabilities", num_classes, f"Use at most {IGNORE} classes.")
        check_background(self.background, num_classes)
        check_progress(progress)
        check_valid(valid, image)
        clicks = check_points(points, image.shape[0], num_classes)

        # 1. Presence: only the planes of these classes are computed from here on.
        present = present_classes(clicks, num_classes, background=self.background)
        classes = plane_classes(present if self.presence else torch.ones_like(present))
        shares = gather_planes(probabilities, classes).float()
        if self.presence:
            shares = renormalise(shares, classes >= 0)

        # 2. Refine.
        counts = (classes >= 0).sum(dim=1).tolist()
        refined = refine_planes(image, shares, self.dilations, self.iterations, counts=counts)

        # 3. Spatial filter.
        distances = self._distances(image, clicks, classes, fields)
        expansion = self._expansion(distances, progress)
        evidence = refined if expansion is None else refined * expansion

        # 4. Reliability.
        planes, rules = self._decide(evidence, distances, classes, valid)
        labels = _labels(planes, classes)
        _stamp(labels, rules, clicks, valid)

        if not trace:
            return PseudoMask(labels, None)
        stages = Stages(classes, shares, refined, distances, expansion, evidence)
        return PseudoMask(
            labels, make_trace(stages, labels, rules, clicks, image, num_classes, self.metric, self.gamma)
        )

    def _distances(self, image: Tensor, clicks: list[Tensor], classes: Tensor, fields: Tensor | None) -> Tensor | None:
        if self.metric is None:
            return None
        if fields is not None:
            return gather_planes(fields, classes, fill=math.inf).float()
        size = (image.shape[2], image.shape[3])
        rows = _rows_of_planes(clicks, classes)
        return class_fields(rows, size, classes.shape[1], self.metric, image, self.gamma, image.device)[0]

    def _expansion(self, distances: Tensor | None, progress: float) -> Tensor | None:
        if distances is None:
            return None
        scale = math.sqrt(distances.shape[2] * distances.shape[3])
        expansion = expanding_filter(
            distances, progress, sigma_start=self.sigma_start * scale, sigma_end=self.sigma_end * scale
        )
        return expansion if self.unclicked == 0.0 else torch.where(distances.isinf(), self.unclicked, expansion)

    def _decide(
        self, evidence: Tensor, distances: Tensor | None, classes: Tensor, valid: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if not self.reliability:
            return argmax(evidence, distances, valid)
        cuts = torch.full(classes.shape, self.cut)
        if self.background is not None:
            cuts[classes == self.background] = self.cut_background
        return decide(evidence, self.low, cuts, valid)


def _rows_of_planes(clicks: list[Tensor], classes: Tensor) -> list[Tensor]:
    """Clicks whose third column is the plane of their class instead of the class."""
    rows = []
    for image, table in zip(classes, clicks, strict=True):
        table = table.clone()
        table[:, 2] = (table[:, 2:].long() == image[None]).int().argmax(dim=1).to(table.dtype)
        rows.append(table)
    return rows


def _labels(planes: Tensor, classes: Tensor) -> Tensor:
    """Class indices of plane indices; 255 stays."""
    batch = planes.shape[0]
    ignored = planes == IGNORE
    flat = classes.to(planes.device).gather(1, planes.masked_fill(ignored, 0).view(batch, -1))
    return flat.view_as(planes).masked_fill_(ignored, IGNORE)


def _stamp(labels: Tensor, rules: Tensor, clicks: list[Tensor], valid: Tensor | None) -> None:
    """Give each pixel with a click that click's class, in place."""
    height, width = labels.shape[1:]
    for image, table in enumerate(clicks):
        for x, y, c in table.tolist():
            column, row = math.floor(x), math.floor(y)
            if 0 <= column < width and 0 <= row < height and (valid is None or bool(valid[image, row, column])):
                labels[image, row, column] = int(c)
                rules[image, row, column] = Rule.CLICKED
