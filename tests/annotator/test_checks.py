"""Audits and checks of clicks in the annotator: kept apart from what is learnt, right, and no click waits for them."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pointillist.annotator.labels.rows import AUDIT, DRAW, PointRow
from pointillist.annotator.model.audits import Audits, _add
from pointillist.annotator.model.work import Work
from pointillist.annotator.session import Session
from pointillist.inference import audit as by_command
from pointillist.inference.predictor import Predictor
from pointillist.points.questions import INCLUSION, QUESTION, SOURCE
from tests.annotator.conftest import Hand, Live, Serve
from tests.annotator.test_training import start, wait
from tests.conftest import CLASSES, Cli, write_tiny

Open = Callable[[Path], Session]


def ask_audit(session: Session, *places: tuple[str, float, float]) -> None:
    """Questions of an audit, as the work would bring them."""
    extra = {SOURCE: QUESTION, INCLUSION: "0.01", AUDIT: "", DRAW: "1"}
    rows = [PointRow("", name, x, y, "", 0, "audit", False, extra) for name, x, y in places]
    session.writer.submit(lambda tables: _add(tables, rows, None)).result()


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_answers_of_an_audit_are_no_points(hand: Hand, data: Path) -> None:
    session = hand.session
    audits = Audits(session, Work(session, lambda _: None), lambda: None)
    hand.add("point-01")
    before = session.project()
    ask_audit(session, ("i0.png", 3.5, 4.5), ("i1.png", 5.5, 6.5), ("i2.png", 7.5, 8.5))
    first, second, _ = session.store.reading().questions(audit=True)
    told = {"seconds": 2.5, "answered_by": "Ada"}
    assert hand.do("audit-answer", point=first.id, class_="class-berry", **told).status == "done"
    assert hand.do("audit-answer", point=second.id, answer="unsure").status == "done"
    # Neither points, nor questions to be learnt from, nor costs of the labels.
    after = session.project()
    assert {key: after[key] for key in ("classes", "images", "cost")} == {
        key: before[key] for key in ("classes", "images", "cost")
    }
    tables = session.store.reading()
    assert [row.id for row in tables.points_of("i0.png")] == ["point-01"]
    assert not tables.questions()
    assert not tables.open_questions()
    session.files.flush()
    assert [row["x"] for row in table(data / "points.csv")] == ["1.5"]
    # They stand in a file of their own, which another program may go on with.
    audits.write()
    assert [(row["image"], row["class"], row["answer"], row["seconds"]) for row in table(data / "audit.csv")] == [
        ("i0.png", "berry", "", "2.50"),
        ("i1.png", "", "unsure", ""),
        ("i2.png", "", "", ""),
    ]
    text = (data / "audit.csv").read_text()
    (data / "audit.csv").write_text(text.replace("i2.png,7.5,8.5,,", "i2.png,7.5,8.5,soil,"))
    audits.write()
    status = audits.status()
    assert (status["open"], status["answered"]) == (0, 3)
    # Undone here stays undone, whatever the file says; a merged class is what it became.
    hand.do("audit-reopen", point=first.id)
    audits.write()
    assert audits.status()["open"] == 1
    hand.do("audit-answer", point=first.id, class_="class-berry")
    audits.write()
    hand.do("class-merge", class_="class-berry", into="class-soil")
    audits.write()
    found = {row["image"]: row["class"] for row in table(data / "audit.csv")}
    assert found == {"i0.png": "soil", "i1.png": "", "i2.png": "soil"}


def test_what_is_no_question_of_an_audit_takes_no_such_answer(hand: Hand) -> None:
    hand.add("point-01")
    ask_audit(hand.session, ("i0.png", 3.5, 4.5))
    (row,) = hand.session.store.reading().questions(audit=True)
    refused = [
        hand.do("audit-answer", point="point-01", class_="class-soil"),
        hand.do("answer", point=row.id, class_="class-soil"),
        hand.do("relabel", point=row.id, class_="class-soil"),
        hand.do("move", point=row.id, x=1, y=1),
        hand.do("delete", point=row.id),
    ]
    assert [one.status for one in refused] == ["rejected"] * 5
    assert not hand.session.store.reading().questions(audit=True)[0].answered


def test_a_file_that_cannot_be_read_is_left_alone(hand: Hand, data: Path) -> None:
    audits = Audits(hand.session, Work(hand.session, lambda _: None), lambda: None)
    text = "image,x,y,class,source,inclusion,who\ni0.png,1.5,1.5,tree,question,0.1,Ada\n"
    (data / "audit.csv").write_text(text)
    audits.open()
    assert "'tree'" in audits.status()["problem"]["found"]
    audits.close()
    assert (data / "audit.csv").read_text() == text
    # Mended, it is taken in with all that its owner keeps there.
    (data / "audit.csv").write_text(text.replace("tree", "soil"))
    audits.open()
    assert (audits.status()["problem"], audits.status()["answered"]) == (None, 1)
    assert [(row["class"], row["who"]) for row in table(data / "audit.csv")] == [("soil", "Ada")]


def work_done(live: Live) -> dict[str, Any]:
    """Wait until the work is done."""
    while True:
        status: dict[str, Any] = live.client.get("/api/work").json()
        if status["state"] != "running":
            assert status["state"] == "done", status
            return status
        time.sleep(0.1)


@pytest.mark.long
def test_from_a_model_to_what_it_is_worth(tmp_path: Path, serve: Serve, cli: Cli) -> None:
    data = write_tiny(tmp_path / "tiny", val=4)
    live = serve(data)
    client = live.client
    for path, body in (("audit/questions", {"id": "op-audit-0", "questions": 20}), ("checks", {})):
        answer = client.post(f"/api/{path}", json=body)
        assert (answer.status_code, "no model" in answer.json()["error"]["found"]) == (409, True)
    folder = client.get("/api/project").json()["id"]
    unsure = {"folder": folder, "per_image": 4, "budget": 8, "strategy": "mixed"}
    assert "no model" in client.post("/api/questions", json={"id": "op-ask-01", **unsure}).json()["error"]["found"]
    start(live, 3)
    wait(live, lambda status: status["state"] == "done")

    # Questions on images that were not learnt from, and on no other.
    client.post("/api/audit/questions", json={"id": "op-audit-1", "questions": 40}).raise_for_status()
    work_done(live)
    client.post("/api/audit/questions", json={"id": "op-audit-1", "questions": 40}).raise_for_status()
    work_done(live)  # the same operation twice draws once
    rows = live.session.store.reading().questions(audit=True)
    assert len(rows) == 40
    assert {row.image for row in rows} <= {f"tiny_{index}.png" for index in range(4, 8)}
    listed = client.get("/api/audit/questions", params={"client": "tab-one-0"}).json()
    assert (listed["open"], len(listed["questions"])) == (40, 40)

    # Answered with the masks; the figures are those of the command, and the interval covers the truth.
    ids = {one["name"]: one["id"] for one in client.get("/api/project").json()["classes"]}
    ops, right, pixels = [], 0, 0
    predictor = Predictor(data / ".pointillist" / "runs" / "0001")
    for number, row in enumerate(rows):
        place = int(row.y), int(row.x)
        real = int(np.asarray(Image.open(data / "masks" / row.image))[place])
        label = {"class": ids[CLASSES.names[real]]} if real < 3 else {"answer": "unsure"}
        ops.append({"id": f"op-truth-{number}", "kind": "audit-answer", "point": row.id, **label})
    client.post("/api/ops", json={"client": "tab-one-0", "ops": ops}).raise_for_status()
    for index in range(4, 8):
        mask = np.asarray(Image.open(data / "masks" / f"tiny_{index}.png"))
        found = predictor.predict(data / "images" / f"tiny_{index}.png").labels
        right += int((found == mask).sum())
        pixels += int((mask < 3).sum())
    client.post("/api/audit", json={}).raise_for_status()
    work_done(live)
    status = client.get("/api/audit").json()
    result = status["result"]
    assert (status["open"], status["answered"], status["stale"]) == (0, 40, False)
    low, high = result["accuracy"]["interval"]
    assert low < right / pixels < high
    assert set(result["per_class"]) == set(CLASSES.names)
    assert "none of which the model has learnt from" in result["said"][0]
    run = data / ".pointillist" / "runs" / "0001"
    said = cli("audit", run, data, "--answers", data / "audit.csv", "--json", tmp_path / "cli.json")
    assert said.code == 0, said.err
    theirs = json.loads((tmp_path / "cli.json").read_text())
    assert {key: result[key] for key in theirs} == theirs
    assert by_command.QUESTIONS == "audit.csv"
    # What was answered for the audit is no label.
    live.session.files.flush()
    assert not any(row["image"] in ("tiny_6.png",) and row.get("source") for row in table(data / "points.csv"))
    reopened = {"id": "op-reopen-1", "kind": "audit-reopen", "point": rows[0].id}
    client.post("/api/ops", json={"client": "tab-one-0", "ops": [reopened]}).raise_for_status()
    assert client.get("/api/audit").json()["stale"]

    # Questions where the model is unsure, with probabilities that are known.
    answer = client.post("/api/questions", json={"id": "op-ask-02", **unsure})
    assert answer.json() == {"drawn": None}
    work_done(live)
    asked = live.session.store.reading().questions()
    assert len(asked) == 8
    assert len({row.extra[INCLUSION] for row in asked}) > 2

    # Clicks that contradict the others.
    client.post("/api/checks", json={}).raise_for_status()
    while client.get("/api/work").json()["state"] == "running":
        began = time.perf_counter()
        click = {"id": f"op-{began:.6f}".replace(".", "-"), "kind": "verdict", "entry": "0" * 24, "settled": True}
        client.post("/api/ops", json={"client": "tab-one-0", "ops": [click]}).raise_for_status()
        time.sleep(0.1)
    work_done(live)
    checks = client.get("/api/checks").json()
    points = sum(1 for row in table(data / "points.csv") if not row.get("source") and row["image"] < "tiny_4")
    assert (checks["run"], checks["clicks"]) == ("0001", points)
    for entry in checks["entries"]:
        settle = {"id": f"op-{entry['id']}", "kind": "verdict", "entry": entry["id"], "settled": True}
        client.post("/api/ops", json={"client": "tab-one-0", "ops": [settle]}).raise_for_status()
    assert all(entry["settled"] for entry in client.get("/api/checks").json()["entries"])
