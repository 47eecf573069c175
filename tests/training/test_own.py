"""What a Python program brings itself: callbacks, loggers, a network, an optimiser."""

from __future__ import annotations

import csv
import json
import sqlite3
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn

import pointillist as pt
from pointillist.errors import ConfigError, RunError, TensorError
from pointillist.training.loggers import EXTRAS
from pointillist.training.methods import NetworkOutput
from pointillist.training.start import read_history
from tests.conftest import TINY

QUICK: dict[str, Any] = {name: value for name, value in TINY.items() if name != "network.options"}
SGD = partial(torch.optim.SGD, lr=0.05, momentum=0.9)


class Small(nn.Module):
    """A program's own network."""

    def __init__(self, classes: int = 3, bands: int = 3, width: int = 8) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(bands, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).relu())


class WithFeatures(Small):
    def forward(self, x: Tensor) -> NetworkOutput:  # type: ignore[override]
        features = self.body(x).relu()
        return NetworkOutput(self.head(features), features)


class StopAt(L.Callback):
    """Ends a training after so many steps, as Ctrl-C would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            raise KeyboardInterrupt


class Seen(L.Callback):
    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.losses.append(float(trainer.callback_metrics["loss"]))


def weights(run: Any) -> bytes:
    return Path(run.root, "model", "model.safetensors").read_bytes()


@pytest.mark.parametrize("method", ["points", "single-stage"])
@pytest.mark.parametrize("network", [Small, Small(), WithFeatures()], ids=["factory", "module", "features"])
def test_an_own_network_trains_and_predicts(network: Any, method: str, tiny_data: Path, tmp_path: Path) -> None:
    before = {k: v.clone() for k, v in network.state_dict().items()} if isinstance(network, nn.Module) else {}
    run = pt.train(tiny_data, out=tmp_path / "run", method=method, settings=QUICK, network=network)
    assert before.keys() == (network.state_dict() if before else {}).keys()
    assert all(torch.equal(before[name], value) for name, value in (network.state_dict() if before else {}).items())
    assert (run.root / "report.html").is_file()
    predictor = pt.Predictor(run, "cpu", network=network)
    assert predictor(np.zeros((45, 70, 3), np.uint8)).shape == (45, 70)
    scored = pt.evaluate(predictor, tiny_data).miou
    assert scored == pytest.approx(json.loads(run.evaluation.read_text())["miou"], abs=1e-9)
    content = json.loads((run.model / "model.json").read_text())
    assert content["network"]["architecture"] == "own"
    assert content["protocol"]["network"] == f"own {Small.__name__ if network is Small else type(network).__name__}"
    assert content["protocol"]["initialisation"] == "own"


def test_a_model_of_an_own_network_needs_it_again(cli: Any, tiny_data: Path, tmp_path: Path) -> None:
    run = pt.train(tiny_data, out=tmp_path / "run", method="points", settings=QUICK, network=Small)
    with pytest.raises(RunError, match="a program's own") as caught:
        pt.Predictor(run)
    assert "network=" in caught.value.hint
    with pytest.raises(RunError, match="cannot be loaded") as caught:
        pt.Predictor(run, network=partial(Small, width=4))
    assert "network that was trained" in caught.value.hint
    done = cli("predict", run.root, tiny_data / "images", "--out", tmp_path / "out")
    assert done.code == 2
    assert "a program's own" in done.err


def test_a_network_that_is_not_missing_is_refused(tiny_data: Path, tmp_path: Path) -> None:
    run = pt.train(tiny_data, out=tmp_path / "run", method="points", settings=TINY)
    with pytest.raises((RunError, ConfigError), match="settings name 'fpn'"):
        pt.Predictor(run, network=Small)
    with pytest.raises(ConfigError, match="settings name another"):
        pt.train(tiny_data, out=tmp_path / "other", settings={**TINY}, network=Small)
    with pytest.raises(ConfigError, match="a program's own"):
        pt.train(tiny_data, out=tmp_path / "other", settings={**QUICK, "network.architecture": "own"})
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("network", "error", "text"),
    [
        (nn.Conv2d(3, 7, 1), TensorError, r"gives \(1, 7, 64, 64\)"),
        (lambda *_: "net", ConfigError, "str is no network"),
        (nn.Sequential(nn.Conv2d(3, 3, 1), nn.MaxPool2d(2)), TensorError, r"gives \(1, 3, 32, 32\)"),
    ],
    ids=["classes", "text", "smaller"],
)
def test_what_is_no_network_is_refused(network: Any, error: type, text: str, tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(error, match=text):
        pt.train(tiny_data, out=tmp_path / "run", method="points", settings=QUICK, network=network)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("own_schedule", [False, True])
def test_interrupted_with_own_parts_and_resumed_equals_uninterrupted(
    own_schedule: bool, tiny_data: Path, tmp_path: Path
) -> None:
    def optimizer(parameters: list[nn.Parameter]) -> Any:
        made = SGD(parameters)
        return (made, torch.optim.lr_scheduler.StepLR(made, 1, 0.5)) if own_schedule else made

    def train(out: str, **more: Any) -> Any:
        settings = {**QUICK, "trainer.epochs": 3}
        return pt.train(
            tiny_data, out=tmp_path / out, method="points", **{"settings": settings, "optimizer": optimizer, **more}
        )

    whole = train("whole", network=Small)
    with pytest.raises(KeyboardInterrupt):
        train("cut", network=Small, callbacks=[StopAt(3)])
    with pytest.raises(ConfigError, match="a program's own"):
        train("cut", settings=None, resume=True, optimizer=None, network=Small)
    with pytest.raises(ConfigError, match="a program's own"):
        train("cut", settings=None, resume=True)
    with pytest.raises(RunError, match="other optimizer"):
        train("cut", settings=None, resume=True, network=Small, optimizer=partial(torch.optim.Adam, lr=0.1))
    with pytest.raises(RunError, match="other network"):
        train("cut", settings=None, resume=True, network=partial(Small, width=4))
    resumed = train("cut", settings=None, resume=True, network=Small)
    assert weights(resumed) == weights(whole)
    protocol = json.loads((whole.model / "model.json").read_text())["protocol"]
    assert protocol["lr"] == 0.05
    assert protocol["optimizer"].startswith("SGD of ")


def test_an_optimizer_changes_what_is_learnt_and_must_be_one(tiny_data: Path, tmp_path: Path) -> None:
    usual = pt.train(tiny_data, out=tmp_path / "usual", method="points", settings=TINY)
    other = pt.train(tiny_data, out=tmp_path / "other", method="points", settings=TINY, optimizer=SGD)
    assert weights(usual) != weights(other)
    with pytest.raises(ConfigError, match="str is no optimiser"):
        pt.train(tiny_data, out=tmp_path / "no", method="points", settings=TINY, optimizer=lambda _: "adam")  # type: ignore[arg-type,return-value]


def test_going_on_from_an_own_network(tiny_data: Path, tmp_path: Path) -> None:
    first = pt.train(tiny_data, out=tmp_path / "first", method="points", settings=QUICK, network=Small)
    with pytest.raises(RunError, match="a program's own"):
        pt.train(tiny_data, out=tmp_path / "second", init=first.root, settings=QUICK)
    second = pt.train(tiny_data, out=tmp_path / "second", init=first.root, settings=QUICK, network=Small)
    assert read_history(second)[-1]["name"] == "first"


def test_callbacks_see_the_training_and_may_end_it(tiny_data: Path, tmp_path: Path) -> None:
    seen = Seen()
    settings = {**TINY, "trainer.epochs": 4, "trainer.validations": 4}
    stopping = EarlyStopping("val_miou", patience=1, mode="max", min_delta=1.0)
    run = pt.train(tiny_data, out=tmp_path / "run", method="points", settings=settings, callbacks=[seen, stopping])
    rows = list(csv.DictReader(run.metrics_file.open()))
    assert [f"{loss:.6g}" for loss in seen.losses] == [row["loss"] for row in rows]
    assert 1 < len(rows) < 4
    steps = json.loads((run.model / "model.json").read_text())["protocol"]["steps"]
    assert steps == int(rows[-1]["step"])


def test_loggers_by_name_and_of_ones_own(cli: Any, tiny_data: Path, tmp_path: Path) -> None:
    own = CSVLogger(tmp_path, name="", version="mine")
    run = pt.train(tiny_data, out=tmp_path / "run", method="points", settings=TINY, logger=["csv", own])
    for file in (run.root / "csv" / "metrics.csv", tmp_path / "mine" / "metrics.csv"):
        assert "loss" in next(csv.reader(file.open()))
    assert not (run.root / "tensorboard").exists()
    none = pt.train(tiny_data, out=tmp_path / "none", method="points", settings=TINY, logger="none")
    assert not {"tensorboard", "csv"} & {path.name for path in none.root.iterdir()}
    done = cli("train", tiny_data, "--out", tmp_path / "cli", "--set", "trainer.logger=papyrus")
    assert done.code == 2
    assert "trainer.logger" in done.err


@pytest.mark.parametrize(("name", "module", "folder"), [("wandb", "wandb", "wandb"), ("mlflow", "mlflow", "mlflow")])
def test_loggers_of_others_write_below_the_run(
    name: str, module: str, folder: str, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    run = pt.train(tiny_data, out=tmp_path / "run", method="points", settings=TINY, logger=name)
    written = [path for path in (run.root / folder).rglob("*") if path.is_file()]
    if name == "mlflow":
        with closing(sqlite3.connect(run.root / "mlflow" / "mlflow.db")) as store:
            assert ("val_miou",) in store.execute("select distinct key from metrics").fetchall()
    else:
        assert any(path.suffix == ".wandb" and b"val_miou" in path.read_bytes() for path in written)
    assert set(tmp_path.iterdir()) - before == {run.root}, "something was written elsewhere"


@pytest.mark.parametrize(("name", "module"), [("wandb", "wandb"), ("mlflow", "mlflow"), ("mlflow", "sqlalchemy")])
def test_a_logger_that_is_not_installed_says_so(
    name: str, module: str, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in EXTRAS[name]:
        monkeypatch.setitem(sys.modules, one, None if one == module else sys)
    with pytest.raises(ConfigError, match=f"'{module}' is not installed") as caught:
        pt.train(tiny_data, out=tmp_path / "run", method="points", settings=TINY, logger=name)
    assert f"pointillist[{name}]" in caught.value.hint
    assert not (tmp_path / "run").exists()
