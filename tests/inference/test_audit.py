"""`audit`: questions on images that were not learnt from, and what their answers say."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pointillist as pt
from pointillist.api import evaluate, load, train_config
from pointillist.errors import PointsError, RunError
from pointillist.inference.audit import audit
from pointillist.inference.predictor import Predictor
from pointillist.inference.unlearnt import learnt_images, read_answers
from pointillist.points.formats.native import NativeCsv, write_csv
from pointillist.points.table import Point, PointTable
from pointillist.training.config import make_config
from pointillist.training.run_directory import RunDirectory
from tests.conftest import CLASSES, TINY, Cli, write_tiny

FOREST = {"method": "forest", "data.size": "48x64", "trainer.device": "cpu", "trainer.snapshots": 0}
COLUMNS = ("source", "inclusion", "answer")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set of 2 + 6 images and two runs on it."""
    folder = tmp_path_factory.mktemp("audited")
    data = load(write_tiny(folder / "data", train=2, val=6))
    train_config(make_config(None, FOREST), data, folder / "forest")
    settings = {**TINY, "method": "points", "trainer.epochs": 1, "trainer.snapshots": 0}
    train_config(make_config(None, settings), data, folder / "points")
    return folder


def all_pixels(data: Path, images: list[str]) -> PointTable:
    """Every pixel as a question, answered by the mask; every 7th answer is unsure."""
    named, unnamed = [], []
    for image in images:
        mask = np.asarray(Image.open(data / "masks" / image))
        for row, column in np.ndindex(mask.shape):
            known = (row * 64 + column) % 7 > 0
            extra = {"source": "question", "inclusion": "1", "answer": "" if known else "unsure"}
            label = CLASSES.names[mask[row, column]] if known else ""
            (named if known else unnamed).append(Point(image, column + 0.5, row + 0.5, label, extra))
    return PointTable(named, COLUMNS, unnamed=unnamed)


def test_all_pixels_give_what_evaluate_gives(home: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(home / "data", data)
    images = ["tiny_2.png", "tiny_3.png"]
    (data / "splits" / "val.txt").write_text("\n".join(images) + "\n")
    write_csv(all_pixels(data, images), tmp_path / "all.csv")
    for image in images:
        mask = np.array(Image.open(data / "masks" / image))
        mask.ravel()[::7] = 255
        Image.fromarray(mask).save(data / "masks" / image)
    dataset, run = load(data), RunDirectory(home / "forest")
    asked = read_answers([run], dataset, [tmp_path / "all.csv"])
    (found,) = audit([Predictor(run)], asked)
    scored = evaluate(run, dataset)
    # Weighted by the areas of the map, ignored pixels are known to 1 in 7 only, not exactly.
    assert found.figures["accuracy"].value == pytest.approx(scored.scores.pixel_accuracy, abs=1e-3)
    assert found.figures["miou"].value == pytest.approx(scored.miou, abs=1e-3)
    for label in range(3):
        for name, truth in (
            ("iou", scored.scores.iou),
            ("precision", scored.scores.precision),
            ("recall", scored.scores.recall),
            ("area", np.array(scored.scores.pixels) / sum(scored.scores.pixels)),
        ):
            assert found.figures[f"{name} {label}"].value == pytest.approx(truth[label], abs=2e-3), (name, label)
    assert found.figures["left out"].value == pytest.approx(1 / 7, abs=1e-3)
    assert found.counts["unsure"] == 2 * -(-48 * 64 // 7)


def test_questions_that_were_learnt_from_never_count(cli: Cli, tmp_path: Path) -> None:
    """The answers are the training's own points.csv; those on other images count, and them alone."""
    data = write_tiny(tmp_path / "data", train=2, val=2)
    names = [f"tiny_{n}.png" for n in range(4)]
    asked = cli("ask", data, "--per-image", "30", "--split", "all", "--from-masks", "--out", tmp_path / "all.csv")
    assert asked.code == 0, asked.err
    table = NativeCsv().read(tmp_path / "all.csv")
    (data / "splits" / "val.txt").unlink()
    (data / "splits" / "train.txt").unlink()
    learnt = PointTable([point for point in table if point.image in names[:2]], table.columns)
    write_csv(learnt, data / "points.csv")
    train_config(make_config(None, FOREST), load(data), tmp_path / "run")
    assert learnt_images(RunDirectory(tmp_path / "run"), load(data)) == set(names[:2])

    refused = cli("audit", tmp_path / "run", data, "--answers", data / "points.csv")
    assert refused.code == 2
    assert "60 on images that the model has learnt from" in refused.err
    assert "held back" in refused.err
    mixed = cli("audit", tmp_path / "run", data, "--answers", tmp_path / "all.csv")
    assert "60 questions are on images that the model has learnt from; they do not count" in " ".join(mixed.out.split())
    content = json.loads((tmp_path / "run" / "audit.json").read_text())
    write_csv(PointTable([point for point in table if point.image in names[2:]], table.columns), tmp_path / "other.csv")
    assert cli("audit", tmp_path / "run", data, "--answers", tmp_path / "other.csv").code == 0
    again = json.loads((tmp_path / "run" / "audit.json").read_text())
    assert content["questions"].pop("on_images_learnt_from") == 60
    assert again["questions"].pop("on_images_learnt_from") == 0
    assert content == again
    # Nor is anything asked about them.
    assert cli("audit", tmp_path / "run", data, "--questions", "40", "--out", tmp_path / "new.csv").code == 0
    assert set(NativeCsv().read(tmp_path / "new.csv").listed) == set(names[2:])


def test_nothing_can_be_asked_where_all_was_learnt_from(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    (tiny_data / "splits" / "val.txt").unlink()
    (tiny_data / "splits" / "train.txt").unlink()
    train_config(make_config(None, FOREST), load(tiny_data), tmp_path / "run")
    done = cli("audit", tmp_path / "run", tiny_data)
    assert done.code == 2
    assert "learnt from every image of 'all' (6)" in done.err
    assert "splits/val.txt" in done.err


def test_a_run_that_kept_no_names_knows_them_by_its_clicks_alone(home: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(home / "forest", run.root)
    run.images.unlink()
    data = load(home / "data")
    assert learnt_images(run, data) == {"tiny_0.png", "tiny_1.png"}
    points = list(data.points)
    changed = dataclasses.replace(data, points=PointTable(points[1:]))
    with pytest.raises(RunError, match="does not keep"):
        learnt_images(run, changed)
    run.images.write_text('{"a": 1}')
    with pytest.raises(RunError, match="no list"):
        learnt_images(run, data)


def test_from_questions_to_the_page(cli: Cli, home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(home / "forest", run)
    data = tmp_path / "data"
    shutil.copytree(home / "data", data)
    first = cli("audit", run, data)
    assert first.code == 0, first.err
    assert "wrote 198 questions on 6 of 6 images of 'val'" in first.out
    unanswered = cli("audit", run, data)
    assert unanswered.code == 2
    assert "198 without an answer" in unanswered.err
    assert cli("audit", run, data, "--questions", "50").code == 2  # it is there already

    with (data / "audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    order = list(dict.fromkeys(row["image"] for row in rows))
    assert order != sorted(order)  # who stops half way has answered about images drawn by chance
    for number, row in enumerate(rows[:120]):
        mask = np.asarray(Image.open(home / "data" / "masks" / row["image"]))
        row["class"] = CLASSES.names[mask[int(float(row["y"])), int(float(row["x"]))]]
        if number % 40 == 0:
            row |= {"class": "", "answer": "border"}
    with (data / "audit.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    for _ in range(2):
        done = cli("audit", run, data)
        assert done.code == 0, done.err
    said = " ".join(done.out.split())
    assert "120 answers on 4 of 6 images" in said
    assert "3 answers are ‘unsure’ or ‘border’" in said
    assert "78 questions have no answer yet" in said
    assert "would halve the interval" in said.lower()
    content = json.loads((run / "audit.json").read_text())
    assert (content["questions"]["counted"], content["questions"]["border"], content["images"]) == (
        120,
        3,
        {"asked": 4, "of": 6},
    )
    low, high = content["accuracy"]["interval"]
    assert 0.9 < low < content["accuracy"]["value"] <= high
    assert content["accuracy"]["interval_other_images"][0] <= low
    page, report = (run / "audit.html").read_text(), (run / "report.html").read_text()
    assert report.count("How good is it, by your answers?") == page.count("How good is it, by your answers?") == 1
    assert f"{content['miou']['value']:.3f}" in report
    assert "<script" not in page


def test_truth_beside_the_estimate(cli: Cli, home: Path, tmp_path: Path) -> None:
    done = cli("audit", home / "forest", home / "data", "--from-masks", "--strategy", "mixed", "--out", tmp_path / "q")
    assert done.code == 2  # only a .csv can be read again
    arguments = ["--from-masks", "--strategy", "mixed", "--out", tmp_path / "q.csv", "--json", tmp_path / "a.json"]
    done = cli("audit", home / "forest", home / "data", *arguments, "--report", tmp_path / "a.html")
    assert done.code == 0, done.err
    scored = evaluate(home / "forest", home / "data")
    assert f"│ {scored.miou:.3f} │" in done.out
    assert f"│ {scored.scores.pixel_accuracy:.3f} │" in done.out
    wrong = cli("audit", home / "forest", home / "data", "--answers", tmp_path / "q.csv", "--seed", "1")
    assert "not both" in wrong.err


def test_draws_count_in_proportion_to_their_questions(cli: Cli, home: Path, tmp_path: Path) -> None:
    files = []
    for seed, questions in ((0, 30), (1, 120)):
        files.append(tmp_path / f"{seed}.csv")
        arguments = ["--questions", questions, "--seed", seed, "--from-masks", "--out", files[-1]]
        assert cli("audit", home / "forest", home / "data", *arguments).code == 0
    asked = read_answers([RunDirectory(home / "forest")], load(home / "data"), files)
    # Pixels of evenly drawn questions all stand for as much, however they were drawn; cells differ by some pixels.
    assert len(asked.weights) == 150
    assert asked.weights == pytest.approx(np.ones(150), rel=0.25)


def test_models_are_compared_on_the_same_answers(cli: Cli, home: Path, tmp_path: Path) -> None:
    answers = tmp_path / "q.csv"
    asked = cli(
        "audit", home / "forest", home / "data", "--from-masks", "--out", answers, "--json", tmp_path / "0.json"
    )
    assert asked.code == 0, asked.err
    assert cli("audit", home / "points", home / "data", "--answers", answers, "--json", tmp_path / "1.json").code == 0
    found = pt.audit(home / "forest", home / "data", answers)
    assert found.to_json() == (tmp_path / "0.json").read_text()
    done = cli(
        *("compare", home / "forest", home / "points", home / "data", "--answers", answers),
        *("--json", tmp_path / "both.json", "--report", tmp_path / "both.html"),
    )
    assert done.code == 0, done.err
    first, second = json.loads((tmp_path / "both.json").read_text())["models"]
    alone = [json.loads((tmp_path / f"{n}.json").read_text()) for n in range(2)]
    assert [first["miou"], second["miou"]] == pytest.approx([one["miou"]["value"] for one in alone])
    assert second["miou_interval"] == pytest.approx(alone[1]["miou"]["interval"])
    assert second["difference"] == pytest.approx(second["miou"] - first["miou"])
    low, high = second["difference_interval"]
    assert low < second["difference"] < high
    assert second["accuracy_difference"]["value"] < 0
    assert first["difference_interval"] == [0, 0]
    assert "worse" in (tmp_path / "both.html").read_text()
    files = cli("compare", tmp_path / "0.json", tmp_path / "1.json", "--answers", answers)
    assert (files.code, "cannot be judged" in files.err) == (2, True)


def test_what_is_no_answer(home: Path, tmp_path: Path) -> None:
    run, data = RunDirectory(home / "forest"), load(home / "data")
    write_csv(PointTable([Point("tiny_2.png", 1, 1, "disc")]), tmp_path / "clicks.csv")
    with pytest.raises(PointsError, match="no questions"):
        read_answers([run], data, [tmp_path / "clicks.csv"])
    extra = {"source": "question", "inclusion": "0.5", "answer": ""}
    write_csv(PointTable([Point("tiny_2.png", 1, 1, "disc", extra)], COLUMNS), tmp_path / "q.csv")
    other = dataclasses.replace(data, splits=data.splits | {"other": ("tiny_3.png",)})
    with pytest.raises(PointsError, match="counts: 1 on images outside 'other'"):
        read_answers([run], other, [tmp_path / "q.csv"], "other")
