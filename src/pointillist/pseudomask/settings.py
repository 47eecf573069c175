"""The settings of a pseudo-mask. Their defaults are the recipe that `single-stage` trains with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SerializeAsAny

from pointillist.errors import nearest
from pointillist.pseudomask.selection import ClassThresholds, ConfidenceThreshold
from pointillist.pseudomask.stages import STAGES, Stage
from pointillist.pseudomask.stages.base import Settings
from pointillist.pseudomask.stages.evidence import Evidence
from pointillist.pseudomask.stages.refinement import Refinement
from pointillist.pseudomask.stages.spatial_prior import Gaussian, InverseDistance


def _choice(default: str) -> Callable[[Any], Any]:
    """Reads `none`, a bare name, and settings that leave out which kind they are of."""

    def read(value: Any) -> Any:
        if isinstance(value, str):
            return None if value == "none" else {"kind": value}
        return {"kind": default, **value} if isinstance(value, dict) else value

    return read


def _read_stages(values: Any) -> Any:
    if not isinstance(values, Sequence) or isinstance(values, str):
        return values
    return [_read_stage(value) for value in values]


def _read_stage(value: Any) -> Any:
    value = {"kind": value} if isinstance(value, str) else value
    if not isinstance(value, dict):
        return value
    kind = value.get("kind")
    if kind not in STAGES.all():
        raise ValueError(f"{kind!r} is no stage. {nearest(str(kind), STAGES.all())}")
    return STAGES.get(kind).model_validate(value)


class PseudoMaskSettings(Settings):
    """How labels are made of probabilities and clicks: the stages in their order, each with its settings."""

    presence: bool = True
    """Keep only classes clicked in the image, and the background; where questions were answered and no objects clicked,
    believe each class as far as it is likely to be there."""
    prior_correction: float = Field(default=0.3, ge=0, le=1)
    """How far the class prior is taken out of the probabilities (where one is given): 0 not at all, 1 wholly."""
    refinement: Annotated[Refinement | None, BeforeValidator(_choice("refinement"))] = Refinement()
    """Let probabilities flow along pixels of the same colour; `none` leaves them as they are."""
    spatial_prior: Annotated[
        InverseDistance | Gaussian | None,
        Field(discriminator="kind"),
        BeforeValidator(_choice("inverse-distance")),
    ] = InverseDistance()
    """What distance from the clicks says: `inverse-distance`, `gaussian` or `none`."""
    evidence: Annotated[Evidence | None, BeforeValidator(_choice("evidence"))] = Evidence()
    """What a classifier of pixels by colour, edges, texture and place says, learnt from clicks of each class before the
    first step; `none` does without."""
    stages: Annotated[tuple[SerializeAsAny[Stage], ...], BeforeValidator(_read_stages)] = ()
    """Further stages, run before the selection."""
    selection: Annotated[
        ConfidenceThreshold | ClassThresholds | None,
        Field(discriminator="kind"),
        BeforeValidator(_choice("confidence")),
    ] = ConfidenceThreshold()
    """Which pixels are kept: `confidence`, `per-class` or `none` (all)."""

    @property
    def pipeline(self) -> tuple[Stage, ...]:
        """The stages between presence and selection, in order."""
        chosen = (self.refinement, self.spatial_prior, self.evidence, *self.stages)
        return tuple(stage for stage in chosen if stage is not None)
