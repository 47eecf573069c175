"""What the server asks of the engine's process; nothing here needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pointillist.data.bands import Bands
from pointillist.errors import ConfigError, PointillistError, RunError

Lane = Literal["fast", "full", "uncertainty"]
"""Jobs of one lane are done one after another; the first comes first."""

DROP = "drop"
"""In place of a job: it is not wanted any more."""


@dataclass(frozen=True)
class Clicks:
    """The clicks on an image: N×3 `points` (x, y, index of the class), in pixels of the whole image.

    `classes` is the number of classes, `background` the index of one (None without); with `border`, border pixels
    far from every click count as clicks on the background.
    """

    points: NDArray[np.float64]
    classes: int
    background: int | None
    border: bool = False


@dataclass(frozen=True)
class LayerJob:
    """A layer to be made from `pixels` of its size; `size` is (height, width) of the whole image.

    Pixels are H×W×K as the file has them, all bands: `bands` are those of the folder, and a model has its own.

    `key` names the image and its version; `run` is the run directory of the model to be used (None without), and
    `outputs` has, for each class, the outputs of that model that mean it.
    """

    lane: Lane
    key: tuple[str, ...]
    pixels: NDArray[Any]
    bands: Bands
    clicks: Clicks
    size: tuple[int, int]
    colors: tuple[str, ...]
    run: Path | None = None
    outputs: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class UncertaintyJob:
    """An image on which the model's least sure region is to be found; see `LayerJob`."""

    lane: Lane
    pixels: NDArray[Any]
    points: NDArray[np.float64]
    size: tuple[int, int]
    run: Path


@dataclass(frozen=True)
class MethodsJob:
    """The methods are to be listed."""

    lane: Lane = "fast"


@dataclass(frozen=True)
class SettingsJob:
    """Settings that a page made, by dotted name, are to be checked."""

    settings: Mapping[str, Any]
    lane: Lane = "fast"


Job = LayerJob | UncertaintyJob | MethodsJob | SettingsJob


@dataclass(frozen=True)
class UncertainRegion:
    """A rectangle in pixels of the image, and the mean uncertainty in it (0 where all of it is labelled)."""

    score: float
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Failure:
    """Why a job could not be done; `field` names the setting that is to blame."""

    found: str
    hint: str
    field: str | None = None

    def error(self) -> PointillistError:
        """The same as an error."""
        if self.field is not None:
            return ConfigError(self.found, field=self.field, hint=self.hint)
        return RunError(self.found, hint=self.hint)
