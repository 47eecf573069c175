"""What version 0.1 wrote opens today: settings under their old names, a whole run, its table of metrics."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pointillist.data.images import read_image
from pointillist.errors import RenamedWarning
from pointillist.inference.predictor import Predictor
from pointillist.pseudomask import (
    ClassThresholds,
    ConfidenceThreshold,
    Gaussian,
    InverseDistance,
    PseudoMaskSettings,
    Refinement,
)
from pointillist.training.config import make_config
from pointillist.training.methods.pseudo_masks import PseudoMaskOptions
from pointillist.training.metrics_table import read_metrics
from pointillist.training.renamed import GONE, RENAMED
from pointillist.training.run_directory import RunDirectory
from tests.conftest import Cli

OLD = Path(__file__).parents[1] / "fixtures" / "version_0_1"


def pseudo_mask_of(*overrides: str) -> PseudoMaskSettings:
    with pytest.warns(RenamedWarning):
        method = make_config(overrides=overrides).method
    assert isinstance(method, PseudoMaskOptions)
    return method.pseudo_mask


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("shift=0.3", {"prior_correction": 0.3}),
        ("presence=false", {"presence": False}),
        ("dilations=[1, 5]", {"refinement": Refinement(dilations=(1, 5))}),
        ("iterations=3", {"refinement": Refinement(iterations=3)}),
        ("metric=null", {"spatial_prior": None}),
        ("metric=euclidean", {"spatial_prior": InverseDistance(distance="euclidean")}),
        ("exponent=2", {"spatial_prior": InverseDistance(power=2)}),
        ("exponent=null", {"spatial_prior": Gaussian()}),
        ("reach=0.5", {"spatial_prior": InverseDistance(background_floor=0.5)}),
        ("gamma=100", {"spatial_prior": InverseDistance(gamma=100)}),
        ("confidence=0.8", {"selection": ConfidenceThreshold(threshold=0.8)}),
        ("cut=0.4", {"selection": ClassThresholds(relative=0.4)}),
        ("reliability=false", {"selection": None}),
    ],
)
def test_each_old_setting_is_read_under_its_new_name(old: str, new: dict[str, object]) -> None:
    assert pseudo_mask_of(f"method.{old}") == PseudoMaskSettings(**new)  # type: ignore[arg-type]


def test_the_new_name_is_said() -> None:
    with pytest.warns(RenamedWarning, match=r"method\.shift is now method\.pseudo_mask\.prior_correction"):
        make_config(overrides=["method.shift=0.3"])
    with pytest.warns(RenamedWarning, match=r"optimizer\.ema is no longer a setting"):
        make_config(overrides=["optimizer.ema=0.9"])


def test_settings_of_the_same_name_in_other_methods_stay(recwarn: pytest.WarningsRecorder) -> None:
    config = make_config(overrides=["method=gated-crf", "method.sigma_xy=3", "trainer.snapshots=2"])
    assert config.trainer.snapshots == 2
    assert not recwarn.list


def test_a_run_of_version_0_1_opens() -> None:
    with pytest.warns(RenamedWarning) as caught:
        config, record = RunDirectory.open(OLD / "run").read()
    text = " ".join(str(one.message) for one in caught)
    written = yaml.safe_load((OLD / "run" / "config.yaml").read_text())
    for old in (*RENAMED, *GONE):
        section, name = old.split(".")
        assert name in written[section], "the fixture has every setting that was renamed"
        assert old in text
    assert isinstance(config.method, PseudoMaskOptions)
    # γ was in pixels at 48×64, which is less than a unit length there.
    gamma = 300 * 160 / (48 * 64) ** 0.5
    assert config.method.pseudo_mask == PseudoMaskSettings(
        prior_correction=0.6, spatial_prior=InverseDistance(gamma=gamma), evidence=None
    )
    assert record.clicks == 12


def test_its_model_predicts_as_it_did() -> None:
    predictor = Predictor(OLD / "run")
    prior = predictor.engine.class_prior
    assert prior is not None
    assert sum(prior) == pytest.approx(1, abs=1e-4), "the power of the old correction is taken out again"
    for name in ("tiny_0", "tiny_4"):
        labels = predictor.predict(read_image(OLD / "data" / "images" / f"{name}.png")).labels
        expected = np.asarray(Image.open(OLD / "predictions" / f"{name}.png"))
        assert (labels == expected).mean() > 0.999


def test_its_metrics_are_read_under_todays_names() -> None:
    rows = read_metrics(RunDirectory.open(OLD / "run"))
    assert len(rows) == 2
    assert float(rows[-1]["precision"]) > 0
    assert "agreement" not in rows[-1]


def test_its_training_cannot_go_on_and_says_so(tmp_path: Path, cli: Cli) -> None:
    run = tmp_path / "run"
    shutil.copytree(OLD / "run", run)
    settings = (run / "config.yaml").read_text().replace("/data-of-version-0.1", str(OLD))
    (run / "config.yaml").write_text(settings)
    before = (run / "checkpoints" / "last.ckpt").read_bytes()
    result = cli("train", OLD / "data", "--resume", "--out", run)
    assert result.code == 2
    assert "another version" in result.err
    assert (run / "checkpoints" / "last.ckpt").read_bytes() == before
