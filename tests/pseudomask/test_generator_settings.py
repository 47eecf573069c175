"""What the generator takes, and what it refuses: settings, arguments, names."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from pydantic import ValidationError

from pointillist import pseudomask
from pointillist.errors import ConfigError, PointillistError, TensorError
from pointillist.pseudomask import (
    Gaussian,
    InverseDistance,
    PseudoMaskGenerator,
    PseudoMaskSettings,
    Refinement,
)
from tests.pseudomask.test_generator import SIZE, batch, noise


def test_is_frozen_and_comparable() -> None:
    generator = PseudoMaskGenerator(background=0)
    assert generator == PseudoMaskGenerator(background=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        generator.background = 1  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        generator.settings.presence = False  # type: ignore[misc]


@pytest.mark.parametrize(
    "change",
    [
        {"prior_correction": 1.5},
        {"refinement": {"iterations": -1}},
        {"refinement": {"dilations": ()}},
        {"spatial_prior": {"distance": "manhattan"}},
        {"spatial_prior": {"gamma": -1.0}},
        {"spatial_prior": {"distance": "euclidean", "gamma": 10.0}},
        {"spatial_prior": {"power": 1.0, "sigma_start": 1.0}},
        {"spatial_prior": {"kind": "gaussian", "sigma_end": math.inf}},
        {"spatial_prior": {"background_floor": 2.0}},
        {"selection": {"threshold": -1.0}},
        {"selection": {"kind": "per-class", "threshold": 0.5}},
        {"selection": {"kind": "per-class", "relative": 2.0}},
        {"stages": [{"kind": "magic"}]},
    ],
    ids=str,
)
def test_settings_that_make_no_sense(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        PseudoMaskSettings.model_validate(change)


def test_none_a_name_and_settings_without_their_kind_are_read() -> None:
    read = PseudoMaskSettings.model_validate
    assert read({"spatial_prior": "none", "selection": None}) == PseudoMaskSettings(spatial_prior=None, selection=None)
    assert read({"spatial_prior": "gaussian"}).spatial_prior == Gaussian()
    assert read({"spatial_prior": {"power": 2}, "refinement": {"iterations": 3}}) == PseudoMaskSettings(
        spatial_prior=InverseDistance(power=2), refinement=Refinement(iterations=3)
    )


@pytest.mark.parametrize(
    ("change", "error", "field"),
    [
        ({"image": noise(1, 3, 5, 5)}, TensorError, "probabilities"),
        ({"probabilities": noise(1, 300, *SIZE)}, PointillistError, "probabilities"),
        ({"points": [torch.zeros(0, 3)] * 2}, TensorError, "points"),
        ({"points": [torch.tensor([[1.0, 1.0, 7.0]])]}, TensorError, "points[0]"),
        ({"progress": 1.5}, ConfigError, "progress"),
        ({"distances": noise(1, 3, *SIZE)}, TensorError, "distances"),
        ({"scale": torch.ones(2)}, TensorError, "scale"),
        ({"scale": 0.0}, TensorError, "scale"),
        ({"valid": torch.ones(1, *SIZE)}, TensorError, "valid"),
    ],
)
def test_arguments_that_do_not_fit(change: dict[str, object], error: type[PointillistError], field: str) -> None:
    image, probabilities, points = batch(1)
    arguments = {"image": image, "probabilities": probabilities, "points": points, "progress": 0.5} | change
    with pytest.raises(error) as caught:
        PseudoMaskGenerator(background=0)(**arguments)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_the_background_must_be_a_class() -> None:
    image, probabilities, points = batch(1)
    with pytest.raises(ConfigError, match="background"):
        PseudoMaskGenerator(background=7)(image, probabilities, points, progress=0.5)


def test_public_names_are_frozen() -> None:
    assert pseudomask.__all__ == [
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
