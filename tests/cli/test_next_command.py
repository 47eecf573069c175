"""Who is stuck is told the next command, and it works."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

from pointillist.data.layouts import open_dataset
from pointillist.data.next_command import to_get_clicks
from tests.conftest import TINY_FLAGS, Cli


def commands(text: str) -> list[list[str]]:
    """The commands that a message names, without `pointillist`."""
    found = re.findall(r"pointillist ((?:'[^']*'|[^'\n])+?)(?:\. |\n|$|' to make)", text)
    return [shlex.split(one) for one in found]


@pytest.fixture
def no_clicks(tiny_data: Path) -> Path:
    """With masks; its path has a space."""
    (tiny_data / "points.csv").unlink()
    return tiny_data.rename(tiny_data.with_name("my berries"))


@pytest.mark.parametrize("words", [["train"], ["points", "check"]], ids=" ".join)
def test_without_clicks_the_commands_that_are_named_work(
    words: list[str], cli: Cli, no_clicks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(no_clicks.parent)
    done = cli(*words, no_clicks)
    assert done.code == 2
    click, simulate = commands(done.err)
    assert click == ["annotate", str(no_clicks)]
    assert simulate[:2] == ["points", "simulate"]
    assert cli(*simulate).code == 0
    assert cli(*words, no_clicks, *TINY_FLAGS * (words == ["train"])).code == 0


@pytest.mark.parametrize("words", [["info"], ["data", "check"]], ids=" ".join)
def test_who_looks_at_data_without_clicks_is_told_the_same(words: list[str], cli: Cli, no_clicks: Path) -> None:
    done = cli(*words, no_clicks)
    assert done.code == 0
    assert to_get_clicks(open_dataset(no_clicks)) in " ".join(done.out.split())


def test_a_file_that_is_there_without_clicks_is_replaced_on_purpose(cli: Cli, no_clicks: Path) -> None:
    (no_clicks / "points.csv").write_text("image,x,y,class\n")
    simulate = commands(cli("train", no_clicks).err)[1]
    assert simulate[-1] == "--overwrite"
    assert cli(*simulate).code == 0


def test_without_masks_nobody_is_sent_to_draw_from_them(cli: Cli, no_clicks: Path) -> None:
    shutil.rmtree(no_clicks / "masks")
    done = cli("train", no_clicks)
    assert commands(done.err) == [["annotate", str(no_clicks)]]
    done = cli("points", "simulate", no_clicks, "--out", no_clicks / "points.csv")
    assert (done.code, commands(done.err)) == (2, [["annotate", str(no_clicks)]])


def test_with_clicks_training_comes_next(cli: Cli, tiny_data: Path) -> None:
    assert cli("info", tiny_data).out.split()[-4:] == ["next", "pointillist", "train", str(tiny_data)]


def test_a_folder_of_photographs_becomes_a_data_set_by_what_is_said(cli: Cli, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    done = cli("train", tmp_path)
    assert f"Put the images into {tmp_path / 'images'}." in done.err
    assert ["init", str(tmp_path), "--classes", "background,…"] in commands(done.err)
    assert "put the images there" in cli("init", tmp_path, "--classes", "soil,berry").err
    (tmp_path / "images").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "images" / "a.png")
    assert "Put the images" not in cli("train", tmp_path).err
    done = cli("init", tmp_path, "--classes", "soil,berry")
    assert (done.code, commands(done.out)) == (0, [["annotate", str(tmp_path)], ["train", str(tmp_path)]])


def test_who_names_the_images_is_told_the_data_set(cli: Cli, tiny_data: Path) -> None:
    done = cli("train", tiny_data / "images")
    assert (done.code, f"'{tiny_data}'" in done.err) == (2, True)


@pytest.mark.parametrize("words", [["predict", "RUN", "photos", "--out", "out"], ["evaluate", "RUN", "photos"]])
def test_without_a_model_the_command_that_makes_one_is_named(words: list[str], cli: Cli, tmp_path: Path) -> None:
    run = tmp_path / "run"
    named = [str(run) if word == "RUN" else word for word in words]
    assert commands(cli(*named).err) == [["train", "DATA", "--out", "RUN"]]
    run.mkdir()
    assert commands(cli(*named).err) == [["train", "DATA", "--out", "RUN"]]
    (run / "config.yaml").write_text("")
    assert commands(cli(*named).err) == [["train", "--resume", "--out", str(run)]]
