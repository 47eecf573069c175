"""Label ids of Cityscapes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from pointillist.classes import ClassSet
from pointillist.data.layouts.cityscapes import CLASSES
from pointillist.errors import ConfigError
from pointillist.inference.writers.base import Result, Writer, save_png
from pointillist.schema import Strict

UNLABELED = 0
"""Where the image has no data."""

LABEL_IDS = {name: label_id for name, (label_id, _) in CLASSES.items()} | {
    "unlabeled": UNLABELED,
    "ego vehicle": 1,
    "rectification border": 2,
    "out of roi": 3,
    "static": 4,
    "dynamic": 5,
    "ground": 6,
    "parking": 9,
    "rail track": 10,
    "guard rail": 14,
    "bridge": 15,
    "tunnel": 16,
    "polegroup": 18,
    "caravan": 29,
    "trailer": 30,
}
"""By name; those that are not scored, too. Source: `labels.py` of cityscapesScripts (Cordts et al., CVPR 2016)."""


class CityscapesOptions(Strict):
    """Ids of classes."""

    ids: dict[str, Annotated[int, Field(ge=0, le=255)]] = Field(default_factory=dict)
    """Label id by name of the class, for names that Cityscapes does not have, or in place of its own id."""


class Cityscapes(Writer):
    """A grey PNG as the benchmark's tools read it: pixel value = label id, 0 where the image has no data."""

    name = "cityscapes"
    title = "label ids of Cityscapes"
    suffix = "_labelIds.png"
    Options = CityscapesOptions
    options: CityscapesOptions

    def check(self, classes: ClassSet) -> None:
        """A class has no id, or an id is for no class; see `Writer.check`."""
        self._table(classes)

    def write(self, result: Result, path: Path) -> None:
        """See `Writer.write`."""
        table = self._table(result.classes)
        save_png(path, result.prediction.size, (table[strip.labels] for _, strip in result.prediction.strips()))

    def _table(self, classes: ClassSet) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """Label id by class index."""
        given = self.options.ids
        extra = [name for name in given if name not in classes]
        if extra:
            raise ConfigError(
                f"'{extra[0]}' is no class of the model.",
                where="--set",
                field="cityscapes.ids",
                hint=f"Valid: {', '.join(classes)}.",
            )
        known = LABEL_IDS | given
        missing = [name for name in classes if name not in known]
        if missing:
            example = ", ".join(f"{name}: 0" for name in missing[:2])
            raise ConfigError(
                f"Cityscapes has no {', '.join(repr(name) for name in missing)}.",
                where="--set",
                field="cityscapes.ids",
                hint=f"Say which label ids these classes get, 0 for none: --set 'cityscapes.ids={{{example}}}'.",
            )
        table = np.full(256, UNLABELED, np.uint8)
        table[: len(classes)] = [known[name] for name in classes]
        return table
