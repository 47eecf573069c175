"""Reading, the network and writing at the same time: nothing lost, nothing twice, whatever fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.data import views
from pointillist.data.outputs import LOG, MANIFEST, manifest_lines
from pointillist.errors import RunError, SaveError
from pointillist.inference import pipeline, prediction
from pointillist.inference.batch import predict_files
from pointillist.inference.predictor import Predictor
from pointillist.inference.writers.base import Result
from pointillist.inference.writers.png import Png
from pointillist.training import tiling
from tests.rasters import draw, write_raster

OLD = Path(__file__).parents[1] / "fixtures" / "version_0_1" / "run"


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(OLD, "cpu")


def photos(folder: Path, count: int, size: tuple[int, int] = (40, 30)) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        values = np.random.default_rng(number).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{size[0]}-{number:03}.png")
    return folder


def labels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_images_of_several_sizes_large_and_broken_ones(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(tmp_path / "photos", 9)
    photos(folder, 7, (20, 50))
    photos(folder, 1, (150, 140))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    write_raster(folder / "tile.tif", draw(90, 120, 3, "uint8"))
    expected = {path.stem: predictor(path) for path in folder.iterdir() if path.stem != "broken"}
    monkeypatch.setattr(pipeline, "TOGETHER", 5 * 40 * 30)
    monkeypatch.setattr(tiling, "LARGEST_PASS", 128 * 128)
    monkeypatch.setattr(tiling, "TILE", 96)
    monkeypatch.setattr(tiling, "OVERLAP", 32)
    monkeypatch.setattr(views, "LARGE", 90 * 120 - 1)
    monkeypatch.setattr(prediction, "LARGE", 90 * 120 - 1)
    done: list[str] = []
    result = predict_files(predictor, [folder], tmp_path / "out", write=["png"], on_image=done.append)
    assert sorted(done) == sorted(path.name for path in folder.iterdir())
    assert list(result.failed) == ["broken.jpg"]
    _, *entries = manifest_lines(result.manifest)
    assert [entry["image"] for entry in entries] == sorted(done)
    for name, whole in expected.items():
        found = labels(tmp_path / "out" / f"{name}.png")
        assert found.shape == whole.shape
        # Tiles see another neighbourhood; batches round sums otherwise.
        assert (found == whole).mean() > (0.8 if name in ("tile", "150-000") else 0.999)


def test_a_large_image_that_goes_before_its_picture_is_written_stops_no_other(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = photos(tmp_path / "photos", 3), tmp_path / "out"
    tile = write_raster(folder / "tile.tif", draw(90, 120, 3, "uint8"))
    monkeypatch.setattr(views, "LARGE", 90 * 120 - 1)
    predict_view = Predictor.predict_view

    def then_it_goes(self: Predictor, *arguments: object) -> prediction.Prediction:
        found = predict_view(self, *arguments)
        tile.unlink()
        return found

    monkeypatch.setattr(Predictor, "predict_view", then_it_goes)
    result = predict_files(predictor, [folder], out, write=["overlay"])
    assert result.written == len(list(out.glob("*.jpg"))) == 3
    assert "no such file" in str(result.failed["tile.tif"])


@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be made there")
def test_a_name_that_becomes_too_long_is_said_at_once(predictor: Predictor, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 1)
    (folder / "40-000.png").rename(folder / f"{'x' * 250}.png")
    with pytest.raises(RunError, match=r"x_overlay\.jpg: has a name that is too long"):
        predict_files(predictor, [folder], tmp_path / "out", write=["png", "overlay"])
    assert not (tmp_path / "out").exists()


def test_a_full_disk_stops_with_what_is_done_and_resume_goes_on(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = photos(tmp_path / "photos", 40), tmp_path / "out"
    write = Png.write

    def full(self: Png, result: Result, path: Path) -> None:
        if result.image == "40-025.png":
            raise SaveError("could not be written (No space left on device).", where=path, hint="Free some space.")
        write(self, result, path)

    monkeypatch.setattr(Png, "write", full)
    with pytest.raises(SaveError, match="No space left"):
        predict_files(predictor, [folder], out, write=["png"])
    assert not (out / MANIFEST).exists()
    _, *noted = manifest_lines(out / LOG)
    assert 10 < len(noted) < 40
    times = {entry["png"]: (out / entry["png"]).stat().st_mtime_ns for entry in noted}
    monkeypatch.undo()
    result = predict_files(predictor, [folder], out, write=["png"], resume=True)
    assert result.written == len(list(out.glob("*.png"))) == 40
    assert times == {name: (out / name).stat().st_mtime_ns for name in times}


def test_a_killed_process_leaves_nothing_half_written(tmp_path: Path) -> None:
    folder, out = photos(tmp_path / "photos", 150, (200, 160)), tmp_path / "out"
    command = [sys.executable, "-m", "pointillist", "predict", OLD, folder, "--out", out, "--device", "cpu", "--quiet"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*map(str, command)], env=environment)
    deadline = time.monotonic() + 60
    while len(list(out.glob("*.jpg"))) < 10 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / MANIFEST).exists()
    for path in (*out.glob("[!.]*.png"), *out.glob("[!.]*.jpg")):
        Image.open(path).load()
    done = subprocess.run([*map(str, command), "--resume"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    _, *entries = manifest_lines(out / MANIFEST)
    assert len(entries) == len({entry["image"] for entry in entries}) == 150
    assert all((out / entry[kind]).is_file() for entry in entries for kind in ("png", "overlay"))


def test_what_waits_is_bounded(predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many images there are, and of however many sizes, few are in memory."""
    folder = tmp_path / "photos"
    for width in range(20, 100):
        photos(folder, 1, (width, 16))
    opened = written = most = 0
    open_, write = pipeline.Pipeline._open, pipeline.Pipeline._write

    def counted_open(self, job):
        nonlocal opened, most
        opened += 1
        most = max(most, opened - written)
        return open_(self, job)

    def counted_write(self, job, view, found):
        nonlocal written
        entry = write(self, job, view, found)
        written += 1
        return entry

    monkeypatch.setattr(pipeline.Pipeline, "_open", counted_open)
    monkeypatch.setattr(pipeline.Pipeline, "_write", counted_write)
    assert predict_files(predictor, [folder], tmp_path / "out", write=["png"]).written == 80
    assert most <= 5 * pipeline.AHEAD


def test_a_manifest_that_changed_on_the_disk_is_not_believed(predictor: Predictor, tmp_path: Path) -> None:
    folder, out = photos(tmp_path / "photos", 3), tmp_path / "out"
    file = predict_files(predictor, [folder], out, write=["png"]).manifest
    lines = file.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines):
        key = line.index(b'"crc32')  # without this key, the line is one of an earlier version
        for place in (*range(0, key, 11), *range(key + 8, len(line) - 1)):
            changed = line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :]
            file.write_bytes(b"".join([*lines[:number], changed, *lines[number + 1 :]]))
            with pytest.raises((ValueError, TypeError)):
                list(manifest_lines(file))
    with pytest.raises(RunError, match="does not say what was predicted"):
        predict_files(predictor, [folder], out, write=["png"], resume=True)
    old = [{key: value for key, value in json.loads(line).items() if key not in ("crc32", "format")} for line in lines]
    file.write_text("".join(json.dumps(line) + "\n" for line in old))
    (out / LOG).unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Png, "write", lambda *_: pytest.fail("it was done already"))
        assert predict_files(predictor, [folder], out, write=["png"], resume=True).written == 3
    first = {**old[0], "format": 2}
    file.write_text("".join(json.dumps(line) + "\n" for line in [first, *old[1:]]))
    with pytest.raises(RunError, match="has format 2"):
        predict_files(predictor, [folder], out, write=["png"], resume=True)
