"""Commands that are disturbed, see `faults`: what is there before, what must hold at once, and how they go on."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointillist.data.outputs import MANIFEST
from tests.crash.scenarios import OLD, SCENARIOS, Facts, Say, tell_of_training

Left = dict[str, Any]


class Refused(Exception):
    """A command of the command line ended as it does with an error: one message with a hint, exit code 2."""


@dataclass(frozen=True)
class Command:
    """A command.

    Args:
        prepare: Fills its folder; what lies beside the folder is not disturbed.
        work: What is disturbed; says what must be true from then on.
        check: Looks at the folder after the disturbance: with what had been said, what was to be said later, and what
            was there before (`before`) and is there after an undisturbed run (`left`).
        again: Goes on, undisturbed.
        left: What is to be compared.
        load: Called once in the process that all tries are forked from.
    """

    prepare: Callable[[Path], None]
    work: Callable[[Path, Say], None]
    check: Callable[[Path, Facts, Facts, Left], None]
    again: Callable[[Path], None]
    left: Callable[[Path], Left]
    load: Callable[[], None] = lambda: None


def command(*arguments: str | Path) -> None:
    """Run the command line in this process.

    Raises:
        Refused: It ended with its error.
    """
    from pointillist.cli import main

    said, before = io.StringIO(), sys.argv
    sys.argv = ["pointillist", *map(str, arguments)]
    try:
        with redirect_stderr(said), redirect_stdout(io.StringIO()):
            main()
    except SystemExit as stop:
        text = said.getvalue()
        if stop.code == 2 and text.count("error ") == text.count("hint  ") == 1:
            raise Refused(text) from None
        assert not stop.code, f"exit code {stop.code}: {text}"
    finally:
        sys.argv = before


def files_of(folder: Path) -> Left:
    """Digests of all files under their final names; hidden ones are for a time."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def old_or_new(folder: Path, expected: Left, *, own: tuple[str, ...] = ()) -> None:
    """Every file is as it was before, or as an undisturbed run leaves it, and none is gone; but those in `own`."""
    before, after, found = expected["before"], expected["left"], files_of(folder)
    for name, digest in found.items():
        assert digest in (before.get(name), after.get(name)) or name in own, f"{name} is half written"
    lost = (before.keys() & after.keys()) - found.keys()
    assert not lost, f"lost: {lost}"


# Training.


def _data(folder: Path) -> Path:
    return folder.parent / "data"


def _prepare_training(folder: Path) -> None:
    from tests.conftest import write_tiny

    folder.mkdir(parents=True)
    write_tiny(_data(folder))


def _spare_figures() -> None:
    """What takes long and touches no file is left out."""
    from pointillist.report import curves
    from pointillist.training import run

    run.rarely_clicked = lambda _: []
    curves._svg = lambda *_: ""  # type: ignore[assignment]


def _train(folder: Path, say: Say) -> None:
    from tests.conftest import TINY_FLAGS

    tell_of_training(say)
    command("train", _data(folder), "--out", folder / "run", "--method", "points", *TINY_FLAGS)
    say("trained")


def _train_on(folder: Path) -> None:
    from tests.conftest import TINY_FLAGS

    run = folder / "run"
    if any((run / "checkpoints").glob("*.ckpt")):
        command("train", "--resume", "--out", run)
    else:  # stopped before there was anything to go on from: the same command once more
        command("train", _data(folder), "--out", run, "--method", "points", *TINY_FLAGS)


def _trained(folder: Path) -> Left:
    run = folder / "run"
    if not run.is_dir():
        return {}
    names = sorted(files_of(run))
    found: Left = {"files": [name for name in names if not name.startswith("tensorboard/")]}
    for name in ("model/model.safetensors", "model/model.json", "model/README.md", "images.json"):
        found[name] = hashlib.sha256((run / name).read_bytes()).hexdigest() if name in names else None
    if "evaluation.json" in names:
        found["evaluation.json"] = json.loads((run / "evaluation.json").read_text()) | {"seconds": 0, "checksum": 0}
    lines = (run / "metrics.csv").read_text().splitlines() if "metrics.csv" in names else []
    # The third column is a time, and the last depends on it.
    found["metrics.csv"] = [line.split(",")[:2] + line.split(",")[3:-1] for line in lines]
    return found


def _check_training(folder: Path, said: Facts, later: Facts, _expected: Left) -> None:
    SCENARIOS["training"].check(folder, said, later, True)


# Prediction.

WRITERS = "png,overlay,areas,objects,coco,labelme,geotiff"


def _prepare_prediction(folder: Path) -> None:
    from tests.annotator.conftest import write_images

    folder.mkdir(parents=True)
    # Of two sizes: images that go through the network together differ in the last bit from one that goes alone.
    write_images(folder.parent / "photos" / "a", 1, (16, 20))
    write_images(folder.parent / "photos" / "b", 1, (20, 16))


def _load_model() -> None:
    """The model is only read, elsewhere: once is enough."""
    from pointillist.inference import predictor

    loaded = predictor.open_model(OLD, "cpu")
    predictor.open_model = lambda *_: loaded


def _predict(folder: Path, *more: str) -> None:
    out = ("--out", folder / "out", "--write", WRITERS, "--device", "cpu")
    command("predict", OLD, folder.parent / "photos", *out, *more)


def _predicted(folder: Path) -> Left:
    found = files_of(folder)
    manifest = folder / "out" / MANIFEST
    if manifest.is_file():
        # The photographs are other files each time.
        lines = [json.loads(line) for line in manifest.read_text().splitlines()]
        found[f"out/{MANIFEST}"] = json.dumps([{**line, "state": 0, "crc32": 0} for line in lines])
    return found


def _check_prediction(folder: Path, _said: Facts, _later: Facts, expected: Left) -> None:
    from pointillist.inference.manifest import Manifest

    manifest = Manifest(folder / "out")
    old_or_new(folder, expected, own=tuple(f"out/{file.name}" for file in (manifest.file, manifest.log)))


# Label files.

FORMATS = ("labelme", "coco", "point-png", "cvat", "via", "qupath", "napari")


def _prepare_points(folder: Path) -> None:
    """A data set whose points.csv is another one than what is imported, and older exports of all formats."""
    from tests.conftest import write_tiny

    write_tiny(folder)
    theirs = (folder / "points.csv").read_text().splitlines(keepends=True)
    (folder.parent / "theirs.csv").write_text("".join(theirs))
    (folder / "points.csv").write_text("".join(theirs[:-3]))
    for name in FORMATS:
        command("points", "export", folder, _export(folder, name), "--format", name, *_options(name))


def _export(folder: Path, name: str) -> Path:
    suffix = {"coco": ".json", "cvat": ".xml", "via": ".json"}.get(name, "")
    return folder / "exports" / f"{name}{suffix}"


def _options(name: str) -> tuple[str, ...]:
    return ("--set", "unlabelled=255") if name == "point-png" else ()


def _points(folder: Path, say: Say) -> None:
    command("points", "import", folder, folder.parent / "theirs.csv", "--overwrite")
    say("imported")
    for name in FORMATS:
        command("points", "export", folder, _export(folder, name), "--format", name, "--overwrite", *_options(name))


def _check_points(folder: Path, said: Facts, _later: Facts, expected: Left) -> None:
    old_or_new(folder, expected)
    if said:
        assert files_of(folder)["points.csv"] == expected["left"]["points.csv"]


# The annotator.


def _prepare_annotator(folder: Path) -> None:
    folder.mkdir(parents=True)
    SCENARIOS["annotator"].prepare(folder)


def _annotated(folder: Path) -> Left:
    return files_of(folder)


def _be_careless(folder: Path, _: Say) -> None:
    (folder / "text").write_text("two" * 500)


COMMANDS = {
    "training": Command(_prepare_training, _train, _check_training, _train_on, _trained, _spare_figures),
    "prediction": Command(
        _prepare_prediction,
        lambda folder, _: _predict(folder),
        _check_prediction,
        lambda folder: _predict(folder, "--resume"),
        _predicted,
        _load_model,
    ),
    "points": Command(
        _prepare_points, _points, _check_points, lambda folder: _points(folder, lambda *_: None), files_of
    ),
    "annotator": Command(
        _prepare_annotator,
        SCENARIOS["annotator"].work,
        lambda folder, said, later, _: SCENARIOS["annotator"].check(folder, said, later, True),
        lambda folder: SCENARIOS["annotator"].work(folder, lambda *_: None),
        _annotated,
    ),
}
"""What `make torture` tries."""

CARELESS = Command(
    lambda folder: (folder.mkdir(parents=True), (folder / "text").write_text("one" * 500), None)[-1],
    _be_careless,
    lambda folder, _said, _later, expected: old_or_new(folder, expected),
    lambda folder: _be_careless(folder, lambda *_: None),
    files_of,
)
"""What must be found out."""
