"""pointillist: clicks in, segmentation model out.

import pointillist as pt

data = pt.load("berries")
run = pt.train(data, out="runs/berries")
print(pt.evaluate(run, data).miou)
labels = pt.Predictor(run)(image)  # H×W×3 uint8 → H×W class indices
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pointillist.errors import explained
from pointillist.version import __version__

if TYPE_CHECKING:
    from pointillist.api import audit, evaluate, load, train
    from pointillist.classes import ClassSet
    from pointillist.data.dataset import Dataset
    from pointillist.data.images import read_image
    from pointillist.errors import PointillistError
    from pointillist.inference.predictor import Predictor
    from pointillist.points.table import Point, PointTable
    from pointillist.pseudomask import PseudoMaskGenerator
    from pointillist.registry import register

_MODULES = {
    "pointillist.api": ("load", "train", "evaluate", "audit"),
    "pointillist.classes": ("ClassSet",),
    "pointillist.data.dataset": ("Dataset",),
    "pointillist.data.images": ("read_image",),
    "pointillist.errors": ("PointillistError",),
    "pointillist.inference.predictor": ("Predictor",),
    "pointillist.points.table": ("Point", "PointTable"),
    "pointillist.pseudomask": ("PseudoMaskGenerator",),
    "pointillist.registry": ("register",),
}

__all__ = [
    "ClassSet",
    "Dataset",
    "Point",
    "PointTable",
    "PointillistError",
    "Predictor",
    "PseudoMaskGenerator",
    "__version__",
    "audit",
    "evaluate",
    "load",
    "read_image",
    "register",
    "train",
]


if not TYPE_CHECKING:  # a type checker would take every misspelt name for one of type Any

    def __getattr__(name: str) -> Any:
        # Importing torch takes seconds; a user who only asks for help or a version should not wait for it.
        for module, names in _MODULES.items():
            if name in names:
                try:
                    return getattr(importlib.import_module(module), name)
                except ModuleNotFoundError as error:
                    raise explained(error) from error
        raise AttributeError(f"module 'pointillist' has no attribute {name!r}")
