"""Going on from a model, in minutes, and stopping with a model that can be used."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from safetensors.torch import load_file

import pointillist as pt
from pointillist.data.layouts import load_dataset
from pointillist.errors import ConfigError, RunError
from pointillist.training import timing
from pointillist.training.config import make_config
from pointillist.training.live_model import Stop
from pointillist.training.methods import methods
from pointillist.training.metrics_table import read_metrics
from pointillist.training.run import fit
from pointillist.training.run_directory import RunDirectory
from pointillist.training.start import SLOWER, Start, read_history
from tests.conftest import TINY_FLAGS, Cli
from tests.training.test_run import StopAfter, same, tiny_config, weights


@pytest.fixture
def first(tiny_data: Path, tmp_path: Path) -> RunDirectory:
    return fit(tiny_config(trainer__seed=7), load_dataset(tiny_data), tmp_path / "first")


def go_on(data: Path, out: Path, first: RunDirectory, **how: Any) -> RunDirectory:
    start = Start.read(first.model)
    return fit(
        make_config(None, how.pop("settings", {}), base=start.settings), load_dataset(data), out, start=start, **how
    )


def add_clicks(data: Path) -> None:
    with (data / "points.csv").open("a") as file:
        file.write("tiny_0.png,60.5,3.5,ground\ntiny_1.png,3.5,44.5,ground\n")


def test_it_begins_with_the_weights_and_keeps_where_they_are_from(
    first: RunDirectory, tiny_data: Path, tmp_path: Path
) -> None:
    add_clicks(tiny_data)
    seen: list[dict[str, torch.Tensor]] = []

    class Look(L.Callback):
        def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
            seen.append({name: tensor.clone() for name, tensor in module.network.state_dict().items()})

    settings = {"trainer.epochs": 2}
    second = go_on(tiny_data, tmp_path / "second", first, callbacks=[Look()], settings=settings)
    assert same(seen[0], weights(first))
    assert not same(weights(second), weights(first))
    old, new = first.read()[0], second.read()[0]
    assert new.optimizer.lr == SLOWER * old.optimizer.lr
    assert (new.method, new.data, new.network, new.trainer.seed) == (old.method, old.data, old.network, 7)
    (came_from,) = read_history(second)
    model = json.loads((first.model / "model.json").read_text())
    assert came_from["sha256"] == model["sha256"]
    assert (came_from["name"], came_from["clicks"], came_from["begun"]) == ("first", 12, first.origin()["begun"])
    protocol = json.loads((second.model / "model.json").read_text())["protocol"]
    assert protocol["clicks"] == 14
    assert protocol["initialisation"] == f"model first, sha256 {model['sha256'][:12]}"

    # The third knows both; its rate is not lowered again. A model without its run serves as well.
    third = go_on(tiny_data, tmp_path / "third", second, settings={"trainer.epochs": 1})
    assert [one["name"] for one in read_history(third)] == ["first", "second"]
    assert third.read()[0].optimizer.lr == new.optimizer.lr
    first.model.rename(tmp_path / "alone")
    alone = pt.train(tiny_data, out=tmp_path / "fourth", init=tmp_path / "alone", epochs=1, device="cpu", size="48x64")
    assert read_history(alone)[0]["name"] == "alone"


@pytest.mark.parametrize("at", [1, 3])
def test_it_is_resumed_exactly_even_before_its_first_checkpoint(
    at: int, first: RunDirectory, tiny_data: Path, tmp_path: Path
) -> None:
    settings = {"trainer.epochs": 3}
    straight = go_on(tiny_data, tmp_path / "straight", first, settings=settings)
    with pytest.raises(RuntimeError, match="on purpose"):
        go_on(tiny_data, tmp_path / "stopped", first, settings=settings, callbacks=[StopAfter(at)])
    for file in first.model.iterdir():
        file.unlink()  # what it began with lies in the run
    stopped = RunDirectory(tmp_path / "stopped")
    config = make_config(stopped.config_file, resume=True)
    assert same(weights(straight), weights(fit(config, load_dataset(tiny_data), stopped.root, resume=True)))
    assert (straight.model / "model.json").read_text() == (stopped.model / "model.json").read_text()


def test_what_does_not_fit_is_refused_before_anything_is_written(
    first: RunDirectory, tiny_data: Path, tmp_path: Path, cli: Cli
) -> None:
    out = tmp_path / "out"
    for settings, field in (
        ({"network.options": {}}, "network.options"),
        ({"network.encoder": "resnet18"}, "network.encoder"),
        ({"network.weights": "x.pt"}, "network.weights"),
    ):
        with pytest.raises(ConfigError) as problem:
            go_on(tiny_data, out, first, settings=settings)
        assert problem.value.field == field
    with pytest.raises(RunError, match="go on from"):
        go_on(tiny_data, first.root, first, overwrite=True)
    with pytest.raises(ConfigError, match="resumed"):
        pt.train(tiny_data, out=first.root, init=first.root, resume=True)
    text = (tiny_data / "dataset.yaml").read_text()
    (tiny_data / "dataset.yaml").write_text(text.replace("disc", "plate"))
    (tiny_data / "points.csv").write_text((tiny_data / "points.csv").read_text().replace("disc", "plate"))
    refused = cli("train", tiny_data, "--from", first.root, "--out", out)
    assert refused.code == 2
    assert "'ground', 'square', 'disc'; the data have 'ground', 'square', 'plate'" in " ".join(refused.err.split())
    assert not out.exists()
    content = bytearray((first.model / "model.safetensors").read_bytes())
    content[-5] ^= 1
    (first.model / "model.safetensors").write_bytes(content)
    assert "not those the model was saved with" in cli("train", tiny_data, "--from", first.root, "--out", out).err


@pytest.mark.parametrize("method", [name for name, kind in methods().items() if kind.in_steps])
def test_minutes_are_epochs_that_were_timed(
    method: str, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is bit for bit the one with that number of epochs, so nothing of the timing is left."""
    monkeypatch.setattr(timing, "SECONDS", 0.0)
    timed = fit(
        tiny_config(method, trainer__epochs=None, trainer__minutes=0.02), load_dataset(tiny_data), tmp_path / "minutes"
    )
    trainer = timed.read()[0].trainer
    assert (trainer.minutes, trainer.epochs is not None) == (None, True)
    again = fit(tiny_config(method, trainer__epochs=trainer.epochs), load_dataset(tiny_data), tmp_path / "epochs")
    assert same(weights(timed), weights(again))
    assert read_metrics(timed)[-1]["epoch"] == str(trainer.epochs)


def test_two_lengths_are_refused() -> None:
    with pytest.raises(ConfigError, match="not in two of them"):
        tiny_config(trainer__minutes=2)
    with pytest.raises(ConfigError):
        tiny_config(trainer__epochs=None, trainer__minutes=0)


def test_a_stopped_training_leaves_its_present_weights_and_goes_on_exactly(tiny_data: Path, tmp_path: Path) -> None:
    data = load_dataset(tiny_data)
    straight = fit(tiny_config(trainer__epochs=4), data, tmp_path / "straight")
    stop, seen = Stop(), []
    run = RunDirectory(tmp_path / "stopped")

    class Ask(L.Callback):
        def on_train_batch_start(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
            if trainer.global_step == 4:
                assert json.loads((run.model / "model.json").read_text())["protocol"]["steps"] == 4
                asking = threading.Thread(target=lambda: seen.append(stop.ask(60)))
                asking.start()
                while not stop._asked.is_set():
                    pass

        def on_exception(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
            seen.append({name: tensor.clone() for name, tensor in module.network.state_dict().items()})

    with pytest.raises(KeyboardInterrupt):
        fit(tiny_config(trainer__epochs=4), data, run.root, callbacks=[Ask()], stop=stop)
    assert True in seen
    present = next(one for one in seen if isinstance(one, dict))
    assert same(load_file(run.model / "model.safetensors"), present)
    assert json.loads((run.model / "model.json").read_text())["protocol"]["steps"] == 5
    assert pt.Predictor(run.root).classes.names == ("ground", "square", "disc")
    resumed = fit(tiny_config(trainer__epochs=4), data, run.root, resume=True, stop=Stop())
    assert same(weights(straight), weights(resumed))
    assert not [path for path in run.root.iterdir() if path.name.startswith(".")]


def test_from_on_the_command_line(tiny_data: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("train", tiny_data, *TINY_FLAGS, "--out", tmp_path / "first").code == 0
    add_clicks(tiny_data)
    done = cli("train", tiny_data, "--from", tmp_path / "first", "--epochs", "1", "--out", tmp_path / "second")
    assert done.code == 0, done.err
    assert RunDirectory(tmp_path / "second").read()[1].clicks == 14
