"""What `--resume` makes of a checkpoint that is not what a training wrote."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pointillist.data.layouts import load_dataset
from pointillist.errors import PointillistWarning, RunError
from pointillist.training.callbacks import Checkpoint
from pointillist.training.checkpoint_file import NAME, newest_whole
from pointillist.training.config import make_config
from pointillist.training.metrics_table import read_metrics
from pointillist.training.module import TrainingModule
from pointillist.training.run import fit
from pointillist.training.run_directory import RunDirectory
from tests.training.test_run import StopAfter, same, state_of, tiny_config, weights


def stopped(data: Path, out: Path, **settings: Any) -> RunDirectory:
    """A run that was killed after three of its four steps."""
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(tiny_config(**settings), load_dataset(data), out, callbacks=[StopAfter(3)])
    run = RunDirectory(out)
    assert [state_of(path)["global_step"] for path in (run.checkpoint_before, run.checkpoint)] == [2, 3]
    return run


def signed(about: dict[str, str], body: bytes) -> bytes:
    """A checkpoint with a checksum that is right, from the description in the documentation alone."""
    rest = json.dumps(about).encode() + b"\n" + body
    return b"pointillist checkpoint 1 " + hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest


def parts(path: Path) -> tuple[dict[str, str], bytes]:
    _, about, body = path.read_bytes().split(b"\n", 2)
    return json.loads(about), body


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("executed",)


def test_damage_of_every_kind(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = stopped(tiny_data, tmp_path / "run")
    run.checkpoint_before.unlink()
    good = run.checkpoint.read_bytes()
    about, body = parts(run.checkpoint)
    assert signed(about, body) == good
    about_run = {key: value for key, value in about.items() if key != "pointillist"}

    buffer = io.BytesIO()
    torch.save({**state_of(run.checkpoint), "more": Bomb()}, buffer)
    foreign = state_of(run.checkpoint)
    foreign["state_dict"] = {"other": torch.zeros(1)}
    other_network = io.BytesIO()
    torch.save(foreign, other_network)

    def flipped(place: int) -> bytes:
        return good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]

    cases: list[tuple[bytes, str]] = [
        (b"", "is empty"),
        (good[:10], "does not begin as"),
        *((good[:end], "was cut off, or something") for end in (len(NAME), 100, len(good) // 2, len(good) - 1)),
        (flipped(len(good) // 2), "something in it has changed"),
        (good + b"x", "something in it has changed"),
        (flipped(3), "does not begin as"),
        (body, "earlier version, which kept no checksum"),
        (signed({**about, "pointillist": "0.0.1"}, body), "written by version 0.0.1"),
        (signed({**about, "config.yaml": "0"}, body), "belongs to another training: other config.yaml"),
        (signed({**about, "optimizer": "SGD of 12+3"}, body), "belongs to another training: other optimizer"),
        (signed({}, body), "written by version None"),
        (signed([1], body), "does not say what it belongs to"),  # type: ignore[arg-type]
        (signed(about, buffer.getvalue()), "holds no state of a training"),
        (signed(about, pickle.dumps(Bomb())), "holds no state of a training"),
        (signed(about, b"PK"), "holds no state of a training"),
        (signed(about, other_network.getvalue()), "does not fit this training"),
    ]
    data = load_dataset(tiny_data)
    for content, found in cases:
        run.checkpoint.write_bytes(content)
        with pytest.raises(RunError, match=found) as caught:
            if content.startswith(NAME) and "training" in found:
                fit(tiny_config(), data, run.root, resume=True)
            else:  # the same, without what comes before
                newest_whole(run.checkpoint, run.checkpoint_before, about_run)
        assert "--overwrite" in caught.value.hint
        assert caught.value.where == str(run.checkpoint)
    assert not (tmp_path / "executed").exists()
    assert not run.model.exists()

    for place in range(0, len(good), len(good) // 200):
        run.checkpoint.write_bytes(flipped(place))
        with pytest.raises(RunError):
            newest_whole(run.checkpoint, run.checkpoint_before, about_run)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_pipe_is_not_waited_for(tiny_data: Path, tmp_path: Path) -> None:
    run = stopped(tiny_data, tmp_path / "run")
    run.checkpoint.unlink()
    os.mkfifo(run.checkpoint)
    with pytest.raises(RunError, match="a pipe or a device"):
        fit(tiny_config(), load_dataset(tiny_data), run.root, resume=True)


@pytest.mark.parametrize("damage", ["flip", "empty", "missing"])
def test_the_one_before_leads_to_the_same_weights(damage: str, tiny_data: Path, tmp_path: Path) -> None:
    straight = fit(tiny_config(), load_dataset(tiny_data), tmp_path / "straight")
    run = stopped(tiny_data, tmp_path / "run")
    if damage == "missing":  # killed between two renamings
        run.checkpoint.unlink()
        fit(tiny_config(), load_dataset(tiny_data), run.root, resume=True)
    else:
        content = bytearray(run.checkpoint.read_bytes())
        content[len(content) // 2] ^= 64
        run.checkpoint.write_bytes(content if damage == "flip" else b"")
        with pytest.warns(PointillistWarning, match="goes on from before.ckpt"):
            fit(tiny_config(), load_dataset(tiny_data), run.root, resume=True)
    assert same(weights(straight), weights(run))


def test_settings_that_changed_on_the_disk(tiny_data: Path, tmp_path: Path) -> None:
    """`--resume` alone takes them from there."""
    run = stopped(tiny_data, tmp_path / "run")
    run.config_file.write_text(run.config_file.read_text().replace("weight_decay: 0.01", "weight_decay: 0.03"))
    config = make_config(run.config_file, resume=True)
    with pytest.raises(RunError, match=r"other config\.yaml"):
        fit(config, load_dataset(tiny_data), run.root, resume=True)


def test_code_with_another_optimiser(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SGD takes AdamW's state without a word, and then learns something else."""
    run = stopped(tiny_data, tmp_path / "run")
    original = TrainingModule.configure_optimizers

    def other(module: TrainingModule) -> Any:
        chosen = original(module)
        groups = [{"params": group["params"]} for group in chosen["optimizer"].param_groups]
        optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)}

    monkeypatch.setattr(TrainingModule, "configure_optimizers", other)
    with pytest.raises(RunError, match="other optimizer"):
        fit(tiny_config(), load_dataset(tiny_data), run.root, resume=True)


def test_what_does_not_come_back_from_the_disk_replaces_nothing(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = torch.save

    def lying(content: Any, stream: io.BytesIO) -> None:
        original(content, stream)
        if content["global_step"] == 3:
            opened = Path.open

            def open_and_drop(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
                if mode == "rb" and path.name == "last.ckpt":
                    with opened(path, "r+b") as file:
                        file.truncate(1000)
                return opened(path, mode, *rest, **more)

            monkeypatch.setattr(Path, "open", open_and_drop)

    monkeypatch.setattr(torch, "save", lying)
    with pytest.raises(RunError, match="cut off"):
        fit(tiny_config(), load_dataset(tiny_data), tmp_path / "run")
    monkeypatch.undo()
    assert state_of(RunDirectory(tmp_path / "run").checkpoint)["global_step"] == 2


def test_a_checkpoint_of_an_epoch_comes_after_its_line_of_metrics(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed right after the last checkpoint, nothing of the epoch is missing when the run goes on."""
    run, save = RunDirectory(tmp_path / "run"), Checkpoint._save

    def save_and_die(self: Checkpoint, trainer: Any) -> None:
        save(self, trainer)
        if trainer.global_step == 4:
            raise RuntimeError("on purpose")

    monkeypatch.setattr(Checkpoint, "_save", save_and_die)
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(tiny_config(), load_dataset(tiny_data), run.root)
    monkeypatch.undo()
    fit(tiny_config(), load_dataset(tiny_data), run.root, resume=True)
    assert [row["epoch"] for row in read_metrics(run)] == ["1", "2"]
