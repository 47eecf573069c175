"""Small things that were wrong: what is counted, what is told, what is taken in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pointillist.annotator.session import Session
from tests.annotator.conftest import Hand, Serve, write_images


def test_undone_clicks_are_not_counted(hand: Hand) -> None:
    hand.add("point-01")
    hand.add("point-02", 5, 5)

    def clicks() -> Any:
        return hand.session.cost()["clicks"]

    assert clicks() == 2
    hand.do("delete", point="point-02")
    assert clicks() == 1
    hand.do("delete", point="point-02")
    assert clicks() == 1
    hand.do("restore", point="point-02")
    hand.do("restore", point="point-02")
    assert clicks() == 2
    hand.do("move", point="point-02", x=1, y=1)
    assert clicks() == 2


def test_removing_what_a_file_brought_undoes_no_click(data: Path, opened: Callable[[Path], Session]) -> None:
    (data / "points.csv").write_text("image,x,y,class\ni0.png,1.0,1.0,soil\ni0.png,3.0,1.0,soil\n")
    hand = Hand(opened(data))
    label = hand.session.store.reading().classes()[0].id
    hand.do("add", point="point-01", image=hand.image(), x=5, y=5, class_=label)
    brought, _, _ = hand.session.store.reading().points_of("i0.png")
    hand.do("delete", point=brought.id)
    assert hand.session.cost()["clicks"] == 1


def test_pages_hear_of_each_writing(hand: Hand) -> None:
    """A page that asked between a click and its writing must learn of the writing."""
    told: list[dict[str, Any]] = []
    hand.session.publish = lambda *what: told.append(what[1]) if what[:1] == ("csv",) else None
    for number in range(2):
        hand.add(f"point-0{number}", number, number)
        asked = hand.session.csv_state()
        hand.session.files.flush()
        assert told[-1]["current"]
        assert told[-1]["written"] > asked["written"]
        assert told[-1] != told[0] or number == 0


def test_the_page_takes_in_its_own_archive(tmp_path: Path, serve: Serve) -> None:
    for folder in ("one", "two"):
        write_images(tmp_path / folder / "images")
        (tmp_path / folder / "points.csv").write_text("image,x,y,class\n")
        (tmp_path / folder / "dataset.yaml").write_text("classes: [soil, berry]\n")
    (tmp_path / "one" / "points.csv").write_text("image,x,y,class\ni0.png,1.5,2.5,soil\ni2.png,8.5,9.5,berry\n")
    one, two = serve(tmp_path / "one"), serve(tmp_path / "two")
    answer = one.client.get("/api/export", params={"format": "labelme"})
    file = answer.headers["content-disposition"].split('"')[1]
    assert file.endswith(".zip")
    taken = two.client.post("/api/import", params={"name": file, "add_classes": "1"}, content=answer.content).json()
    assert (taken.get("imported"), taken.get("rejected")) == (2, 0), taken
    two.session.files.flush()
    assert (tmp_path / "two" / "points.csv").read_text() == (tmp_path / "one" / "points.csv").read_text()


def test_messages_of_the_page_name_fields_not_flags(data: Path, serve: Serve) -> None:
    live = serve(data)
    region = {"shape_attributes": {"name": "point", "cx": 1, "cy": 2}, "region_attributes": {"kind": "a", "sex": "b"}}
    via = {"i0.png10": {"filename": "i0.png", "size": 10, "regions": [region], "file_attributes": {}}}
    answer = live.client.post("/api/import", params={"name": "via.json"}, content=json.dumps(via))
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert "attribute=NAME" in error["hint"]
    assert "--" not in json.dumps(error)
