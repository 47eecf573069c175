"""Shares of the images in processes of their own: together they are what one process gives."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pointillist.data.outputs import MANIFEST, manifest_lines
from pointillist.errors import RunError
from pointillist.inference import batch
from pointillist.inference.batch import BatchResult, predict_files
from pointillist.inference.predictor import Predictor
from pointillist.registry import VARIABLE, use_plugin_files

RUN = Path(__file__).parents[1] / "fixtures" / "version_0_1" / "run"

PLUGIN = '''
from pointillist.files import write_text
from pointillist.inference.writers.base import Writer


class Count(Writer):
    """Says what is there; all together, in one file."""

    name = "count"
    title = "for a test"
    suffix = ".txt"
    together = ("counts.txt",)

    def write(self, result, path):
        write_text(path, f"{result.image} {result.prediction.labels.sum()}")

    def collect(self, files, out):
        write_text(out / "counts.txt", "\\n".join(file.read_text() for file in files))
'''


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos, one of them broken; the writer above is known."""
    monkeypatch.setenv(VARIABLE, "")
    (tmp_path / "count.py").write_text(PLUGIN)
    use_plugin_files([tmp_path / "count.py"])
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    for index in range(10):
        photo(folder / ("inner" if index % 2 else "") / f"{index}.png")
    (folder / "5broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return folder


def photo(path: Path) -> None:
    Image.effect_noise((20, 10), 60).convert("RGB").save(path)


def predict(images: Path, out: Path, shard: tuple[int, int] | None = None, *, resume: bool = False) -> BatchResult:
    return predict_files(Predictor(RUN, "cpu"), [images], out, write=["png", "count"], shard=shard, resume=resume)


def content(folder: Path) -> dict[str, bytes]:
    """All but the manifests of the shares."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("manifest-")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def names(out: Path) -> list[str]:
    return [line["image"] for line in itertools.islice(manifest_lines(out / MANIFEST), 1, None)]


def test_shares_in_any_order_are_the_whole(images: Path, tmp_path: Path) -> None:
    predict(images, tmp_path / "one")
    out = tmp_path / "many"
    results = []
    for number in (3, 1, 2):
        assert not (out / MANIFEST).exists()
        results.append(predict(images, out, (number, 3)))
    assert content(out) == content(tmp_path / "one")
    assert [len(result.together) for result in results] == [0, 0, 2]
    assert sum(result.written for result in results) == 10
    assert [name for result in results for name in result.failed] == ["5broken.png"]

    # One of them again, with a new image in place of an old one: only this is predicted, and all are joined anew.
    changed = names(out).index("8.png")
    photo(images / "8.png")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    for number in (1, 2, 3):
        predict(images, out, (number, 3), resume=True)
    assert [path.name for path in before if path.stat().st_mtime_ns != before[path]] == ["8.png"]
    predict(images, tmp_path / "one")
    assert content(out) == content(tmp_path / "one")
    assert names(out)[changed] == "8.png"


@pytest.mark.slow
def test_shares_at_the_same_time(images: Path, tmp_path: Path) -> None:
    predict(images, tmp_path / "one")
    command = [sys.executable, "-m", "pointillist", "predict", RUN, images, "--out", tmp_path / "many"]
    command += ["--write", "png,count", "--device", "cpu", "--quiet", "--shard"]
    running = [subprocess.Popen([*command, f"{number}/3"], stderr=subprocess.PIPE, text=True) for number in (1, 2, 3)]
    said = [process.communicate(timeout=200)[1] for process in running]
    assert sorted(process.returncode for process in running) == [0, 0, 2], said
    assert sum("1 of 4 images could not be read" in text for text in said) == 1
    assert content(tmp_path / "many") == content(tmp_path / "one")


def test_shares_of_other_predictions_are_not_joined(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for number in (1, 2):
        predict(images, out, (number, 2))
    joined = (out / MANIFEST).read_bytes()
    # With one image more, the others change places between the shares.
    photo(images / "0a.png")
    assert predict(images, out, (1, 2), resume=True).together == ()
    assert (out / MANIFEST).read_bytes() == joined
    predict(images, out, (2, 2), resume=True)
    predict(images, tmp_path / "one")
    assert content(out) == content(tmp_path / "one")
    # Other results.
    for number, together in ((1, 0), (2, 2)):
        kinds = ["count", "confidence"]
        result = predict_files(Predictor(RUN, "cpu"), [images], out, write=kinds, shard=(number, 2))
        assert len(result.together) == together
    assert all("confidence" in line or "error" in line for line in list(manifest_lines(out / MANIFEST))[1:])
    # Other settings.
    predictor = Predictor(RUN, "cpu")
    predictor.take(scale=0.5)
    for number, together in ((1, 0), (2, 2)):
        result = predict_files(predictor, [images], out, write=kinds, shard=(number, 2))
        assert len(result.together) == together


def test_a_share_that_was_killed_goes_on(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_files(Predictor(RUN, "cpu"), [images], out, write=["png", "count"], shard=(1, 2), on_image=stop)
    predict(images, out, (2, 2))
    assert not (out / MANIFEST).exists()
    predict(images, out, (1, 2), resume=True)
    predict(images, tmp_path / "one")
    assert content(out) == content(tmp_path / "one")


def test_results_of_a_share_that_began_just_now_are_no_strangers(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, later = tmp_path / "out", tmp_path / "later"
    predict(images, later, (1, 2))

    def predicted(folder: Path, real=batch.predicted) -> object:
        found = real(folder)
        if not any(out.glob("manifest*")):  # at this moment, the other share begins
            shutil.copytree(later, out, dirs_exist_ok=True)
        return found

    monkeypatch.setattr(batch, "predicted", predicted)
    assert predict(images, out, (2, 2)).together


def test_shares_among_images_are_refused(images: Path) -> None:
    with pytest.raises(RunError, match=r"field '--shard': images lie in here.*Choose an --out that has no images"):
        predict_files(Predictor(RUN, "cpu"), [images], images, write=["count"], shard=(1, 2))
    assert not list(images.glob("manifest*"))


def elsewhere(entry: dict[str, object]) -> object:
    return entry | {"count": "../secret.txt"}


def absolute(entry: dict[str, object]) -> object:
    return entry | {"count": str(Path(__file__).absolute())}


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize(
    "change",
    [elsewhere, absolute, lambda entry: entry | {"image": ["a"]}, lambda _: [1], lambda _: "x" * 9, None],
    ids=["elsewhere", "absolute", "image", "list", "text", "deep"],
)
def test_a_strangers_manifest_leads_nowhere(
    change: Callable[[dict[str, object]], object] | None, shares: bool, images: Path, tmp_path: Path
) -> None:
    """It can name files of other folders, which would get into the files of all images."""
    out = tmp_path / "out"
    (tmp_path / "secret.txt").write_text("secret")
    for number in (1, 2):
        predict(images, out, (number, 2))
    file = out / ("manifest-2-of-2.jsonl" if shares else MANIFEST)
    first, second, *lines = file.read_text().splitlines()
    changed = "[" * 100_000 if change is None else json.dumps(change(json.loads(second)))
    file.write_text("\n".join([first, changed, *lines, ""]))
    before = (out / "counts.txt").read_text()
    with pytest.raises(RunError, match=f"{file.name}: does not say what was predicted"):
        predict(images, out, (1, 2) if shares else None, resume=not shares)
    assert (out / "counts.txt").read_text() == before
