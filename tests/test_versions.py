"""What each version wrote is opened by this one: all of `tests/fixtures/version_*`, see `tests/fixtures/make.py`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.annotator.folder import open_folder
from pointillist.annotator.session import Session
from pointillist.data.images import read_image
from pointillist.data.outputs import MANIFEST, OLD_MANIFEST, manifest_lines
from pointillist.inference.predictor import Predictor
from pointillist.points.formats.native import NativeCsv
from pointillist.training.metrics_table import read_metrics
from pointillist.training.run_directory import RunDirectory
from pointillist.version import __version__
from tests.conftest import Cli
from tests.fixtures.make import HOME, folder_of

VERSIONS = sorted(HOME.glob("version_*"))

pytestmark = [
    pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.name),
    pytest.mark.filterwarnings("ignore::pointillist.errors.RenamedWarning"),
]


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_it_is_kept_whole_and_small(version: Path) -> None:
    assert folder_of(__version__) in VERSIONS, "run python -m tests.fixtures.make"
    files = [path for path in version.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 2_000_000


def test_a_run_opens(version: Path) -> None:
    run = RunDirectory.open(version / "run")
    config, record = run.read()
    assert config.trainer.epochs == 2
    assert record.clicks == 12
    assert [row["epoch"] for row in read_metrics(run)] == ["1", "2"]


def test_a_model_predicts_as_it_did(version: Path) -> None:
    predictor = Predictor(version / "run", "cpu")
    for name in ("tiny_0", "tiny_4"):
        labels = predictor.predict(read_image(version / "data" / "images" / f"{name}.png")).labels
        expected = np.asarray(Image.open(version / "predictions" / f"{name}.png"))
        assert (labels == expected).mean() > 0.999


def test_a_checkpoint_goes_on_or_says_how(version: Path, cli: Cli, tmp_path: Path) -> None:
    """Of this version it goes on; of another, an exact end cannot be promised, and the way out is said."""
    shutil.copytree(version / "run", tmp_path / "run")
    done = cli("train", version / "data", "--resume", "--out", tmp_path / "run")
    if version == folder_of(__version__):
        assert done.code == 0, done.err
        assert len(read_metrics(RunDirectory(tmp_path / "run"))) == 2
    else:
        assert done.code == 2
        assert "hint" in done.err
        assert "another version" in done.err or "earlier version" in done.err


def test_predictions_go_on(version: Path, cli: Cli, tmp_path: Path) -> None:
    images, out = tmp_path / "images", tmp_path / "out"
    shutil.copytree(version / "data" / "images", images)
    shutil.copytree(version / "predictions", out)
    written = out / (MANIFEST if (out / MANIFEST).is_file() else OLD_MANIFEST)
    _, *entries = manifest_lines(written)
    assert len(entries) == 6
    for entry in entries:
        os.utime(images / entry["image"], ns=(entry["state"][1], entry["state"][1]))
    (out / "tiny_2.png").unlink()  # the only one to be made again
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*.png") if not path.name.startswith("tiny_2")}
    flags = ("--write", "png,uncertainty", "--device", "cpu", "--resume")
    done = cli("predict", version / "run", images, "--out", out, *flags)
    assert done.code == 0, done.err
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert (out / "tiny_2.png").is_file()
    assert len(list(manifest_lines(out / MANIFEST))) == 7


def test_a_folder_that_was_annotated_opens(version: Path, tmp_path: Path) -> None:
    data = tmp_path / "annotated"
    shutil.copytree(version / "annotated", data)
    before = sorted((p.image, p.x, p.y, p.label) for p in NativeCsv().read(data / "points.csv"))
    session = Session(open_folder(data))
    try:
        tables = session.store.reading()
        names = {row.id: row.name for row in tables.classes()}
        found = sorted((image, x, y, names[label]) for _, image, x, y, label, _ in tables.all_points())
        assert found == before
        assert len(found) == 10
        assert ("tiny_0.png", 5.5, 6.25, "square") in found
    finally:
        session.close()
    assert sorted((p.image, p.x, p.y, p.label) for p in NativeCsv().read(data / "points.csv")) == before
