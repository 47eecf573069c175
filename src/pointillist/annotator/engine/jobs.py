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

Lane = Literal["fast", "full", "prediction", "uncertainty"]
"""Jobs of one lane are done one after another; the first comes first. That of uncertainty is what nobody waits for."""

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
class PredictionJob:
    """The model is to label an image, or a part of it; see `LayerJob`.

    `pixels` are the image, perhaps smaller. With `inner` (top, left, height, width in `pixels`) they are a part of it
    at its own size, and only the inner part is wanted: what is around it is there to be seen by the model.
    """

    lane: Lane
    pixels: NDArray[Any]
    size: tuple[int, int]
    run: Path
    inner: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class OutputsJob:
    """What can be written of the model's predictions is to be listed."""

    run: Path
    lane: Lane = "fast"


@dataclass(frozen=True)
class LabelsJob:
    """What a model says about an image is to be counted, and told at N×2 `points` (x, y); see `LayerJob`."""

    lane: Lane
    pixels: NDArray[Any]
    points: NDArray[np.float64]
    size: tuple[int, int]
    run: Path


@dataclass(frozen=True)
class Said:
    """Pixels of each output of a model, and the output at each point (255 where there is no data)."""

    pixels: tuple[int, ...]
    at: tuple[int, ...]


@dataclass(frozen=True)
class MethodsJob:
    """The methods are to be listed."""

    lane: Lane = "fast"


@dataclass(frozen=True)
class SettingsJob:
    """Settings that a page made, by dotted name, are to be checked."""

    settings: Mapping[str, Any]
    lane: Lane = "fast"


Job = LayerJob | UncertaintyJob | PredictionJob | OutputsJob | LabelsJob | MethodsJob | SettingsJob


@dataclass(frozen=True)
class UncertainRegion:
    """A rectangle in pixels of the image, and the mean uncertainty in it (0 where all of it is labelled)."""

    score: float
    x: int
    y: int
    width: int
    height: int


STEPS = 31
"""Uncertainty comes in so many steps: as many as an eye can tell apart, and few enough to be kept in little space."""


@dataclass(frozen=True)
class Predicted:
    """What the model says: H×W uint8 `labels`, its outputs (255 without data), and `uncertainty`, 0 to `STEPS`.

    `exact`: the model saw as many pixels as it does when a file of the image is predicted.
    """

    labels: NDArray[np.uint8]
    uncertainty: NDArray[np.uint8]
    exact: bool


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
