"""Advice while one clicks: counted, never guessed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pointillist as pt
from pointillist.annotator.engine.jobs import LabelsJob, Said
from pointillist.annotator.engine.loaded_model import LoadedModel
from pointillist.annotator.labels.rows import PointRow
from pointillist.annotator.labels.tables import Tables
from pointillist.annotator.model import advice as module
from pointillist.annotator.model.runs import Run
from pointillist.annotator.session import Session
from pointillist.annotator.web.app import App
from pointillist.data.images import read_image
from pointillist.data.pixels import Pixels
from tests.annotator.conftest import Hand


@pytest.fixture
def work(data: Path, opened: Callable[[Path], Session]) -> Iterator[App]:
    app = App(opened(data))
    yield app
    app.learning.close()
    app.advice.close()
    app.queue.close()
    app.engine.close()


def model(app: App, monkeypatch: pytest.MonkeyPatch, soil: float, label: int = 0) -> list[LabelsJob]:
    """A model of the first two classes that finds so much soil everywhere, and one label at every point."""
    ids = tuple(row.id for row in app.session.store.reading().classes())[:2]
    run = Run(1, app.session.folder.below("runs"), 1.0, ids, ids, {}, seq=app.session.store.reading().seq())
    run.model_file.parent.mkdir(parents=True)
    run.model_file.write_text(json.dumps({"sha256": "ab" * 32, "protocol": {"steps": 7}}))
    app.live.model = run
    asked: list[LabelsJob] = []

    def answer(job: LabelsJob, *_: Any) -> Said:
        asked.append(job)
        return Said((round(1000 * soil), 1000 - round(1000 * soil)), (label,) * len(job.points))

    monkeypatch.setattr(app.engine, "run", answer)
    return asked


def test_a_class_that_covers_much_and_is_clicked_rarely(work: App, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand(work.session)
    hand.classes("soil", "berry")
    for image in range(3):
        hand.add(f"point-soil-{image}", image=f"i{image}.png")
        for number in range(6):
            hand.add(f"point-{image}-{number:03d}", number + 1.5, label="berry", image=f"i{image}.png")
    assert work.advice.find() == []  # nobody knows how much soil there is
    asked = model(work, monkeypatch, soil=0.8)
    (line,) = work.advice.find()
    assert (line["kind"], line["class"]) == ("rare", "class-soil")
    # 0.5 · 0.8 of all clicks: 4 of 10 an image.
    assert line["text"] == (
        "soil: 1 click an image, about 80 % of the pixels by the model's prediction. "
        "With 4 clicks an image it is learnt better."
    )
    assert len(asked) == 3
    assert work.advice.find() == [line]
    assert len(asked) == 3  # kept
    for image in range(3):
        for number in range(3):
            hand.add(f"point-more-{image}-{number}", 9.5, number + 1.5, image=f"i{image}.png")
    assert work.advice.find() == []


def test_answers_are_believed_before_the_model(work: App, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand(work.session)
    hand.classes("soil", "berry")
    hand.add("point-soil-0")
    for number in range(12):
        hand.add(f"point-{number:03d}", number + 1.5, label="berry")
    model(work, monkeypatch, soil=0.1)
    assert work.advice.find() == []
    told = {"source": "question", "inclusion": "0.01", "answered_by": "me", "seconds": "1"}

    def add(tables: Tables) -> None:
        for number in range(40):
            label = "class-berry" if number % 10 == 0 else "class-soil"
            row = PointRow(f"answer-{number:03d}", "i1.png", number % 30 + 0.5, 1.5, label, 1, "t", False, told)
            tables.put_point(row, number=number)

    work.session.writer.submit(add).result()
    (line,) = work.advice.find()
    assert "about 90 % of the pixels by 40 answers" in line["text"]


def test_clicks_that_the_model_knew_already(work: App, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand(work.session)
    hand.classes("soil", "berry")
    hand.add("point-soil-0")
    hand.add("point-berry", label="berry")
    model(work, monkeypatch, soil=0.5, label=1)
    for number in range(module.LEAST - 1):
        hand.add(f"point-{number:03d}", number + 1.5, label="berry")
        hand.add(f"point-s{number:03d}", number + 1.5, 9.5, label="soil", image="i1.png")
    assert work.advice.find() == []
    hand.add("point-last", 20.5, label="berry")
    hand.add("point-s-last", 20.5, label="soil", image="i1.png")
    (line,) = work.advice.find()  # soil is where it errs
    assert (line["kind"], line["class"]) == ("enough", "class-berry")
    assert "right at 10 of 10 newest clicks" in line["text"]


def test_what_the_model_says_is_its_prediction(tiny_data: Path, tmp_path: Path) -> None:
    settings = {"trainer.steps": 30, "trainer.device": "cpu", "trainer.validations": 0, "data.size": "48x64"}
    run = pt.train(pt.load(tiny_data), out=tmp_path / "run", settings=settings)
    image = tiny_data / "images" / "tiny_0.png"
    labels = pt.Predictor(run).predict(read_image(image)).labels
    points = np.array([[0.0, 0.0], [63.9, 47.9], [20.5, 30.5], [40.5, 10.5]])
    said = LoadedModel(run.root).said(Pixels(read_image(image)), points)
    assert said.pixels == tuple(np.bincount(labels.ravel(), minlength=3).tolist())
    assert said.at == tuple(int(labels[int(y), int(x)]) for x, y in points)
