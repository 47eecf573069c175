"""The pseudo-mask engine: tensors in, label maps out.

Each stage can be used alone (`presence`, `refine`, `distance_fields` with `competing_filter` or `expanding_filter`,
`reliability`), and `PseudoMaskGenerator` composes them. It knows no data set, no network and no trainer.
"""

from pointillist.pseudomask.fields import Metric, competing_filter, distance_fields, expanding_filter
from pointillist.pseudomask.generator import PseudoMaskGenerator
from pointillist.pseudomask.presence import presence, present_classes
from pointillist.pseudomask.refine import refine
from pointillist.pseudomask.reliability import Rule, reliability
from pointillist.pseudomask.trace import PseudoMask, Trace

__all__ = [
    "Metric",
    "PseudoMask",
    "PseudoMaskGenerator",
    "Rule",
    "Trace",
    "competing_filter",
    "distance_fields",
    "expanding_filter",
    "presence",
    "present_classes",
    "refine",
    "reliability",
]
