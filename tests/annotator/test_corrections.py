"""Strokes: a scribble and the eraser are one operation each, applied whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pointillist.annotator.labels.applying import Applied
from pointillist.annotator.labels.store import Store
from pointillist.annotator.session import Session
from pointillist.api import load_dataset
from pointillist.points.formats.native import NativeCsv
from tests.annotator.conftest import WIDTH, Hand, Serve

Open = Callable[[Path], Session]


def places(hand: Hand, count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"point": f"{hand.name}-p{start + i:04}", "x": 0.5 + i % WIDTH, "y": 3.5} for i in range(count)]


def scribble(hand: Hand, points: list[dict[str, Any]], label: str = "berry") -> Applied:
    return hand.do("scribble", image=hand.image(), class_=f"class-{label}", points=points)


def there(session: Session) -> list[str]:
    return [row.id for row in session.store.reading().points_of("i0.png")]


def test_a_scribble_is_one_operation_and_its_points_say_so(hand: Hand, data: Path) -> None:
    before = hand.session.store.reading().seq()
    points = places(hand, 5)
    done = scribble(hand, points)
    assert (done.status, done.seq) == ("done", before + 1)
    assert there(hand.session) == [point["point"] for point in points]
    assert hand.session.cost()["clicks"] == 5
    hand.add("a-click-00", 9.5, 9.5)
    hand.session.files.flush()
    table = NativeCsv().read(data / "points.csv")
    assert [point.extra.get("source", "") for point in table] == ["scribble"] * 5 + [""]
    assert [(point.x, point.label) for point in table][:2] == [(0.5, "berry"), (1.5, "berry")]
    # For everybody who reads the folder its points are clicks.
    dataset = load_dataset(data)
    assert dataset.points is not None
    assert len(dataset.points.of("i0.png")) == 6
    assert not dataset.points.unnamed


def test_a_scribble_that_leaves_the_image_is_refused_whole(hand: Hand) -> None:
    points = [*places(hand, 3), {"point": "outside-000", "x": WIDTH + 1, "y": 1}]
    refused, click = hand.send(
        hand.op("scribble", image=hand.image(), class_="class-berry", points=points),
        hand.op("add", point="a-click-00", image=hand.image(), x=1, y=1, class_="class-soil"),
    )
    assert refused.status == "rejected"
    assert click.status == "done"
    assert there(hand.session) == ["a-click-00"]


def test_erasing_takes_away_and_brings_back_as_one(hand: Hand) -> None:
    points = places(hand, 4)
    made = scribble(hand, points)
    hand.add("a-click-00", 9.5, 9.5)
    ids = [point["point"] for point in points[:3]] + ["a-click-00"]
    seq = hand.session.store.reading().seq()
    erased = hand.do("erase", points=[{"point": point, "base": seq} for point in ids])
    assert (erased.status, erased.seq) == ("done", seq + 1)
    assert there(hand.session) == [points[3]["point"]]
    assert hand.session.cost()["clicks"] == 1
    assert hand.do("unerase", points=ids).status == "done"
    assert len(there(hand.session)) == hand.session.cost()["clicks"] == 5
    # What is sent twice, because an answer was lost, is done once.
    again = hand.op("erase", points=[{"point": point} for point in ids])
    assert [hand.send(again)[0].status for _ in range(2)] == ["done", "repeated"]
    assert made.seq is not None


def test_undo_takes_back_ones_own_and_leaves_what_another_changed(hand: Hand) -> None:
    other = Hand(hand.session, "tab-two-0")
    mine = scribble(hand, places(hand, 4))
    scribble(other, places(other, 4, 100), "soil")
    moved = mine.points[1].id
    other.do("move", point=moved, x=20, y=20, base=mine.seq)
    undone = hand.do("erase", points=[{"point": row.id, "base": row.version} for row in mine.points])
    assert undone.status == "kept"
    # The other's four, and the one that the other took in hand.
    assert sorted(there(hand.session)) == sorted([moved, *(f"tab-two-0-p{100 + i:04}" for i in range(4))])
    assert [row.deleted for row in undone.points] == [True, False, True, True]


def test_two_scribble_at_once(hand: Hand) -> None:
    hands = [Hand(hand.session, f"tab-hand-{number}") for number in range(3)]

    def work(one: Hand) -> None:
        for turn in range(8):
            made = scribble(one, places(one, 6, 10 * turn))
            if turn % 2:
                one.do("erase", points=[{"point": row.id, "base": row.version} for row in made.points])

    threads = [threading.Thread(target=work, args=(one,)) for one in hands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(there(hand.session)) == 3 * 4 * 6


def test_questions_are_not_erased(hand: Hand, data: Path) -> None:
    hand.session.close()
    (data / "points.csv").write_text(
        "image,x,y,class,source,inclusion\ni0.png,1.5,1.5,berry,question,0.25\ni0.png,3.5,1.5,berry,click,\n"
    )
    session = Session(hand.session.folder)
    one = Hand(session, "tab-two-0")
    ids = there(session)
    assert one.do("erase", points=[{"point": point} for point in ids]).status == "kept"
    (left,) = session.store.reading().points_of("i0.png")
    assert left.question
    session.close()


def test_too_long_a_stroke_is_refused(serve: Serve, data: Path) -> None:
    live = serve(data)
    points = [{"point": f"point-{i:06}", "x": 1, "y": 1} for i in range(41)]
    op = {"id": "op-long-00", "kind": "scribble", "image": "0" * 24, "class": "class-berry", "points": points}
    answer = live.client.post("/api/ops", json={"client": "tab-one-0", "ops": [op]})
    assert answer.status_code == 400
    assert "40" in answer.json()["error"]["found"]


def test_pages_hear_of_a_stroke_in_one_event(hand: Hand) -> None:
    made = scribble(hand, places(hand, 3))
    (change,) = hand.session.changes((made.seq or 0) - 1, 10)["changes"]
    assert change["op"]["kind"] == "scribble"
    assert change["op"]["image"] == hand.image()
    assert [point["id"] for point in change["points"]] == [row.id for row in made.points]
    assert all(point["image"] == hand.image() and not point["deleted"] for point in change["points"])


def test_a_full_disk_keeps_nothing_of_a_scribble(hand: Hand) -> None:
    kept = scribble(hand, places(hand, 3))
    store: Store = hand.session.store
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count={pages}")
    refused, sent = None, 0
    with pytest.raises(Exception, match="full"):
        for sent in range(200):
            refused = hand.op(
                "scribble", image=hand.image(), class_="class-berry", points=places(hand, 40, 1000 + 40 * sent)
            )
            hand.send(refused)
    assert refused is not None
    assert len(there(hand.session)) == 3 + 40 * sent  # all of the last that was acknowledged, nothing of the next
    store._writer.execute("PRAGMA max_page_count=1000000")
    assert hand.send(refused)[0].status == "done"
    assert len(there(hand.session)) == 3 + 40 * (sent + 1)
    assert kept.status == "done"
