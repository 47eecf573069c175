"""The uncertainty map."""

from pointillist.inference.writers.base import MapWriter


class Uncertainty(MapWriter):
    """The entropy of the classes, divided by its largest value."""

    name = "uncertainty"
    title = "how unsure the model is: the entropy of the classes"
    suffix = "_uncertainty.png"
    needs = frozenset({"uncertainty"})
