"""Questions in the annotator: none is lost or moved, answers are points, and each tab asks on."""

from __future__ import annotations

import csv
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pointillist.annotator.labels import cost
from pointillist.annotator.labels.store import Store
from pointillist.annotator.model.questions import Questions
from pointillist.annotator.session import Session
from pointillist.data.ask import ask
from pointillist.data.layouts import load_dataset
from pointillist.points.formats.native import NativeCsv
from tests.annotator.conftest import HEIGHT, WIDTH, Hand, Live, Serve
from tests.annotator.test_store import VERSION_0_1

Open = Callable[[Path], Session]

HEADER = "image,x,y,class,who,source,inclusion,answer,answered_by,seconds"
CLICK = "i0.png,1.5,2.5,berry,Ada,,,,,"
NAMED = "i0.png,3.5,4.5,soil,,question,0.0078125,,Ben,1.25"
UNSURE = "i0.png,5.5,6.5,,,question,0.0078125,unsure,,3.5"
OPEN = "i1.png,7.5,8.5,,kept,question,0.015625,,,"
STRAY = "gone.png,9.5,9.5,,,question,0.5,border,Ben,0.75"
ROWS = [CLICK, NAMED, UNSURE, OPEN, STRAY]


def rows(data: Path) -> Counter[str]:
    """Lines of points.csv, read as the standard library reads them, in the order of the columns above."""
    with (data / "points.csv").open(newline="") as stream:
        return Counter(",".join(row[name] for name in HEADER.split(",")) for row in csv.DictReader(stream))


def at(session: Session, x: float) -> str:
    """Id of the question at this place."""
    return next(row.id for row in session.store.reading().questions() if row.x == x)


def class_named(session: Session, name: str) -> str:
    return next(row.id for row in session.store.reading().classes() if row.name == name)


@pytest.fixture
def asked(data: Path, opened: Open) -> Hand:
    """A tab on a folder with a click and questions of every kind."""
    (data / "points.csv").write_text("\n".join((HEADER, *ROWS)) + "\n")
    return Hand(opened(data))


def test_nothing_is_lost_or_changed(asked: Hand, data: Path, opened: Open) -> None:
    session = asked.session
    assert rows(data) == Counter(ROWS)
    # A click, a class renamed, and another program's edits: a click, and an answer by hand.
    asked.do("add", point="point-01", image=asked.image("i2.png"), x=2, y=3, class_=class_named(session, "soil"))
    asked.do("class-rename", class_=class_named(session, "soil"), name="earth")
    session.files.flush()
    earth, click = NAMED.replace("soil", "earth"), "i2.png,2.0,3.0,earth,,,,,,"
    assert rows(data) == Counter([CLICK, earth, UNSURE, OPEN, STRAY, click])
    theirs = OPEN.replace(",,kept,", ",berry,kept,").replace("0.015625,,,", "0.015625,,Cleo,2.0")
    text = (data / "points.csv").read_text()
    (data / "points.csv").write_text(text.replace(OPEN, theirs) + "i2.png,4.0,4.0,leaf,,,,,,\n")
    question = at(session, 7.5)
    session.files.flush()
    assert at(session, 7.5) == question
    asked.do("class-merge", class_=class_named(session, "berry"), into=class_named(session, "leaf"))
    session.close()
    merged = [row.replace("berry", "leaf") for row in (CLICK, earth, UNSURE, theirs, STRAY, click)]
    expected = Counter([*merged, "i2.png,4.0,4.0,leaf,,,,,,"])
    assert rows(data) == expected
    # The store is lost: the file alone gives everything back.
    shutil.rmtree(data / ".pointillist")
    opened(data).close()
    assert rows(data) == expected


def test_points_are_what_names_a_class(asked: Hand) -> None:
    session = asked.session
    project = session.project()
    assert project["images"]["points"] == 2
    assert {entry["name"]: entry["points"] for entry in project["classes"]} == {"berry": 1, "soil": 1}
    points = session.points("i0.png")["points"]
    assert [point["question"] for point in points] == [None, {"seconds": "1.25", "answered_by": "Ben"}]
    assert session.points("i1.png")["points"] == []


def test_answers_undo_and_redo(asked: Hand, data: Path) -> None:
    session = asked.session
    question, soil = at(session, 7.5), class_named(session, "soil")
    answer = asked.op("answer", point=question, class_=soil, seconds=1.234, answered_by="Dan")
    (done,) = asked.send(answer)
    assert done.status == "done"
    assert asked.send(answer)[0].status == "repeated"
    session.files.flush()
    assert rows(data)["i1.png,7.5,8.5,soil,kept,question,0.015625,,Dan,1.23"] == 1
    asked.do("reopen", point=question)
    session.files.flush()
    assert rows(data) == Counter(ROWS)
    asked.do("answer", point=question, answer="border")
    session.files.flush()
    assert rows(data)["i1.png,7.5,8.5,,kept,question,0.015625,border,,"] == 1
    # An answer that is corrected.
    asked.do("relabel", point=question, class_=soil)
    session.files.flush()
    assert rows(data)["i1.png,7.5,8.5,soil,kept,question,0.015625,,,"] == 1
    assert len(NativeCsv().read(data / "points.csv")) == 3


def test_a_question_stays_where_chance_put_it(asked: Hand, data: Path) -> None:
    named, click = at(asked.session, 3.5), asked.session.points("i0.png")["points"][0]["id"]
    for refused in (
        asked.do("move", point=named, x=1, y=1),
        asked.do("delete", point=named),
        asked.do("answer", point=click, answer="unsure"),
        asked.do("reopen", point=click),
        asked.do("answer", point=named, class_="class-nothing"),
    ):
        assert refused.status == "rejected"
    asked.session.files.flush()
    assert rows(data) == Counter(ROWS)


def test_an_answer_that_another_changed_unseen_is_not_taken_back(asked: Hand) -> None:
    other, question = Hand(asked.session, "tab-two-0"), at(asked.session, 7.5)
    seen = asked.do("answer", point=question, answer="unsure")
    assert seen.seq is not None
    other.do("answer", point=question, class_=class_named(asked.session, "soil"))
    assert asked.do("reopen", point=question, base=seen.seq).status == "kept"


@pytest.mark.parametrize("here", ["answered", "taken back", "untouched"])
@pytest.mark.parametrize("there", ["answered", "untouched", "removed"])
def test_a_question_stays_one_when_two_hands_answer_it(
    asked: Hand, data: Path, monkeypatch: pytest.MonkeyPatch, here: str, there: str
) -> None:
    """One in the page, one in the file, before either knows of the other."""
    session = asked.session
    before = NAMED if here == "taken back" else OPEN
    question = at(session, 3.5 if here == "taken back" else 7.5)
    session.files.flush()
    monkeypatch.setattr(session.files, "changed", lambda: None)
    mine, theirs = before, before
    if here == "answered":
        asked.do("answer", point=question, class_=class_named(session, "soil"), seconds=2)
        mine = OPEN.replace(",,kept,", ",soil,kept,").replace("0.015625,,,", "0.015625,,,2.00")
    elif here == "taken back":
        asked.do("reopen", point=question)
        mine = "i0.png,3.5,4.5,,,question,0.0078125,,,"
    text = (data / "points.csv").read_text()
    if there == "answered":
        theirs = "{},{},{},berry,{},question,{},,Eve,9".format(*(before.split(",")[i] for i in (0, 1, 2, 4, 6)))
        text = text.replace(before, theirs)
    elif there == "removed":
        text = text.replace(before + "\n", "")
    (data / "points.csv").write_text(text + "i2.png,9.0,9.0,leaf,,,,,,\n")
    session.files.flush()
    others = [row for row in ROWS if row != before] + ["i2.png,9.0,9.0,leaf,,,,,,"]
    if there == "removed" and here == "untouched":
        assert rows(data) == Counter(others)
    else:
        # Of two answers, the one in the page is in the right.
        assert rows(data) == Counter([*others, theirs if there == "answered" and here != "answered" else mine])
        assert at(session, float(before.split(",")[1])) == question


def test_a_store_of_version_0_1_learns_questions(tmp_path: Path, opened: Open) -> None:
    data = tmp_path / "annotated"
    shutil.copytree(VERSION_0_1, data)
    before = (data / "points.csv").read_text().splitlines()
    rows_with = [f"{before[0]},source,inclusion", *(f"{row},," for row in before[1:])]
    more = ["tiny_0.png,1.5,1.5,square,question,0.25", "tiny_0.png,2.5,2.5,,question,0.25"]
    (data / "points.csv").write_text("\n".join([*rows_with, *more]) + "\n")
    with sqlite3.connect(data / ".pointillist" / "annotator.sqlite") as store:
        # A named one came in before this version.
        told = '{"source": "question", "inclusion": "0.25", "seconds": "4"}'
        store.execute("UPDATE points SET extra=? WHERE image='tiny_1.png'", (told,))
    store.close()
    with closing(Store(data / ".pointillist" / "annotator.sqlite")) as upgraded:
        questions = upgraded.reading().questions()
        assert {row.image for row in questions} == {"tiny_1.png"}
        assert upgraded.reading().seconds_per_answer() == 4
    shutil.copyfile(VERSION_0_1 / ".pointillist" / "annotator.sqlite", data / ".pointillist" / "annotator.sqlite")
    session = opened(data)
    assert sorted(row.label == "" for row in session.store.reading().questions()) == [False, True]
    session.close()
    assert sorted((data / "points.csv").read_text().splitlines()[1:]) == sorted([*rows_with[1:], *more])


# Asking


def test_they_are_those_of_pointillist_ask(hand: Hand, data: Path) -> None:
    questions = Questions(hand.session)
    assert questions.draw("draw-0001", None, 4, 100) == 12
    assert questions.draw("draw-0001", None, 4, 100) == 0
    assert questions.draw("draw-0002", None, 4, 100) == 0  # some are open
    hand.session.files.flush()
    dataset = load_dataset(data)
    drawn = ask(dataset, per_image=4)
    found = {(p.image, p.x, p.y, p.extra["inclusion"]) for p in dataset.points.unnamed}
    assert found == {(p.image, p.x, p.y, p.extra["inclusion"]) for p in drawn.unnamed}
    assert hand.session.changes(0, 100)["changes"][-1]["op"]["kind"] == "ask"


def test_images_in_turn_and_one_alone(hand: Hand) -> None:
    questions = Questions(hand.session)
    questions.draw("draw-0001", None, 3, 100)
    told = questions.listed("tab-one-0", None, 100)
    images = [question["image"] for question in told["questions"]]
    assert (told["open"], told["answered"], len(images)) == (9, 0, 9)
    assert all(len(set(images[turn : turn + 3])) == 3 for turn in (0, 3, 6))
    assert all(told["images"][image]["levels"] for image in images)
    # An image whose first question has been answered waits until the others have caught up.
    first = told["questions"][0]
    hand.do("answer", point=first["id"], answer="unsure")
    after = questions.listed("tab-one-0", None, 100)
    assert (after["open"], after["answered"]) == (8, 1)
    assert len({question["image"] for question in after["questions"][:2]} | {first["image"]}) == 3
    alone = questions.listed("tab-one-0", "i1.png", 100)
    assert {question["image"] for question in alone["questions"]} == {hand.image("i1.png")}
    # More on one image, from another draw, only when none of it is open.
    for question in alone["questions"]:
        hand.do("answer", point=question["id"], answer="border")
    assert questions.draw("draw-0002", "i1.png", 2, None) == 2
    assert len(hand.session.store.reading().questions()) == 11


def test_a_budget_chooses_images_and_a_split_those_that_are_learnt_from(data: Path, opened: Open) -> None:
    (data / "splits").mkdir()
    (data / "splits" / "val.txt").write_text("i1.png\n")
    session = opened(data)
    assert Questions(session).draw("draw-0001", None, 5, 5) == 5
    (image,) = {row.image for row in session.store.reading().questions()}
    assert image != "i1.png"
    # One image of two.
    weight = sum(1 / float(row.extra["inclusion"]) for row in session.store.reading().questions())
    assert weight == pytest.approx(2 * HEIGHT * WIDTH, rel=0.1)


def test_the_median_is_among_the_costs(asked: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    session = asked.session
    now = [1000.0]
    monkeypatch.setattr(cost, "time", lambda: now[0])
    assert session.cost() | {"minutes": 0} == {
        **{"clicks": 0, "minutes": 0, "seconds_per_click": None},
        **{"answers": 3, "seconds_per_answer": 1.25},
    }
    asked.do("answer", point=at(session, 7.5), answer="unsure", seconds=2)
    assert session.cost()["seconds_per_answer"] == pytest.approx(1.625, abs=0.01)
    asked.do("reopen", point=at(session, 5.5))
    assert (session.cost()["answers"], session.cost()["seconds_per_answer"]) == (3, 1.25)
    # The time for answers is work, but no click's.
    click = {"image": asked.image(), "class_": class_named(session, "soil")}
    asked.do("add", point="point-01", x=1, y=1, **click)
    now[0] += 6
    asked.do("add", point="point-02", x=2, y=2, **click)
    now[0] += 12
    asked.do("answer", point=at(session, 5.5), answer="unsure")
    assert (session.cost()["seconds_per_click"], session.cost()["minutes"]) == (3.0, 0.3)


def test_questions_of_a_file_come_in_and_go_out(asked: Hand, data: Path, tmp_path: Path) -> None:
    session = asked.session
    file = tmp_path / "questions.csv"
    new = "i2.png,3.5,3.5,,,question,0.25,,,"
    answered = OPEN.replace(",,kept,", ",soil,,")
    file.write_text("\n".join([HEADER, new, answered, NAMED, NAMED.replace("question", "")]) + "\n")
    told = session.transfer.take_in(file, None, {}, add_classes=True)
    assert (told["total"], told["imported"], told["already_there"]) == (4, 3, 1)
    session.files.flush()
    click = "i0.png,3.5,4.5,soil,,,0.0078125,,Ben,1.25"
    kept = OPEN.replace(",,kept,", ",soil,kept,")
    assert rows(data) == Counter([CLICK, NAMED, UNSURE, kept, STRAY, new, click])
    _, content = session.transfer.give_out("csv", {})
    (data / "points.csv").write_bytes(content)
    assert rows(data) == Counter([CLICK, NAMED, UNSURE, kept, new, click])


def test_the_way_of_the_page(data: Path, serve: Serve) -> None:
    live: Live = serve(data)
    folder = live.session.catalogue.folder_id
    wish: dict[str, Any] = {"id": "draw-0001", "folder": folder, "per_image": 2, "budget": 100}
    assert live.client.post("/api/questions", json=wish).json() == {"drawn": 6}
    assert live.client.post("/api/questions", json={**wish, "folder": "0" * 24}).status_code == 409
    assert live.client.post("/api/questions", json={**wish, "image": "0" * 24}).status_code == 404
    assert live.client.post("/api/questions", json={**wish, "per_image": 0}).status_code == 400
    told = live.client.get("/api/questions?client=tab-one-0&limit=4").json()
    assert (told["open"], len(told["questions"])) == (6, 4)
    answer = {"id": "op-answer", "kind": "answer", "point": told["questions"][0]["id"], "answer": "unsure"}
    body = {"client": "tab-one-0", "ops": [{**answer, "seconds": 1.5}]}
    told = live.client.post("/api/ops", json=body).json()
    assert (told["results"][0]["status"], told["cost"]["seconds_per_answer"]) == ("done", 1.5)
    assert told["results"][0]["point"]["deleted"]  # it is none of the points
    for wrong in ({"class": "class-soil"}, {"answer": "maybe"}, {"seconds": -1}, {"answered_by": "a\nb"}):
        refused = {"client": "tab-one-0", "ops": [{**answer, "id": "op-wrong", **wrong}]}
        assert live.client.post("/api/ops", json=refused).status_code == 400
