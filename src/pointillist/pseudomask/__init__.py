"""The pseudo-mask engine: tensors in, label maps out.

`PseudoMaskGenerator` composes the stages; `refine`, `distance_fields` and `presence` can be used alone. It knows no
data set, no network and no trainer.
"""

from pointillist.pseudomask.fields import Metric, distance_fields
from pointillist.pseudomask.generator import PseudoMaskGenerator
from pointillist.pseudomask.presence import presence, present_classes
from pointillist.pseudomask.rasterise import rasterise_points
from pointillist.pseudomask.refine import refine
from pointillist.pseudomask.selection import ClassThresholds, ConfidenceThreshold, Rule
from pointillist.pseudomask.settings import PseudoMaskSettings
from pointillist.pseudomask.stages.base import Stage, StageInput, coarser, unit_length
from pointillist.pseudomask.stages.evidence import Evidence
from pointillist.pseudomask.stages.refinement import Refinement
from pointillist.pseudomask.stages.spatial_prior import (
    Gaussian,
    InverseDistance,
    SpatialPrior,
    expanding_gaussian,
    inverse_distance_weighting,
)
from pointillist.pseudomask.trace import PseudoMask, Trace

__all__ = [
    "ClassThresholds",
    "ConfidenceThreshold",
    "Evidence",
    "Gaussian",
    "InverseDistance",
    "Metric",
    "PseudoMask",
    "PseudoMaskGenerator",
    "PseudoMaskSettings",
    "Refinement",
    "Rule",
    "SpatialPrior",
    "Stage",
    "StageInput",
    "Trace",
    "coarser",
    "distance_fields",
    "expanding_gaussian",
    "inverse_distance_weighting",
    "presence",
    "present_classes",
    "rasterise_points",
    "refine",
    "unit_length",
]
