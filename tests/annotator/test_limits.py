"""The same limits at every door: what comes in by a file is held to what a page may do, and what is written is read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from pointillist.annotator.folder import open_folder
from pointillist.classes import IGNORE
from pointillist.errors import PointillistError
from tests.annotator.conftest import Hand
from tests.annotator.test_label_files import Open, live, rows

MANY = [f"class {number:03}" for number in range(300)]


def edited(data: Path, what: str) -> str:
    """Break one of the label files as others could."""
    points, classes = data / "points.csv", data / "dataset.yaml"
    content = yaml.safe_load(classes.read_text())
    if what == "points of 300 classes":
        points.write_text(points.read_text() + "".join(f"i0.png,3.0,{n % 9}.0,{name}\n" for n, name in enumerate(MANY)))
        return f"label maps hold at most {IGNORE}"
    if what == "a point of a class with a control character":
        points.write_text(points.read_text() + "i0.png,3.0,3.0,le\x07af\n")
        return "characters that cannot be seen"
    if what == "a point of a class with a long name":
        points.write_text(points.read_text() + f"i0.png,3.0,3.0,{'a' * 101}\n")
        return "at most 100"
    if what == "300 classes":
        content["classes"] += [{"name": name} for name in MANY]
    elif what == "a colour that is none":
        content["classes"][0]["color"] = "red"
    elif what == "a name twice":
        content["classes"][1]["name"] = content["classes"][0]["name"]
    elif what == "a name with a mark that turns writing around":
        content["classes"][1]["name"] = "le\u202eaf"
    classes.write_text(yaml.safe_dump(content))
    return {
        "300 classes": f"label maps hold at most {IGNORE}",
        "a colour that is none": "'red' is no colour",
        "a name twice": "is listed twice",
    }.get(what, "characters that cannot be seen")


EDITS = [
    "points of 300 classes",
    "a point of a class with a control character",
    "a point of a class with a long name",
    "300 classes",
    "a colour that is none",
    "a name twice",
    "a name with a mark that turns writing around",
]


@pytest.mark.parametrize("what", EDITS)
def test_what_the_page_refuses_is_refused_in_an_edited_file(hand: Hand, data: Path, opened: Open, what: str) -> None:
    hand.classes("leaf")
    hand.add("point-01", 1, 1)
    hand.session.files.flush()
    good = {name: (data / name).read_text() for name in ("points.csv", "dataset.yaml")}
    before, classes = live(hand.session), [row.name for row in hand.session.store.reading().classes()]
    said = edited(data, what)
    theirs = {name: (data / name).read_text() for name in good}
    with pytest.raises(PointillistError) as error:
        hand.session.files.flush()
    assert said in error.value.found
    # Nothing of it came in, nothing of theirs was replaced, and clicking goes on.
    assert live(hand.session) == before
    assert [row.name for row in hand.session.store.reading().classes()] == classes
    assert {name: (data / name).read_text() for name in good} == theirs
    hand.add("point-02", 2, 2)
    for name, text in good.items():
        (data / name).write_text(text)
    hand.session.files.flush()
    assert set(rows(data)) == live(hand.session)
    assert len(rows(data)) == len(before) + 1
    # What was written opens again.
    hand.session.close()
    assert live(opened(data)) == set(rows(data))


@pytest.mark.parametrize("name", ["a\\b.png", " a.png", "a\tb.png", "blank /c.png"])
def test_an_image_that_no_label_file_can_name_is_left_out_and_counted(data: Path, name: str) -> None:
    target = data / "images" / name
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(data / "images" / "i0.png", target)
    folder = open_folder(data)
    assert sorted(folder.images) == ["i0.png", "i1.png", "i2.png"]
    reason = "name that label files cannot hold"
    assert folder.left_out.files[reason] + folder.left_out.folders[reason] == 1
