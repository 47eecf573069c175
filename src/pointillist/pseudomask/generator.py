"""The pseudo-mask of a training step: presence, refinement, expanding fields, reliability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pointillist.errors import TensorError
from pointillist.pseudomask.checks import check_maps, check_points, check_setting, shape_of
from pointillist.pseudomask.compiled import eager
from pointillist.pseudomask.fields import (
    GAMMA,
    Metric,
    check_exponent,
    check_metric,
    check_progress,
    check_sigmas,
    class_fields,
    competing_filter,
    expanding_filter,
)
from pointillist.pseudomask.planes import gather_planes, plane_classes
from pointillist.pseudomask.presence import check_background, present_classes, renormalise
from pointillist.pseudomask.refine import DILATIONS, check_refinement, refine_planes
from pointillist.pseudomask.reliability import IGNORE, Rule, argmax, check_bars, check_valid, decide, decide_by_share
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
        exponent: β of `competing_filter`, which then takes the place of the expanding one; `None` keeps that.
        reach: Least value of the filter for the background, as a fraction of the largest at the pixel. The background
            is what lies between objects, often in many pieces of which few are clicked, so its distance may count
            against it only up to a point.
        reliability: Drop doubtful pixels; off, each pixel gets its argmax class.
        confidence: Least share of all evidence at a pixel that its class must have to be kept; it takes the place of
            the three bars below. `None` keeps those.
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
    exponent: float | None = None
    reach: float = 0.0
    reliability: bool = True
    confidence: float | None = None
    low: float = 0.2
    cut: float = 0.75
    cut_background: float = 0.8

    def __post_init__(self) -> None:
        check_refinement(self.dilations, self.iterations)
        check_metric(self.metric or "euclidean", self.gamma)
        check_sigmas(self.sigma_start, self.sigma_end)
        check_bars(self.low, self.cut, self.cut_background)
        check_exponent(self.exponent or 0.0)
        for name, value in (("unclicked", self.unclicked), ("reach", self.reach), ("confidence", self.confidence or 0)):
            check_setting(0.0 <= value <= 1.0, name, value, "Use a number from 0 to 1.")

    @eager
    @torch.no_grad()
    def __call__(
        self,
        image: Tensor,
        probabilities: Tensor,
        points: Sequence[Tensor],
        *,
        progress: float,
        expected: Tensor | None = None,
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
            expected: C shares, above 0: how often the network was taught each class. Probabilities are divided by them
                before presence, so that a class is not believed for being clicked often (label shift, Saerens 2002);
                left as they are when `None`.
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
        if expected is not None:
            check_expected(expected, num_classes)
            shares /= gather_planes(expected.to(shares.device).expand(len(shares), -1)[..., None, None], classes, 1.0)
        if self.presence or expected is not None:
            shares = renormalise(shares, classes >= 0)

        # 2. Refine.
        counts = (classes >= 0).sum(dim=1).tolist()
        refined = refine_planes(image, shares, self.dilations, self.iterations, counts=counts)

        # 3. Spatial filter.
        distances = self._distances(image, clicks, classes, fields)
        expansion = self._expansion(distances, classes, progress)
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

    def _expansion(self, distances: Tensor | None, classes: Tensor, progress: float) -> Tensor | None:
        if distances is None:
            return None
        if self.exponent is None:
            scale = math.sqrt(distances.shape[2] * distances.shape[3])
            expansion = expanding_filter(
                distances, progress, sigma_start=self.sigma_start * scale, sigma_end=self.sigma_end * scale
            )
        else:
            expansion = competing_filter(distances, exponent=self.exponent)
        if self.unclicked > 0:
            expansion = torch.where(distances.isinf(), self.unclicked, expansion)
        if self.reach > 0 and self.background is not None:
            least = self.reach * expansion.amax(dim=1, keepdim=True)
            is_background = (classes == self.background).to(expansion.device)[:, :, None, None]
            expansion = torch.where(is_background, torch.maximum(expansion, least), expansion)
        return expansion

    def _decide(
        self, evidence: Tensor, distances: Tensor | None, classes: Tensor, valid: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if not self.reliability:
            return argmax(evidence, distances, valid)
        if self.confidence is not None:
            return decide_by_share(evidence, self.confidence, valid)
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


def check_expected(expected: Tensor, num_classes: int) -> None:
    """Refuse anything but one positive share per class.

    Raises:
        TensorError: With what was found.
    """
    if expected.shape != (num_classes,) or not bool((expected > 0).all()):
        raise TensorError(
            f"Got {shape_of(expected)} with a least value of {float(expected.min()):g}.",
            field="expected",
            hint=f"Pass {num_classes} shares above 0.",
        )


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
