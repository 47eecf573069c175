"""What is recorded: a program at work, what it said was done, and what must be there after any crash.

Each works in a process of its own, with the recorder in it: `python -m tests.crash.scenarios NAME FOLDER RECORD`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.recorder import Recorder

OLD = Path(__file__).parents[1] / "fixtures" / "version_0_1" / "run"

Say = Callable[..., None]
"""Says a fact (`what`, values): from here on it must be true whatever happens."""

Facts = list[tuple[str, Any]]


@dataclass(frozen=True)
class Scenario:
    """One program.

    Args:
        prepare: Fills the folder before the record begins.
        work: What is recorded, in the folder.
        check: Looks at a folder after a crash: with what had been said, what was to be said later, and whether only the
            program was killed, not the machine.
    """

    prepare: Callable[[Path], None]
    work: Callable[[Path, Say], None]
    check: Callable[[Path, Facts, Facts, bool], None]


def _images(folder: Path) -> None:
    from tests.annotator.conftest import write_images

    write_images(folder / "images", 2, (12, 16))


def _labels(session: Any) -> str:
    """All that people made, as text."""
    tables = session.store.reading()
    points = sorted((image, x, y, label) for _, image, x, y, label, _ in tables.all_points())
    classes = [(row.id, row.name, row.color) for row in tables.classes()]
    masks = [
        (image, (mask := tables.mask_of(image)) and mask.id, [s.id for s in tables.strokes_of(mask.id)] if mask else [])
        for image in sorted(session.catalogue.names)
    ]
    return json.dumps([points, classes, tables.background(), masks])


def _rows(session: Any) -> list[Any]:
    tables = session.store.reading()
    names = {row.id: row.name for row in tables.classes()}
    return sorted([image, x, y, names[label]] for _, image, x, y, label, _ in tables.all_points())


def _annotate(folder: Path, say: Say) -> None:
    from tests.annotator.conftest import Hand
    from tests.annotator.test_masks import accept, brush, shown_labels

    def did() -> None:
        say("labels", _labels(session))

    def flushed() -> None:
        session.files.flush()
        say("files", _rows(session))

    with _opened(folder) as session:
        hand = Hand(session)
        for name in ("soil", "berry", "leaf"):
            hand.do("class-add", class_=f"class-{name}", name=name, background=name == "soil")
            did()
        for number in range(4):
            hand.add(f"point-{number:02}", number + 0.5, 2.25, ("soil", "berry", "leaf")[number % 3])
            did()
        flushed()
        hand.send(
            hand.op("move", point="point-00", x=7.5, y=7.5),
            hand.op("delete", point="point-01"),
            hand.op("add", point="point-10", image=hand.image("i1.png"), x=3.5, y=3.5, class_="class-berry"),
        )
        did()
        flushed()
        accept(hand, shown_labels(size=(12, 16)))
        did()
        brush(hand, "stroke-01", 4, 4, 9, 9)
        did()
    say("files", json.loads(json.dumps(_closed_rows(folder))))

    with _opened(folder) as session:
        hand = Hand(session, "tab-two-0")
        with session.transfer.temporary() as home:
            file = home / "points.csv"
            file.write_text("image,x,y,class\n" + "".join(f"i1.png,{n}.5,9.5,berry\n" for n in range(5)))
            session.transfer.take_in(file, None, {}, add_classes=True)
        did()
        hand.do("class-merge", class_="class-leaf", into="class-berry")
        did()
        flushed()
        hand.do("delete", point="point-10")
        did()


@contextmanager
def _opened(folder: Path) -> Iterator[Any]:
    """A session that is closed however the block ends."""
    from pointillist.annotator.folder import open_folder
    from pointillist.annotator.session import Session

    session = Session(open_folder(folder))
    try:
        yield session
    finally:
        session.close()


def _closed_rows(folder: Path) -> list[Any]:
    from pointillist.points.formats.native import NativeCsv

    return sorted([p.image, p.x, p.y, p.label] for p in NativeCsv().read(folder / "points.csv"))


def _check_labels(folder: Path, said: Facts, later: Facts, _killed: bool) -> None:
    # The file that others read: whole, not older than was said, and not newer than what was asked for.
    before = [value for what, value in said if what == "files"]
    if (folder / "points.csv").exists():
        found = _closed_rows(folder)
        made = [_rows_of(value) for what, value in (*said, *later) if what == "labels"]
        oldest = made.index(before[-1]) if before else 0
        assert found == [] or found in made[oldest:], found
        assert found or not (before and before[-1]), "points.csv is empty"
    else:
        assert not before, "points.csv is gone"
    states = [value for what, value in (*said, *later) if what == "labels"]
    done = sum(what == "labels" for what, _ in said)
    with _opened(folder) as session:
        state = _labels(session)
        # What was asked for and not yet answered may be there or not.
        allowed = states[max(0, done - 1) : done + 1]
        assert state in allowed or (done == 0 and json.loads(state)[:2] == [[], []]), "labels are lost, or half there"
        session.files.flush()
        assert _closed_rows(folder) == _rows(session)
        assert not session.masks.problems


def _rows_of(state: str) -> list[Any]:
    points, classes, *_ = json.loads(state)
    names = {given: name for given, name, _ in classes}
    return sorted([image, x, y, names[label]] for image, x, y, label in points)


def tell_of_training(say: Say) -> None:
    """From now on, say what a training of this process has on the disk."""
    from pointillist.training.callbacks import Checkpoint
    from pointillist.training.run_directory import RunDirectory

    save, save_model = Checkpoint._save, RunDirectory.save_model

    def saved(self: Any, trainer: Any) -> None:
        save(self, trainer)
        say("step", trainer.global_step, dict(trainer.strategy.checkpoint_io.belongs()))

    def model_saved(self: Any, *arguments: Any) -> None:
        save_model(self, *arguments)
        say("model", _digest(self.model / "model.safetensors"))

    Checkpoint._save, RunDirectory.save_model = saved, model_saved  # type: ignore[method-assign, assignment]


def _train(folder: Path, say: Say) -> None:
    from pointillist.data.layouts import load_dataset
    from pointillist.training.config import make_config
    from pointillist.training.live_model import Stop
    from pointillist.training.run import fit
    from tests.conftest import TINY, write_tiny

    tell_of_training(say)
    data = folder.parent / f"{folder.name}-data"
    write_tiny(data)
    config = make_config(None, TINY | {"method": "points", "trainer.snapshots": 0})
    fit(config, load_dataset(data), folder / "run", stop=Stop())
    say("trained")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check_run(folder: Path, said: Facts, later: Facts, _killed: bool) -> None:
    from pointillist.errors import RunError
    from pointillist.files import read_text
    from pointillist.training.checkpoint_file import newest_whole, read_checkpoint
    from pointillist.training.metrics_table import read_metrics
    from pointillist.training.model_file import read_model_file
    from pointillist.training.run_directory import RunDirectory

    run = RunDirectory(folder / "run")
    steps = [value for what, value in said if what == "step"]
    if run.config_file.exists():
        run.read()
        assert [row["epoch"] for row in read_metrics(run)] == [str(n + 1) for n in range(len(read_metrics(run)))]
    if steps:
        run.read()
        step, belongs = steps[-1]
        found = newest_whole(run.checkpoint, run.checkpoint_before, belongs)
        assert found is not None, "the checkpoint is lost"
        assert read_checkpoint(found, belongs)["global_step"] >= step
    models = [value for what, value in (*said, *later) if what == "model"]
    done = sum(what == "model" for what, _ in said)
    if run.model.exists():
        allowed = models[max(0, done - 1) : done + 1]
        assert _digest(run.model / "model.safetensors") in allowed, "half a model, or the wrong one"
        file, _ = read_model_file(read_text(run.model / "model.json", RunError), run.model / "model.json")
        assert file.sha256 == _digest(run.model / "model.safetensors")
    else:
        assert not done, "the model is gone"
    if ("trained", None) in said:
        assert len(read_metrics(run)) == 2


def _photos(folder: Path) -> None:
    from tests.annotator.conftest import write_images

    write_images(folder / "photos", 4, (16, 20))


def _predict(folder: Path, say: Say) -> None:
    from pointillist.inference.batch import predict_files
    from pointillist.inference.predictor import Predictor

    predictor = Predictor(OLD, "cpu")
    for name in ("first", "second"):  # into a new folder, and once more into the same
        if name == "second":
            (folder / "photos" / "i3.png").touch()
        predict_files(
            *(predictor, [folder / "photos"], folder / "out"),
            write=["png", "areas"],
            resume=name == "second",
            on_image=lambda image: say("image", image),
        )
        say("predicted", name)


def _check_prediction(folder: Path, said: Facts, _later: Facts, killed: bool) -> None:
    from PIL import Image

    from pointillist.data.outputs import manifest_lines
    from pointillist.inference.manifest import Manifest

    out = folder / "out"
    predicted = sum(what == "predicted" for what, _ in said)
    # A result is whole, or not there.
    for picture in out.glob("*.png"):
        assert Image.open(picture).convert("L").size == (20, 16)
    if predicted:
        assert (out / "areas.csv").read_text().count("\n") >= 4
        assert len(list(out.glob("*.png"))) == 4
    manifest = Manifest(out)
    log = manifest.log if manifest.log.exists() else manifest.file
    if not log.exists():
        assert not predicted, "the manifest is gone"
        return
    # What `--resume` takes as done is there; killed without a power cut, all that was said is.
    about = next(manifest_lines(log))
    done = manifest.begin(about, resume=True)
    for name in done:
        assert (out / name).with_suffix(".png").is_file()
    if predicted:
        assert len(done) == 4 or predicted == 1, "images are forgotten"
    noted = {value for what, value in said if what == "image"}
    if killed or predicted:
        assert noted <= set(done) or predicted, "images are forgotten"


def _replace(folder: Path, say: Say) -> None:
    from pointillist.files import make_folder, new_folder, replaced_folder, write_text

    home = make_folder(folder / "a" / "b")
    for number in ("one", "two", "three"):
        write_text(home / "text", number * 500, keep=number == "three")
        say("text", number)
        with replaced_folder(home / "folder") as content:
            for name in ("x", "y"):
                (content / "below").mkdir(exist_ok=True)
                (content / "below" / name).write_text(number * 500)
        say("folder", number)
    with new_folder(home / "new") as content:
        (content / "x").write_text("x" * 2000)
    say("new")


def _check_replaced(folder: Path, said: Facts, _later: Facts, _killed: bool) -> None:
    home, order = folder / "a" / "b", ("one", "two", "three")

    def check(what: str, content: set[str]) -> None:
        done = [order.index(value) for kind, value in said if kind == what]
        allowed = order[max(done, default=0) : max(done, default=-1) + 2]
        assert content <= {number * 500 for number in allowed}, f"{what}: half, or an old one"
        assert content or not done, f"{what}: gone"

    check("text", {file.read_text() for file in home.glob("text")})
    files = sorted(home.glob("folder/below/*"))
    assert len(files) in ((2,) if (home / "folder").exists() else (0,))
    check("folder", {file.read_text() for file in files})
    if (home / "new").exists() or ("new", None) in said:
        assert (home / "new" / "x").read_text() == "x" * 2000


def _be_careless(folder: Path, say: Say) -> None:
    (folder / "text").write_text("one" * 500)
    say("text")


def _check_careless(folder: Path, said: Facts, _later: Facts, _killed: bool) -> None:
    if said:
        assert (folder / "text").read_text() == "one" * 500


SCENARIOS = {
    "files": Scenario(lambda _: None, _replace, _check_replaced),
    "careless": Scenario(lambda _: None, _be_careless, _check_careless),
    "annotator": Scenario(_images, _annotate, _check_labels),
    "training": Scenario(lambda _: None, _train, _check_run),
    "prediction": Scenario(_photos, _predict, _check_prediction),
}


def main() -> None:
    name, folder, record = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    recorder = Recorder(folder)

    def say(what: str, *values: Any) -> None:
        recorder.note(json.dumps([what, (values[0] if len(values) == 1 else list(values)) if values else None]))

    scenario = SCENARIOS[name]
    recorder.start(record)
    scenario.work(folder, say)


if __name__ == "__main__":
    main()
