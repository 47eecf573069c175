"""The main job through the real commands, and every way a user can get it wrong."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pointillist.data.layouts import load_dataset
from pointillist.data.simulated import simulate_dataset
from pointillist.points.protocols import PROTOCOLS, draw_options
from pointillist.points.table import PointTable
from tests.conftest import TINY_FLAGS, Cli, write_tiny


def test_from_a_folder_of_images_to_predictions(cli: Cli, tmp_path: Path) -> None:
    """init, clicks, train, evaluate, predict, info: what a new user does."""
    data = write_tiny(tmp_path / "berries")
    (data / "dataset.yaml").unlink()
    clicks = (data / "points.csv").read_text()
    (data / "points.csv").unlink()
    (data / "images/raw.psd").write_bytes(b"8BPS")
    (data / "images/@eaDir").mkdir()
    told = "6 images; 1 file and 1 folder left out: 1 .psd, 1 thumbnail folder"
    done = cli("init", data, "--classes", "ground, square,disc")
    assert done.code == 0
    assert "points.csv" in done.out
    assert done.out.splitlines()[-1] == told
    assert yaml.safe_load((data / "dataset.yaml").read_text())["classes"][1]["name"] == "square"
    (data / "points.csv").write_text(clicks)

    run = tmp_path / "run"
    done = cli("train", data, "--out", run, *TINY_FLAGS)
    assert done.code == 0, done.err
    assert "epoch 2/2" in done.out
    assert done.out.splitlines()[-1] == told
    for name in ("config.yaml", "metrics.csv", "checkpoints/last.ckpt", "model/model.safetensors", "report.html"):
        assert (run / name).is_file(), name
    assert any((run / "snapshots").iterdir())

    done = cli("evaluate", run, data, "--json", tmp_path / "scores.json")
    assert done.code == 0
    assert "mIoU" in done.out
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert {"dataset", "method", "seed", "miou", "per_class", "protocol"} <= set(scores)
    assert scores["dataset"] == "berries"

    done = cli("data", "check", data, "--json", tmp_path / "report.json")
    assert told in done.out.splitlines()
    assert json.loads((tmp_path / "report.json").read_text())["left_out"]["names"][".psd"] == ["raw.psd"]

    done = cli("predict", run, data / "images", "--out", tmp_path / "predictions", "--uncertainty")
    assert done.code == 0
    assert done.out.splitlines()[-1] == told
    assert len(list((tmp_path / "predictions").glob("*_uncertainty.png"))) == 6
    assert "finished" in cli("info", run).out
    assert "with clicks" in cli("info", data).out
    assert "single-stage" in cli("info").out


def test_simulated_points_lie_on_their_classes(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "clicks.csv"
    done = cli("points", "simulate", tiny_data, "--out", out, "--seed", "3", "--split", "train")
    assert done.code == 0, done.err
    with out.open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) >= 12
    names = ["ground", "square", "disc"]
    for row in rows:
        mask = np.asarray(Image.open(tiny_data / "masks" / row["image"]))
        assert names[mask[int(float(row["y"])), int(float(row["x"]))]] == row["class"]
    assert cli("points", "simulate", tiny_data, "--out", out).code == 2
    again = tmp_path / "again.csv"
    cli("points", "simulate", tiny_data, "--out", again, "--seed", "3", "--split", "train")
    assert again.read_bytes() == out.read_bytes()


def test_click_protocols_of_points_simulate(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    def drawn(*flags: str) -> tuple[str, PointTable]:
        done = cli("points", "simulate", tiny_data, "--out", tmp_path / "out.csv", "--overwrite", "--seed", "3", *flags)
        assert done.code == 0, done.err
        return done.out, load_dataset(tiny_data, points=tmp_path / "out.csv").points

    data = load_dataset(tiny_data)
    for name in PROTOCOLS:
        out, table = drawn("--protocol", name)
        assert f"protocol {name}, seed 3" in out
        assert table == simulate_dataset(data, seed=3, **draw_options(name)[0])
    assert drawn("--protocol", "components")[1] == simulate_dataset(data, seed=3)
    assert drawn()[1] == drawn("--protocol", "seen")[1]
    out, table = drawn("--protocol", "craid", "--no-equal-background", "--min-area", "50")
    assert "protocol craid with min_area 50, equal_background False" in out
    assert table == simulate_dataset(data, seed=3)
    wrong = cli("points", "simulate", tiny_data, "--out", tmp_path / "no.csv", "--protocol", "uniform")
    assert wrong.code == 2
    assert "placement" in wrong.err
    assert not (tmp_path / "no.csv").exists()
    helped = cli("points", "simulate", "--help").out
    assert all(f"{name}: " in helped for name in PROTOCOLS)


@pytest.mark.parametrize("method", ["full", "points"])
def test_other_methods_and_other_points(method: str, cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    cli("points", "simulate", tiny_data, "--out", other)
    done = cli("train", tiny_data, "--method", method, "--points", other, "--out", tmp_path / "run", *TINY_FLAGS)
    assert done.code == 0, done.err
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["method"]["name"] == method


def test_a_dataset_yaml_elsewhere(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    content = yaml.safe_load((tiny_data / "dataset.yaml").read_text())
    places = {"images": "images", "points": "points.csv", "masks": "masks", "splits": "splits"}
    content["paths"] = {name: str(tiny_data / file) for name, file in places.items()}
    (tiny_data / "dataset.yaml").unlink()
    file = tmp_path / "elsewhere" / "tiny.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump(content))
    assert cli("train", file, "--out", tmp_path / "run", *TINY_FLAGS).code == 0


def test_resume_of_a_finished_run_changes_nothing(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    cli("train", tiny_data, "--out", run, *TINY_FLAGS)
    before = (run / "model" / "model.safetensors").read_bytes()
    assert cli("train", "--resume", "--out", run).code == 0
    assert (run / "model" / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("kind", ["exif", "grey", "grey16", "rgba", "palette"])
def test_images_of_every_kind_train_and_predict(kind: str, cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    for path in (tiny_data / "images").iterdir():
        with Image.open(path) as image:
            picture = image.convert("RGB")
        if kind == "exif":
            exif = Image.Exif()
            exif[0x0112] = 6
            picture.rotate(90, expand=True).save(path, exif=exif)
        elif kind == "grey16":
            Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257).save(path)
        else:
            picture.convert({"grey": "L", "rgba": "RGBA", "palette": "P"}[kind]).save(path)
    done = cli("train", tiny_data, "--out", tmp_path / "run", *TINY_FLAGS)
    assert done.code == 0, done.err
    assert cli("predict", tmp_path / "run", tiny_data / "images", "--out", tmp_path / "out").code == 0
    with Image.open(tmp_path / "out" / "tiny_0.png") as labels:
        assert labels.size == (64, 48)


# --- what goes wrong ------------------------------------------------------------------------------------------------


def remove(name: str) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        path = data / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def empty(name: str) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        for path in (data / name).iterdir():
            path.unlink()

    return change


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        text = (data / name).read_text()
        assert old in text
        (data / name).write_text(text.replace(old, new, 1))

    return change


def truncate_image(data: Path) -> None:
    path = data / "images" / "tiny_0.png"
    path.write_bytes(path.read_bytes()[:2000])


def resize_mask(data: Path) -> None:
    Image.new("L", (10, 10)).save(data / "masks" / "tiny_1.png")


def unlisted_value(data: Path) -> None:
    Image.new("L", (64, 48), 9).save(data / "masks" / "tiny_1.png")


def wrong_case(data: Path) -> None:
    (data / "images" / "tiny_0.png").rename(data / "images" / "Tiny_0.png")
    edit("splits/train.txt", "tiny_0.png", "Tiny_0.png")(data)
    (data / "masks" / "tiny_0.png").rename(data / "masks" / "Tiny_0.png")


def wrong_extension(data: Path) -> None:
    edit("points.csv", "tiny_0.png", "tiny_0.jpg")(data)


def no_points(data: Path) -> None:
    (data / "points.csv").write_text("image,x,y,class\n")


BAD = {
    "missing folder": (remove("."), "there is no such folder", "Check the path"),
    "no images folder": (remove("images"), "there is no such folder", "images"),
    "empty images folder": (empty("images"), "holds no images", "images"),
    "truncated image": (truncate_image, "is no readable image", "tiny_0.png"),
    "mask of another size": (resize_mask, "but its image is 64×48", "tiny_1.png"),
    "unlisted mask value": (unlisted_value, "value 9 on 3,072 pixels", "tiny_1.png"),
    "class not listed": (edit("points.csv", ",disc", ",dics"), "'dics' is not a class", "Did you mean 'disc'?"),
    "point outside": (edit("points.csv", "\n", "\ntiny_0.png,64.0,3,disc\n"), "lies outside 'tiny_0.png'", "line 2"),
    "NaN coordinate": (edit("points.csv", "\n", "\ntiny_0.png,nan,3,disc\n"), "no finite number", "field 'x'"),
    "no header": (edit("points.csv", "image,x,y,class\n", ""), "there is no header line", "image,x,y,class"),
    "another case": (wrong_case, "there is no image 'tiny_0.png'", "The image is called 'Tiny_0.png'"),
    "another extension": (wrong_extension, "there is no image 'tiny_0.jpg'", "The image is called 'tiny_0.png'"),
    "no points": (no_points, "there are no points", "Click some"),
    "no points file": (remove("points.csv"), "there are no points", "Click some"),
    "no dataset.yaml": (remove("dataset.yaml"), "is no data set", "pointillist init"),
    "unknown key": (edit("dataset.yaml", "masks:", "maskes:"), "no such setting", "Did you mean 'masks'?"),
    "broken YAML": (edit("dataset.yaml", "classes:", "classes: ["), "is not valid YAML", "line"),
    "wrong split": (edit("splits/train.txt", "tiny_0.png", "tiny_9.png"), "there is no image 'tiny_9.png'", "line 1"),
    "one class": (
        lambda data: (data / "dataset.yaml").write_text("classes: [ground]\n"),
        "a segmentation needs at least two",
        "classes",
    ),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_data_is_one_clear_message(case: str, cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    change, found, more = BAD[case]
    change(tiny_data)
    out = tmp_path / "run"
    done = cli("train", tiny_data, "--method", "full" if "mask" in case else "single-stage", "--out", out, *TINY_FLAGS)
    assert done.code == 2, done.err
    assert found in done.err
    assert more in done.err
    assert "hint" in done.err
    assert "Traceback" not in done.err
    assert not (out / "model").exists(), "something half was written"
    if "image" in case and case != "truncated image":
        assert not out.exists()


def test_after_the_hint_the_same_command_works(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    path = tiny_data / "images" / "tiny_0.png"
    whole = path.read_bytes()
    truncate_image(tiny_data)
    train = ["train", tiny_data, "--out", tmp_path / "run", *TINY_FLAGS]
    assert cli(*train).code == 2
    path.write_bytes(whole)
    assert cli(*train).code == 0
    assert cli(*train).code == 2


def test_bad_settings_are_one_clear_message(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    for flags, word in [
        (["--method", "singlestage"], "single-stage"),
        (["--set", "trainer.sead=1"], "trainer.seed"),
        (["--encoder", "resnet17", "--set", "network.options={}"], "resnet18"),
        (["--size", "0x0"], "data.size"),
        (["--lr", "-1"], "optimizer.lr"),
        (["--background", "maybe"], "data.background"),
    ]:
        done = cli("train", tiny_data, "--out", tmp_path / "run", *TINY_FLAGS, *flags)
        assert done.code == 2, (flags, done.err)
        assert word in done.err, done.err
        assert "Traceback" not in done.err
        assert not (tmp_path / "run").exists()


def test_wrong_usage_is_exit_code_2(cli: Cli, tmp_path: Path) -> None:
    assert cli("train").code == 2
    assert cli("fly").code == 2
    assert cli("train", "--out", tmp_path / "run").code == 2
    assert "--out" in cli("train", "--resume").err
    assert cli("init", tmp_path, "--classes", "a,b").code == 2
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "a.png")
    assert cli("init", tmp_path, "--classes", "a").code == 2
    assert not (tmp_path / "dataset.yaml").exists()
    assert cli("init", tmp_path, "--classes", "a,b", "--background", "maybe").code == 2
    assert cli("init", tmp_path, "--classes", "a,b").code == 0
    assert cli("init", tmp_path, "--classes", "a,b").code == 2


def test_a_run_without_a_name_is_named_after_its_data(
    cli: Cli, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("train", tiny_data / "dataset.yaml", *TINY_FLAGS).code == 0
    assert (tmp_path / "runs" / tiny_data.name / "model" / "model.json").is_file()
    again = cli("train", tiny_data, *TINY_FLAGS)
    assert again.code == 2
    assert "--overwrite" in again.err
    assert cli("train", tiny_data, "--resume").code == 0


def test_a_run_of_other_data_is_refused(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert cli("train", tiny_data, "--out", run, *TINY_FLAGS).code == 0
    other = write_tiny(tmp_path / "other")
    for name in ("dataset.yaml", "points.csv"):
        text = (other / name).read_text()
        (other / name).write_text(text.replace("disc", "circle"))
    done = cli("evaluate", run, other)
    assert done.code == 2
    assert "the model knows the classes" in done.err
    done = cli("train", other, "--out", run, "--resume", *TINY_FLAGS)
    assert done.code == 2
    assert "have changed" in done.err
    done = cli("evaluate", tiny_data, tiny_data)
    assert done.code == 2
    assert "no trained model" in done.err


def test_help_shows_an_example_everywhere(cli: Cli) -> None:
    for command in (
        ["demo"],
        ["init"],
        ["train"],
        ["evaluate"],
        ["compare"],
        ["predict"],
        ["info"],
        ["points", "simulate"],
    ):
        done = cli(*command, "--help")
        assert done.code == 0
        assert "Example: pointillist" in done.out, command
