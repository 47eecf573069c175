"""Whole trainings with a tiny network: what a run directory guarantees."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from safetensors.torch import load_file

from pointillist.data import pieces
from pointillist.data.layouts import load_dataset
from pointillist.errors import DatasetError, PointsError, RunError, SaveError
from pointillist.training.config import Config, make_config
from pointillist.training.inputs import training_items
from pointillist.training.methods import get_method, methods
from pointillist.training.metrics_table import COLUMNS, read_metrics
from pointillist.training.model_folder import load_model
from pointillist.training.run import fit, label_warnings
from pointillist.training.run_directory import RunDirectory
from tests.conftest import TINY, TINY_FLAGS, Cli

POINT_METHODS = tuple(name for name, method in methods().items() if method.supervision == "points")


def tiny_config(method: str = "single-stage", **changes: Any) -> Config:
    own = get_method(method).Options().network() is not None
    tiny = {name: value for name, value in TINY.items() if not (own and name.startswith("network."))}
    return make_config(None, {**tiny, "method": method, **{k.replace("__", "."): v for k, v in changes.items()}})


def weights(run: RunDirectory) -> dict[str, torch.Tensor]:
    return load_file(run.model / "model.safetensors")


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def state_of(path: Path) -> dict[str, Any]:
    """What is in a checkpoint, read by torch alone."""
    return torch.load(io.BytesIO(path.read_bytes().split(b"\n", 2)[2]), weights_only=True)


WITHOUT_CLASSIFIER = ("--set", "method.pseudo_mask.evidence=null")
"""For trainings in processes of their own, of which it takes most."""

BY_STEPS = {"trainer__checkpoint_seconds": 1e6, "trainer__checkpoint_steps": 3}


class StopAfter(L.Callback):
    """Raises at the end of a batch, like a crash."""

    def __init__(self, steps: int, error: type[BaseException] = RuntimeError) -> None:
        self.steps = steps
        self.error = error

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == self.steps:
            raise self.error("stopped on purpose")


def test_a_run_leaves_what_it_promises(tiny_data: Path, tmp_path: Path) -> None:
    run = fit(tiny_config(), load_dataset(tiny_data), tmp_path / "run")
    config, record = run.read()
    assert config == tiny_config()
    assert (record.images, record.clicks, record.split) == (4, 12, "train")
    rows = read_metrics(run)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert rows[-1]["val_miou"]
    assert float(rows[-1]["coverage"]) > 0
    assert 0 <= float(rows[-1]["precision"]) <= 1
    assert run.checkpoint.is_file()
    assert any((run.root / "tensorboard").iterdir())
    model = load_model(run.model)
    assert model.class_prior is not None
    assert len(model.class_prior) == len(model.classes)
    assert min(model.class_prior) > 0
    assert model.classes.names == ("ground", "square", "disc")
    assert model.protocol["clicks"] == 12


@pytest.mark.parametrize("method", POINT_METHODS)
def test_no_mask_leaks(method: str, tiny_data: Path, tmp_path: Path) -> None:
    """Without the training masks every method that learns from points ends with the same weights, bit for bit."""
    with_masks = fit(tiny_config(method), load_dataset(tiny_data), tmp_path / "with")
    for name in (tiny_data / "splits" / "train.txt").read_text().split():
        (tiny_data / "masks" / name).unlink()
    without = fit(tiny_config(method), load_dataset(tiny_data), tmp_path / "without")
    assert same(weights(with_masks), weights(without))
    # The comparison could not fail if nothing were learnt.
    other_seed = fit(tiny_config(method, trainer__seed=1), load_dataset(tiny_data), tmp_path / "other")
    assert not same(weights(with_masks), weights(other_seed))


@pytest.mark.parametrize(
    ("method", "settings", "at", "saved"),
    [
        ("single-stage", {}, 1, 1),
        *(("single-stage", {}, at, saved) for at, saved in ((3, 3), (4, 3), (5, 5))),
        ("single-stage", {"trainer__batch_size": 1, **BY_STEPS}, 8, 6),
        *(("single-stage", {"data__workers": 2, "trainer__validations": 0}, at, 3) for at in (3, 4)),
        ("dmpls", {}, 3, 3),  # draws numbers of its own
    ],
)
def test_resumed_equals_uninterrupted(
    method: str, settings: dict[str, Any], at: int, saved: int, tiny_data: Path, tmp_path: Path
) -> None:
    """Within epochs of two steps, or of four, and at their ends."""
    config = tiny_config(method, trainer__epochs=4, **settings)
    data = load_dataset(tiny_data)
    straight = fit(config, data, tmp_path / "straight")
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(config, data, tmp_path / "stopped", callbacks=[StopAfter(at)])
    assert state_of(RunDirectory(tmp_path / "stopped").checkpoint)["global_step"] == saved
    resumed = fit(config, data, tmp_path / "stopped", resume=True)
    assert same(weights(straight), weights(resumed))
    columns = ("epoch", "step", "loss", "coverage", "lr")
    tables = [[[row[c] for c in columns] for row in read_metrics(run)] for run in (straight, resumed)]
    assert tables[0] == tables[1]


def test_ctrl_c_before_the_first_checkpoint_begins_anew(tiny_data: Path, tmp_path: Path) -> None:
    data = load_dataset(tiny_data)
    straight = fit(tiny_config(), data, tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_config(), data, tmp_path / "stopped", callbacks=[StopAfter(1, KeyboardInterrupt)])
    resumed = fit(tiny_config(), data, tmp_path / "stopped", resume=True)
    assert same(weights(straight), weights(resumed))


def test_workers_do_not_change_the_result(tiny_data: Path, tmp_path: Path) -> None:
    data = load_dataset(tiny_data)
    runs = [fit(tiny_config(data__workers=n), data, tmp_path / str(n)) for n in (0, 2)]
    assert same(*(weights(run) for run in runs))


@pytest.mark.parametrize("method", ["single-stage", "full"])
def test_pieces_of_large_images_train_resume_and_are_shared(
    method: str, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LARGEST", 40)
    settings = {"data__size": "native", "data__window": "16", "data__zoom": [1.0, 1.0]}
    data, config = load_dataset(tiny_data), tiny_config(method, **settings)
    seen: list[int] = []

    class Look(L.Callback):
        def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
            loader: Any = trainer.train_dataloader
            seen.append(len(loader.dataset))

    straight = fit(config, data, tmp_path / "straight", callbacks=[Look()])
    assert seen == [24]  # four images in six pieces each
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(config, data, tmp_path / "stopped", callbacks=[StopAfter(7)])
    assert same(weights(straight), weights(fit(config, data, tmp_path / "stopped", resume=True)))
    for name, changes in (
        ("workers", {"data__workers": 2}),
        ("disk", {"data__cache_mb": 0, "data__cache_disk_mb": 1, "data__workers": 2}),
        ("nothing kept", {"data__cache_mb": 0, "data__cache_disk_mb": 0}),
    ):
        other = fit(tiny_config(method, **settings, **changes), data, tmp_path / name)
        assert same(weights(straight), weights(other)), name


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "pointillist", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def stop_after_a_checkpoint(arguments: list[str | Path], run: RunDirectory, how: signal.Signals) -> tuple[int, str]:
    """Run a training until it has written a checkpoint, then stop it; gives exit code and output."""
    before = run.checkpoint.stat().st_mtime_ns if run.checkpoint.is_file() else 0
    process = subprocess.Popen(command(*arguments), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if run.checkpoint.is_file() and run.checkpoint.stat().st_mtime_ns > before:
            break
        time.sleep(0.01)
    process.send_signal(how)
    output = process.communicate(timeout=60)[0].decode()
    assert not (run.model / "model.json").exists(), "it finished before it was stopped"
    return process.returncode, output


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_killed_interrupted_and_resumed_equals_uninterrupted(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    long = [
        *TINY_FLAGS,
        *WITHOUT_CLASSIFIER,
        "--epochs",
        "12",
        "--set",
        "trainer.threads=1",
        "--set",
        "trainer.snapshots=0",
    ]
    train = ["train", tiny_data, "--method", "single-stage", *long]
    run = RunDirectory(tmp_path / "stopped")
    resume = ["train", "--resume", "--out", run.root]
    assert stop_after_a_checkpoint([*train, "--out", run.root], run, signal.SIGKILL)[0] == -9
    code, output = stop_after_a_checkpoint(resume, run, signal.SIGINT)
    assert code == 130, output
    assert "continue with: pointillist train --resume" in output
    assert "Traceback" not in output
    for arguments in (resume, [*train, "--out", tmp_path / "straight"]):
        assert cli(*arguments).code == 0
    assert same(weights(run), weights(RunDirectory(tmp_path / "straight")))


@pytest.mark.slow
def test_two_processes_equal_one(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    flags = [*TINY_FLAGS, *WITHOUT_CLASSIFIER, "--lr", "1e-4", "--set", "trainer.threads=1"]
    assert cli("train", tiny_data, *flags, "--out", tmp_path / "1").code == 0
    two = command("train", tiny_data, *flags, "--out", tmp_path / "2", "--devices", "2")
    done = subprocess.run(two, env=environment(), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    one, two = (weights(RunDirectory(tmp_path / name)) for name in ("1", "2"))
    apart = torch.cat([(one[name] - two[name]).abs().flatten() for name in one])
    # Four steps move a weight by about 4e-4. A few have no gradient but rounding errors, which AdamW makes full steps.
    assert float(apart.sort().values[int(0.999 * len(apart))]) < 4e-6
    tables = [read_metrics(RunDirectory(tmp_path / name)) for name in ("1", "2")]
    for first, second in zip(*tables, strict=True):
        assert float(first["loss"]) == pytest.approx(float(second["loss"]), rel=1e-4)
        assert first["val_miou"] == second["val_miou"]


class TestRefusals:
    def test_a_taken_directory(self, tiny_data: Path, tmp_path: Path) -> None:
        data = load_dataset(tiny_data)
        run = fit(tiny_config(), data, tmp_path / "run")
        before = weights(run)
        with pytest.raises(RunError, match="holds a run already"):
            fit(tiny_config(), data, tmp_path / "run")
        assert same(before, weights(run))
        fit(tiny_config(trainer__seed=5), data, tmp_path / "run", overwrite=True)
        assert not same(before, weights(run))

    def test_a_directory_that_is_no_run_is_never_emptied(self, tiny_data: Path, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "precious.txt").write_text("x")
        with pytest.raises(RunError, match="is no run"):
            fit(tiny_config(), load_dataset(tiny_data), tmp_path / "photos", overwrite=True)
        assert (tmp_path / "photos" / "precious.txt").read_text() == "x"

    def test_a_run_that_was_stopped_before_it_had_settings_begins_anew(self, tiny_data: Path, tmp_path: Path) -> None:
        left = tmp_path / "run" / ".config.yaml.x1y2z3_4" / "config.yaml"
        left.parent.mkdir(parents=True)
        left.write_text("half")
        (tmp_path / "run" / "precious.txt").write_text("x")
        with pytest.raises(RunError, match="is no run"):
            fit(tiny_config(), load_dataset(tiny_data), tmp_path / "run")
        assert left.read_text() == "half"
        (tmp_path / "run" / "precious.txt").unlink()
        run = fit(tiny_config(), load_dataset(tiny_data), tmp_path / "run")
        assert run.config_file.is_file()
        assert not left.parent.exists()

    def test_resuming_with_other_clicks_or_settings(self, tiny_data: Path, tmp_path: Path) -> None:
        fit(tiny_config(), load_dataset(tiny_data), tmp_path / "run")
        with pytest.raises(RunError, match=r"differ from the run's: trainer\.seed"):
            fit(tiny_config(trainer__seed=9), load_dataset(tiny_data), tmp_path / "run", resume=True)
        text = (tiny_data / "points.csv").read_text().splitlines()
        (tiny_data / "points.csv").write_text("\n".join(text[:-9]) + "\n")
        with pytest.raises(RunError, match="have changed"):
            fit(tiny_config(), load_dataset(tiny_data), tmp_path / "run", resume=True)

    def test_resuming_nothing(self, tiny_data: Path, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="no run directory"):
            fit(tiny_config(), load_dataset(tiny_data), tmp_path / "run", resume=True)

    def test_a_run_of_a_newer_version(self, tiny_data: Path, tmp_path: Path) -> None:
        run = fit(tiny_config(), load_dataset(tiny_data), tmp_path / "run")
        text = run.config_file.read_text()
        run.config_file.write_text(text.replace("format: 3", "format: 99"))
        with pytest.raises(RunError, match="has format 99"):
            run.read()

    @pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
    def test_a_damaged_model(self, damage: str, tiny_data: Path, tmp_path: Path) -> None:
        run = fit(tiny_config("points", trainer__epochs=1), load_dataset(tiny_data), tmp_path / "run")
        file = run.model / "model.safetensors"
        content = bytearray(file.read_bytes())
        if damage == "flip":
            content[-5] ^= 1
            file.write_bytes(content)
        elif damage == "truncate":
            file.write_bytes(content[:-100])
        else:
            file.unlink()
        with pytest.raises(RunError, match="not those the model was saved with"):
            load_model(run.model)

    def test_a_model_file_with_another_value(self, tiny_data: Path, tmp_path: Path) -> None:
        run = fit(tiny_config("points", trainer__epochs=1), load_dataset(tiny_data), tmp_path / "run")
        file = run.model / "model.json"
        original = file.read_text()
        for old, new in (('"disc"', '"dish"'), ('"seed": 0', '"seed": 1'), ('"format": 3', '"format": 2')):
            assert old in original
            file.write_text(original.replace(old, new))
            with pytest.raises(RunError, match="something in it has changed"):
                load_model(run.model)
        file.write_text(json.dumps(json.loads(original)))  # the same values
        load_model(run.model)

    def test_no_points_and_no_masks(self, tiny_data: Path) -> None:
        (tiny_data / "points.csv").write_text("image,x,y,class\n")
        shutil.rmtree(tiny_data / "masks")
        data = load_dataset(tiny_data)
        with pytest.raises(PointsError, match="there are no points"):
            training_items(data, "points")
        with pytest.raises(DatasetError, match="has a mask"):
            training_items(data, "masks")


class TestFailingSaves:
    def test_a_checkpoint_that_cannot_be_written(self, tiny_data: Path, tmp_path: Path) -> None:
        class Block(L.Callback):
            def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
                (tmp_path / "run" / "checkpoints").write_text("a file where the folder should be")

        with pytest.raises(SaveError, match="could not be made"):
            fit(tiny_config(), load_dataset(tiny_data), tmp_path / "run", callbacks=[Block()])

    def test_a_save_that_is_swallowed(self, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(L.Trainer, "save_checkpoint", lambda *_, **__: None)
        with pytest.raises(SaveError, match="came out empty"):
            fit(tiny_config(), load_dataset(tiny_data), tmp_path / "run")

    def test_weights_that_cannot_be_written(
        self, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original = Path.write_bytes

        def full(path: Path, content: bytes) -> int:
            if path.name == "model.safetensors":
                raise OSError(28, "No space left on device")
            return original(path, content)

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(SaveError, match="No space left"):
            fit(tiny_config(), load_dataset(tiny_data), tmp_path / "run")
        monkeypatch.undo()
        assert fit(tiny_config(), load_dataset(tiny_data), tmp_path / "run", resume=True).model.is_dir()

    def test_a_full_disk_keeps_the_checkpoint_before(
        self, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = RunDirectory(tmp_path / "run")
        original = L.Trainer.save_checkpoint

        def full(trainer: L.Trainer, path: Path, **rest: Any) -> None:
            if trainer.current_epoch >= 1:
                Path(path).write_bytes(b"half")
                raise OSError(28, "No space left on device")
            original(trainer, path, **rest)

        monkeypatch.setattr(L.Trainer, "save_checkpoint", full)
        with pytest.raises(SaveError, match="No space left"):
            fit(tiny_config(), load_dataset(tiny_data), run.root)
        assert state_of(run.checkpoint)["global_step"] == 2
        assert {path.name for path in run.checkpoint.parent.iterdir()} == {"before.ckpt", "last.ckpt"}


def test_a_loss_that_explodes_is_a_named_error(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exploding = lambda logits, *_: logits.sum() * float("nan")  # noqa: E731
    monkeypatch.setattr("pointillist.training.methods.base.sparse_cross_entropy", exploding)
    with pytest.raises(RunError, match="loss became nan"):
        fit(tiny_config("points"), load_dataset(tiny_data), tmp_path / "run")


def test_warnings_name_what_is_missing(tiny_data: Path) -> None:
    lines = (tiny_data / "points.csv").read_text().splitlines()
    kept = [line for line in lines if not line.endswith(",disc") and "tiny_0.png" not in line]
    kept = [line for line in kept if not (line.startswith("tiny_1.png") and line.endswith(",ground"))]
    (tiny_data / "points.csv").write_text("\n".join(kept) + "\n")
    data = load_dataset(tiny_data)
    text = "\n".join(label_warnings(data, training_items(data, "points"), "points"))
    assert "1 of 4 training images have no label" in text
    assert "1 images have no click on the background 'ground'" in text
    assert "never clicked, so never predicted: disc" in text


def test_metrics_columns_are_complete() -> None:
    assert set(COLUMNS) >= {"epoch", "step", "loss", "coverage", "precision", "val_miou"}
