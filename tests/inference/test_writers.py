"""What predictions are written to, by name, through the real command line."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.data.outputs import MANIFEST, manifest_lines
from pointillist.errors import ConfigError, RunError
from pointillist.inference.batch import predict_files
from pointillist.inference.prediction import Prediction
from pointillist.inference.predictor import Predictor
from pointillist.inference.writers import STANDARD, get_writer, writers
from pointillist.inference.writers.coco import CocoOptions
from pointillist.inference.writers.objects import ObjectTable
from pointillist.registry import VARIABLE
from tests.conftest import Cli

OLD = Path(__file__).parents[1] / "fixtures" / "version_0_1"


def photo(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names or ("a.jpg",):
        Image.effect_noise((20, 10), 60).convert("RGB").save(folder / name)
    return folder


def results(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("manifest"))


def test_every_writer_is_listed_with_a_title() -> None:
    assert {"png", "overlay", "confidence", "uncertainty"} <= set(writers())
    assert set(STANDARD) <= set(writers())
    assert all(kind.title for kind in writers().values())
    assert len({kind.suffix for kind in writers().values()}) == len(writers())


def test_the_page_lists_every_writer() -> None:
    page = (Path(__file__).parents[2] / "docs" / "predicting.md").read_text(encoding="utf-8")
    for name, kind in writers().items():
        assert f"| `{name}` | `a/b{kind.suffix}` |" in page


def test_a_misspelt_name_is_corrected() -> None:
    with pytest.raises(ConfigError, match=r"field 'write': 'overlai' is no output. Did you mean 'overlay'?"):
        get_writer("overlai")


@pytest.mark.parametrize(
    ("flags", "written"),
    [
        ([], ["a.png", "a_overlay.jpg"]),
        (["--write", "png"], ["a.png"]),
        (["--write", "confidence, png"], ["a.png", "a_confidence.png"]),
        (["--write", "confidence,png", "--write", "png"], ["a.png", "a_confidence.png"]),
        (["--write", "overlay", "--uncertainty"], ["a_overlay.jpg", "a_uncertainty.png"]),
        # As before --write.
        (["--confidence"], ["a.png", "a_confidence.png", "a_overlay.jpg"]),
        (["--uncertainty", "--no-overlay"], ["a.png", "a_uncertainty.png"]),
        (["--no-overlay"], ["a.png"]),
    ],
)
def test_what_is_asked_for_is_written(flags: list[str], written: list[str], cli: Cli, tmp_path: Path) -> None:
    images, out = photo(tmp_path / "photos"), tmp_path / "out"
    done = cli("predict", OLD / "run", images, "--out", out, "--device", "cpu", *flags)
    assert done.code == 0, done.err
    assert results(out) == written
    _, entry = manifest_lines(out / MANIFEST)
    assert {entry["image"], *written} == {value for value in entry.values() if isinstance(value, str)}
    # The same command finds everything done.
    before = {name: (out / name).stat().st_mtime_ns for name in written}
    assert cli("predict", OLD / "run", images, "--out", out, "--device", "cpu", *flags, "--resume").code == 0
    assert before == {name: (out / name).stat().st_mtime_ns for name in written}


@pytest.mark.parametrize(
    ("flags", "found", "hint"),
    [
        (["--write", "overlai"], "'overlai' is no output", "Did you mean 'overlay'?"),
        (["--write", "png,"], "'' is no output", "overlay, png"),
        (["--write", "overlay", "--no-overlay"], "nothing is to be written", "overlay, png"),
    ],
)
def test_what_cannot_be_written_is_said(flags: list[str], found: str, hint: str, cli: Cli, tmp_path: Path) -> None:
    done = cli("predict", OLD / "run", photo(tmp_path / "photos"), "--out", tmp_path / "out", *flags)
    assert done.code == 2
    assert found in done.err
    assert hint in done.err
    assert not (tmp_path / "out").exists()


def test_two_results_of_one_name(tmp_path: Path) -> None:
    images, out = photo(tmp_path / "photos", "a.jpg", "a_confidence.jpg"), tmp_path / "out"
    with pytest.raises(RunError, match=r"a_confidence\.png: two results"):
        predict_files(Predictor(OLD / "run", "cpu"), [images], out, write=["png", "confidence"])
    assert not out.exists()


@pytest.mark.parametrize("then", ["overlay", "png"])
def test_outputs_are_not_mixed(then: str, cli: Cli, tmp_path: Path) -> None:
    images, out = photo(tmp_path / "photos"), tmp_path / "out"
    assert cli("predict", OLD / "run", images, "--out", out, "--write", "labels,overlay").code == 0
    done = cli("predict", OLD / "run", images, "--out", out, "--write", then, "--resume")
    assert done.code == 2
    assert "other results" in done.err


@pytest.mark.parametrize(
    ("before", "then"),
    [
        ((), ("--set", "coco.segmentation=polygons")),
        (("--set", "coco.segmentation=polygons"), ()),
        ((), ("--scale", "0.5")),
        (("--range", "0,255"), ("--range", "0,200")),
        (("--bands", "3,2,1"), ()),
    ],
)
def test_settings_are_not_mixed(before: tuple[str, ...], then: tuple[str, ...], cli: Cli, tmp_path: Path) -> None:
    images, out = photo(tmp_path / "photos"), tmp_path / "out"
    command = ("predict", OLD / "run", images, "--out", out, "--write", "coco")
    assert cli(*command, *before).code == 0
    assert cli(*command, *before, "--resume").code == 0
    done = cli(*command, *then, "--resume")
    assert done.code == 2
    assert "settings" in done.err


@pytest.mark.parametrize("folder", ["a[red]b", "a[", "x[/red]"])
def test_names_are_printed_as_they_are(folder: str, cli: Cli, tmp_path: Path) -> None:
    images = photo(tmp_path / folder / "photos", "[red].jpg")
    (images / "[bold].jpg").write_bytes(b"no image")
    done = cli("predict", OLD / "run", images, "--out", tmp_path / folder / "out", "--write", "coco")
    assert done.code == 2
    assert str(tmp_path / folder / "out" / MANIFEST) in done.out
    assert str(tmp_path / folder / "out" / "coco.json") in done.out
    assert "left out [bold].jpg:" in done.out
    assert str(images / "[bold].jpg") in done.err


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
def test_names_that_are_no_text(cli: Cli, tmp_path: Path) -> None:
    images, out = photo(tmp_path / "photos", "a.jpg", "b.jpg"), tmp_path / "out"
    (images / "a.jpg").rename(images / os.fsdecode(b"\xff.jpg"))
    for flags in ((), ("--resume",)):
        done = cli("predict", OLD / "run", images, "--out", out, "--write", "areas,coco,png", "--json", *flags)
        assert done.code == 0, done.err
        assert json.loads(done.out)["written"] == 2
    assert (out / os.fsdecode(b"\xff.png")).is_file()


def test_predictions_of_version_0_1_go_on(cli: Cli, tmp_path: Path) -> None:
    images, out = tmp_path / "images", tmp_path / "out"
    shutil.copytree(OLD / "data" / "images", images)
    shutil.copytree(OLD / "predictions", out)
    before = json.loads((out / "manifest.json").read_text())
    for entry in before["images"]:
        os.utime(images / entry["image"], ns=(entry["state"][1], entry["state"][1]))
    (out / "tiny_2.png").unlink()  # the only one to be made again
    kept = {name: (out / name).stat().st_mtime_ns for name in results(out) if not name.startswith("tiny_2")}
    flags = ("--write", "labels,uncertainty", "--device", "cpu", "--resume")
    done = cli("predict", OLD / "run", images, "--out", out, *flags)
    assert done.code == 0, done.err
    assert kept == {name: (out / name).stat().st_mtime_ns for name in kept}
    assert (out / "tiny_2.png").is_file()
    assert not (out / "manifest.json").exists()
    after, *entries = manifest_lines(out / MANIFEST)
    assert after["model_sha256"] == before["model_sha256"]
    assert after["results"] == ["png", "uncertainty"]
    renamed = [{"png" if key == "labels" else key: value for key, value in entry.items()} for entry in before["images"]]
    assert entries == renamed


@pytest.mark.parametrize("way", ["package", "plug-in"])
def test_a_new_writer_is_one_file(way: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pointillist.inference.writers as package

    file = tmp_path / "new" / "sure.py"
    file.parent.mkdir()
    file.write_text(
        "import numpy as np\n"
        "from pointillist.inference.writers.base import Writer\n"
        "class Sure(Writer):\n"
        "    name = 'sure'\n    title = 'where the model is sure'\n    suffix = '_sure.npy'\n"
        "    needs = frozenset({'confidence'})\n"
        "    def write(self, result, path):\n"
        "        np.save(path, result.prediction.confidence > 0.5)\n"
    )
    monkeypatch.setenv(VARIABLE, "")
    if way == "package":
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(file.parent)])
    images, out = photo(tmp_path / "photos"), tmp_path / "out"
    flags = ["--plugin", file] if way == "plug-in" else []
    done = cli("predict", OLD / "run", images, "--out", out, "--write", "labels,sure", *flags)
    assert done.code == 0, done.err
    assert results(out) == ["a.png", "a_sure.npy"]
    assert np.load(out / "a_sure.npy").shape == (10, 20)
    manifest, entry = manifest_lines(out / MANIFEST)
    assert manifest["results"] == ["png", "sure"]
    assert entry["sure"] == "a_sure.npy"


def test_settings_of_another_output_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"are no settings of 'objects'\. Give ObjectsOptions\."):
        ObjectTable(CocoOptions())


def test_a_map_that_was_not_asked_for_is_named() -> None:
    with pytest.raises(ValueError, match="'confidence' was not asked for"):
        Prediction(np.zeros((2, 3), np.uint8)).map("confidence")
