"""The pseudo-mask of a training step: presence, refinement, spatial prior, selection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pointillist.errors import TensorError
from pointillist.pseudomask.channels import (
    IGNORE,
    channel_classes,
    classes_of_channels,
    gather_channels,
    scatter_channels,
)
from pointillist.pseudomask.checks import check_maps, check_points, check_setting, check_tensor, shape_of
from pointillist.pseudomask.compiled import no_compile
from pointillist.pseudomask.fields import class_fields
from pointillist.pseudomask.presence import check_background, presence_weights, renormalise
from pointillist.pseudomask.rasterise import rasterise_points
from pointillist.pseudomask.selection import Rule, check_valid, choose_all, drop
from pointillist.pseudomask.settings import PseudoMaskSettings
from pointillist.pseudomask.stages.base import UNIT_SIZE, StageInput, unit_length
from pointillist.pseudomask.stages.spatial_prior import check_progress
from pointillist.pseudomask.trace import PseudoMask, Trace


@dataclass(frozen=True)
class PseudoMaskGenerator:
    """Make label maps for an image from a network's probabilities and a few clicks.

    Without further settings this is the recipe that the method `single-stage` trains with. From the paper (Akiva and
    Dana, arXiv 2106.10309) is that pseudo-masks are made on the fly from refined and spatially filtered features; the
    stages, their order and all default values are this project's.

    Args:
        background: Index of the class that is present in every image, `None` if there is no such class.
        settings: The stages.

    Examples:
        >>> image, probabilities = torch.rand(1, 3, 32, 48), torch.full((1, 3, 32, 48), 1 / 3)
        >>> clicks = [torch.tensor([[10.5, 16.5, 0.0], [40.5, 16.5, 2.0]])]  # x, y, class
        >>> labels = PseudoMaskGenerator(background=0)(image, probabilities, clicks).labels
        >>> labels.shape, labels[0, 16, 10].item(), labels[0, 16, 40].item()
        (torch.Size([1, 32, 48]), 0, 2)
        >>> (labels == 1).any().item()  # class 1 is not clicked, so it is not there
        False
    """

    background: int | None
    settings: PseudoMaskSettings = PseudoMaskSettings()  # noqa: RUF009 - it is frozen

    @no_compile
    @torch.no_grad()
    def __call__(
        self,
        image: Tensor,
        probabilities: Tensor,
        points: Sequence[Tensor],
        *,
        progress: float | None = None,
        class_prior: Tensor | None = None,
        distances: Tensor | None = None,
        evidence: Tensor | None = None,
        presence: Sequence[Tensor | None] | None = None,
        scale: Tensor | float | None = None,
        valid: Tensor | None = None,
        trace: bool = False,
    ) -> PseudoMask:
        """Make the pseudo-masks of a batch.

        Args:
            image: B×K×H×W of K ≥ 1 bands in [0, 1], not normalised.
            probabilities: B×C×H×W softmax of the network, C ≤ 255.
            points: One N_i×3 tensor per image (x, y, class) with **all** clicks of the whole image; those outside the
                crop keep coordinates below 0 or beyond W, H. Pixel centres are at +0.5.
            progress: Share of training that is done, in [0, 1]; needed by a Gaussian prior only.
            class_prior: C shares above 0: how often the network was taught each class. Probabilities are divided by
                them (to the power `prior_correction`), so that a class is not believed for being clicked often (label
                shift, Saerens 2002).
            distances: B×C×H×W distances in pixels made elsewhere, for instance geodesic ones of the whole image that
                were cropped and flipped with it; computed from `image` and `points` when `None`.
            evidence: B×C×H×W, not negative: how much another classifier believes each class, for instance of its
                pixels' colours and texture. What the stage `evidence` takes in, which is left out without it.
            presence: One per image: how likely each class is somewhere in the image (C, 0 to 1) where the points answer
                questions and mark no objects; the spatial prior is then left out. `None` where objects were clicked:
                the classes with a click are there, and no others but the background.
            scale: √(H·W) of the whole images in pixels, one number or B of them, which all lengths of the recipe
                follow. `None` takes the images given for whole ones.
            valid: B×H×W booleans, false on padding.
            trace: Keep every stage's scores for a report.

        Returns:
            Labels B×H×W int64 (255 = ignore), and the trace if asked for. A pixel with a click has that click's class
            (of several clicks the last), unless it is padding.

        Raises:
            TensorError: For a wrong rank, size, dtype or device.
            ConfigError: For a progress outside [0, 1], or a background that is no class.
        """
        check_maps(image, "image")
        check_maps(probabilities, "probabilities", like=image)
        num_classes = probabilities.shape[1]
        if distances is not None:
            check_maps(distances, "distances", channels=num_classes, like=image)
        if evidence is not None:
            check_maps(evidence, "evidence", channels=num_classes, like=image)
        check_setting(num_classes <= IGNORE, "probabilities", num_classes, f"Use at most {IGNORE} classes.")
        check_background(self.background, num_classes)
        if progress is not None:
            check_progress(progress)
        check_valid(valid, image)
        clicks = check_points(points, image.shape[0], num_classes)
        settings, prior = self.settings, self.settings.spatial_prior

        # Only the channels of present classes are computed from here on.
        likely = presence_weights(clicks, presence, num_classes, background=self.background)
        present = likely > 0
        classes = channel_classes(present if settings.presence else torch.ones_like(present))
        objects = None if presence is None else tuple(one is None for one in presence)
        given = StageInput(image, clicks, classes, units_of(scale, image), self.background, progress, objects=objects)
        if evidence is not None:
            given = replace(given, evidence=gather_channels(evidence, classes).float())
        if prior is not None:
            whole = None if distances is None else gather_channels(distances, classes, fill=math.inf).float()
            given = replace(given, distances=prior.distances(given) if whole is None else whole)

        scores = {"presence": self._present(probabilities, classes, class_prior, likely)}
        last = scores["presence"]
        for stage in settings.pipeline:
            if stage is settings.evidence and evidence is None:
                continue
            last = stage(last, given)
            if trace:
                scores[stage.name if stage.name not in scores else f"{stage.name} {len(scores)}"] = last
        selection = settings.selection
        channels, rules = choose_all(last) if selection is None else selection.choose(last, given, valid)
        labels = classes_of_channels(channels, classes)
        drop(labels, rules, valid)
        clicked = rasterise_points(clicks, (labels.shape[1], labels.shape[2]), labels.device)
        stamped = (clicked != IGNORE) if valid is None else (clicked != IGNORE) & valid
        labels = torch.where(stamped, clicked, labels)
        if not trace:
            return PseudoMask(labels, None)
        rules.masked_fill_(stamped, int(Rule.CLICKED))
        return PseudoMask(labels, self._trace(scores, labels, rules, given, num_classes))

    def _present(self, probabilities: Tensor, classes: Tensor, class_prior: Tensor | None, likely: Tensor) -> Tensor:
        """Probabilities of the channels without the class prior, brought to a sum of 1 over the present classes."""
        scores = gather_channels(probabilities, classes).float()
        corrected = class_prior is not None and self.settings.prior_correction > 0
        if class_prior is not None and corrected:
            count = probabilities.shape[1]
            if class_prior.shape != (count,) or not bool((class_prior > 0).all()):
                found = f"Got {shape_of(class_prior)} with a least value of {float(class_prior.min()):g}."
                raise TensorError(found, field="class_prior", hint=f"Pass {count} shares above 0.")
            divisor = class_prior.to(scores.device) ** self.settings.prior_correction
            scores /= gather_channels(divisor.expand(len(scores), -1)[..., None, None], classes, 1.0)
        if self.settings.presence and bool(((likely > 0) & (likely < 1)).any()):
            scores *= gather_channels(likely.to(scores)[..., None, None], classes)
        return renormalise(scores, classes >= 0) if self.settings.presence or corrected else scores

    def _trace(
        self, scores: dict[str, Tensor], labels: Tensor, rules: Tensor, given: StageInput, num_classes: int
    ) -> Trace:
        prior = self.settings.spatial_prior
        size = (labels.shape[1], labels.shape[2])
        metric = "euclidean" if prior is None else prior.distance
        gammas = [0.0 if prior is None else prior.gamma * unit for unit in given.units]
        nearest = class_fields(
            given.clicks, size, num_classes, metric, given.image, gammas, labels.device, nearest_click=True
        )[1]
        kept = labels != IGNORE
        rows = torch.full_like(labels, -1)
        if nearest is not None:
            rows = nearest.gather(1, labels.masked_fill(~kept, 0)[:, None])[:, 0].masked_fill_(~kept, -1)
        distances = given.distances
        return Trace(
            scores={name: scatter_channels(maps, given.classes, num_classes) for name, maps in scores.items()},
            distances=None if distances is None else scatter_channels(distances, given.classes, num_classes, math.inf),
            rules=rules,
            nearest_click=rows,
        )


def units_of(scale: Tensor | float | None, image: Tensor) -> tuple[float, ...]:
    """Pixels per unit length of each image of a batch.

    Raises:
        TensorError: Unless the scale is one positive number, or one per image.
    """
    batch = image.shape[0]
    if scale is None:
        return (unit_length((image.shape[2], image.shape[3])),) * batch
    values = scale.flatten().tolist() if isinstance(scale, Tensor) else [float(scale)]
    values = values * batch if len(values) == 1 else values
    good = len(values) == batch and all(math.isfinite(value) and value > 0 for value in values)
    check_tensor(good, f"Got {values[:4]}.", "scale", f"Pass a positive number, or {batch} of them.")
    return tuple(value / UNIT_SIZE for value in values)
