"""The confidence map."""

from pointillist.inference.writers.base import MapWriter


class Confidence(MapWriter):
    """The probability of the label."""

    name = "confidence"
    title = "the probability of the label"
    suffix = "_confidence.png"
    needs = frozenset({"confidence"})
