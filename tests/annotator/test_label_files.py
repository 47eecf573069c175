"""points.csv and dataset.yaml: always current, open to other hands, readable by the rest of the library."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointillist.annotator.files import foreign, label_files
from pointillist.annotator.folder import open_folder
from pointillist.annotator.session import Session
from pointillist.data.layouts import load_dataset
from pointillist.errors import DatasetError, PointillistError, PointsError, RunError, SaveError
from pointillist.points.formats.native import NativeCsv
from tests.annotator.conftest import Hand, write_images
from tests.conftest import write_tiny

Open = Callable[[Path], Session]


def rows(data: Path) -> list[tuple[str, float, float, str]]:
    return [(p.image, p.x, p.y, p.label) for p in NativeCsv().read(data / "points.csv")]


def live(session: Session) -> set[tuple[str, float, float, str]]:
    tables = session.store.reading()
    names = {row.id: row.name for row in tables.classes()}
    return {(image, x, y, names[label]) for _, image, x, y, label, _ in tables.all_points()}


def test_a_labelled_folder_is_a_data_set(hand: Hand, data: Path) -> None:
    hand.add("point-01", 1.25, 2.5, "berry", "i1.png")
    hand.session.files.flush()
    dataset = load_dataset(data)
    assert dataset.classes.names == ("soil", "berry")
    assert (dataset.classes.policy, dataset.classes.background) == ("points", 0)
    assert [(p.image, p.x, p.y, p.label) for p in dataset.points] == [("i1.png", 1.25, 2.5, "berry")]


def test_images_may_lie_in_the_folder_itself(tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path / "photos")
    hand = Hand(opened(tmp_path / "photos"))
    hand.classes("soil", "berry")
    hand.add("point-01", label="berry")
    hand.session.close()
    dataset = load_dataset(tmp_path / "photos")
    assert [item.name for item in dataset.items] == ["i0.png", "i1.png", "i2.png"]
    assert len(dataset.points) == 1


def test_without_two_classes_there_is_no_dataset_file(data: Path, opened: Open) -> None:
    hand = Hand(opened(data))
    hand.classes("berry")
    hand.add("point-01", label="berry")
    hand.session.files.flush()
    assert not (data / "dataset.yaml").exists()
    assert rows(data) == [("i0.png", 1.5, 2.5, "berry")]


def test_the_file_follows_by_itself(hand: Hand, data: Path) -> None:
    hand.add("point-01")
    for _ in range(200):
        if hand.session.files.current:
            break
        hand.session.files._thread.join(0.05)  # type: ignore[union-attr]
    assert rows(data) == [("i0.png", 1.5, 2.5, "soil")]


def test_a_full_circle_keeps_every_bit(hand: Hand, data: Path, opened: Open) -> None:
    for number, x in enumerate((0.1, 1 / 3, 7.000000000000001, 31.999999999999996)):
        hand.add(f"point-0{number}", x, x / 2)
    before = live(hand.session)
    hand.session.close()
    assert set(rows(data)) == before
    # The store is lost; the file alone gives everything back.
    (data / ".pointillist" / "annotator.sqlite").unlink()
    assert live(opened(data)) == before


def test_a_data_set_that_is_there_is_taken_over(tmp_path: Path, opened: Open) -> None:
    data = write_tiny(tmp_path / "tiny")
    described, points = (data / "dataset.yaml").read_text(), (data / "points.csv").read_text()
    session = opened(data)
    assert session.project()["images"] == {"total": 6, "labelled": 6, "points": 18, "left_out": ""}
    assert [c["name"] for c in session.project()["classes"]] == ["ground", "square", "disc"]
    session.close()
    # Nothing was changed, so nothing changes.
    assert (data / "dataset.yaml").read_text() == described
    assert (data / "points.csv").read_text() == points


def test_further_columns_and_strays_stay(data: Path, opened: Open) -> None:
    (data / "points.csv").write_text("image,x,y,class,who\ni0.png,1.5,2.5,berry,Ada\ngone.png,3.0,4.0,leaf,\n")
    session = opened(data)
    assert session.project()["strays"] == 1
    hand = Hand(session)
    hand.do("class-rename", class_=session.store.reading().classes()[0].id, name="cranberry")
    session.close()
    text = (data / "points.csv").read_text()
    assert text == "image,x,y,class,who\ni0.png,1.5,2.5,cranberry,Ada\ngone.png,3.0,4.0,leaf,\n"


@pytest.mark.parametrize("running", [True, False])
def test_other_hands_edits_are_taken_in(hand: Hand, data: Path, opened: Open, running: bool) -> None:
    hand.add("point-01", 1, 1)
    hand.add("point-02", 2, 2)
    hand.session.files.flush()
    session = hand.session
    if not running:
        session.close()
    text = (data / "points.csv").read_text()
    (data / "points.csv").write_text(text.replace("i0.png,1.0,1.0,soil\n", "") + "i2.png,9.0,9.0,leaf\n")
    if running:
        hand.add("point-03", 3, 3)
        session.files.flush()
        expected = {("i0.png", 3, 3, "soil")}
    else:
        session = opened(data)
        expected = set()
    assert live(session) == {("i0.png", 2, 2, "soil"), ("i2.png", 9, 9, "leaf")} | expected
    assert set(rows(data)) == live(session)
    # What was there before stays at hand.
    assert len(list((data / ".pointillist" / "backups").glob("points-*.csv"))) == 2  # as it was, and as it was found


def append_leaf(data: Path) -> None:
    with (data / "points.csv").open("a") as stream:
        stream.write("i2.png,9.0,9.0,leaf\n")


def expect_leaf(session: Session) -> None:
    """Wait until the edit is taken in."""
    expected = {("i0.png", 1, 1, "soil"), ("i2.png", 9, 9, "leaf")}
    for _ in range(600):
        if live(session) == expected:
            return
        time.sleep(0.05)
    raise AssertionError(f"the points are {live(session)}")


def test_an_edit_is_seen_without_a_click(hand: Hand, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_files, "LOOK", 0.05)
    hand.add("point-01", 1, 1)
    hand.session.files.flush()
    append_leaf(data)
    hand.session.files.changed()  # the round that still waits for the old time ends
    expect_leaf(hand.session)


@pytest.mark.parametrize("step", ["point_table", "_look"])
def test_an_edit_amid_a_writing_is_seen(hand: Hand, data: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Whether it falls between reading and writing, or between writing and the look that remembers the file."""
    files = hand.session.files
    owner = files if step == "_look" else label_files
    original = getattr(owner, step)
    edits = iter([append_leaf])

    def amid(*arguments: Any) -> Any:
        for edit in edits:
            edit(data)
        return original(*arguments)

    hand.add("point-01", 1, 1)
    files.flush()
    monkeypatch.setattr(label_files, "LOOK", 0.05)
    monkeypatch.setattr(owner, step, amid)
    files.flush()
    files.changed()
    expect_leaf(hand.session)
    files.flush()
    assert ("i2.png", 9, 9, "leaf") in rows(data)


def test_the_same_click_twice_stays_twice(data: Path, opened: Open) -> None:
    (data / "points.csv").write_text("image,x,y,class\n" + "i0.png,1.5,2.5,berry\n" * 3)
    session = opened(data)
    assert session.project()["images"]["points"] == 3
    session.files.flush()
    text = (data / "points.csv").read_text()
    (data / "points.csv").write_text(text.removesuffix("i0.png,1.5,2.5,berry\n"))
    session.files.flush()
    assert session.project()["images"]["points"] == 2


def test_a_damaged_edit_stops_the_writing_not_the_clicking(hand: Hand, data: Path) -> None:
    hand.add("point-01", 1, 1)
    hand.session.files.flush()
    (data / "points.csv").write_text("image,x,y,class\ni0.png,one,1.0,soil\n")
    assert hand.add("point-02", 2, 2).status == "done"
    with pytest.raises(PointsError, match="line 2"):
        hand.session.files.flush()
    assert "one" in (data / "points.csv").read_text()
    problem = hand.session.csv_state()["problem"]
    assert problem["where"] == "points.csv, line 2"
    (data / "points.csv").write_text("image,x,y,class\ni0.png,1.0,1.0,soil\n")
    hand.session.files.flush()
    assert set(rows(data)) == {("i0.png", 1, 1, "soil"), ("i0.png", 2, 2, "soil")}
    assert hand.session.csv_state()["current"]


def test_an_edit_that_is_taken_back_is_taken_back(hand: Hand, data: Path) -> None:
    """Even where the file then is as we wrote it before."""
    hand.add("point-01", 1, 1)
    hand.session.files.flush()
    before = (data / "points.csv").read_text()
    append_leaf(data)
    hand.session.files.flush()
    (data / "points.csv").write_text(before)
    hand.session.files.flush()
    assert live(hand.session) == {("i0.png", 1, 1, "soil")}
    assert (data / "points.csv").read_text() == before


def test_a_file_is_read_when_it_rests(hand: Hand, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what another program writes in place is no removal of the other half."""
    hand.add("point-01", 1, 1)
    hand.add("point-02", 2, 2)
    hand.session.files.flush()
    whole = (data / "points.csv").read_text() + "i2.png,9.0,9.0,leaf\n"
    (data / "points.csv").write_text(whole[: whole.index("i0.png,2")])
    copy, copies = shutil.copyfile, itertools.count()

    def copy_and_go_on_writing(source: Path, target: Path) -> None:
        copy(source, target)
        if source == data / "points.csv" and next(copies) == 0:
            source.write_text(whole)

    monkeypatch.setattr(foreign.shutil, "copyfile", copy_and_go_on_writing)
    hand.session.files.flush()
    assert live(hand.session) == {("i0.png", 1, 1, "soil"), ("i0.png", 2, 2, "soil"), ("i2.png", 9, 9, "leaf")}


def test_a_file_that_never_rests_is_told(hand: Hand, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand.add("point-01", 1, 1)
    hand.session.files.flush()
    monkeypatch.setattr(foreign, "REST", 0.0)
    append_leaf(data)
    copy = shutil.copyfile

    def copy_and_go_on_writing(source: Path, target: Path) -> None:
        copy(source, target)
        append_leaf(data)

    monkeypatch.setattr(foreign.shutil, "copyfile", copy_and_go_on_writing)
    with pytest.raises(SaveError, match="being written by another program"):
        hand.session.files.flush()
    monkeypatch.undo()
    hand.session.files.flush()
    assert hand.session.csv_state()["current"]


def test_a_failure_of_the_disk_is_told_and_passes(hand: Hand, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand.add("point-01", 1, 1)
    hand.session.files.flush()

    def locked(path: Path) -> str:
        raise PermissionError(13, "is locked by an editor", str(path))

    monkeypatch.setattr(label_files, "digest_of", locked)
    assert hand.add("point-02", 2, 2).status == "done"
    with pytest.raises(SaveError, match="locked by an editor"):
        hand.session.files.flush()
    assert "locked by an editor" in hand.session.csv_state()["problem"]["found"]
    monkeypatch.undo()
    hand.session.files.flush()
    assert len(rows(data)) == 2
    assert hand.session.files._thread is not None
    assert hand.session.files._thread.is_alive()


def test_a_removed_file_is_written_anew(hand: Hand, data: Path) -> None:
    hand.add("point-01", 1, 1)
    hand.session.files.flush()
    (data / "points.csv").unlink()
    hand.session.files.flush()
    assert rows(data) == [("i0.png", 1, 1, "soil")]


def test_killed_between_the_file_and_the_note_about_it(
    hand: Hand, data: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moved point must not come back as a second one from a file that is ours."""
    hand.add("point-01", 1, 1)
    hand.session.files.flush()
    hand.do("move", point="point-01", x=2, y=2)
    real = hand.session.writer.submit

    def submit_until_written(work: Callable[..., object]) -> object:
        if (data / "points.csv").read_text().endswith("i0.png,2.0,2.0,soil\n"):
            raise RunError("killed here.", hint="")
        return real(work)

    monkeypatch.setattr(hand.session.writer, "submit", submit_until_written)
    with pytest.raises(RunError):
        hand.session.files.flush()
    monkeypatch.undo()
    hand.do("move", point="point-01", x=3, y=3)
    # The process is gone: nothing is flushed, the lock falls.
    hand.session.files._closing.set()
    hand.session.writer.close()
    hand.session.store.close()
    hand.session._guard.close()
    hand.session._opened.pop_all()
    assert live(opened(data)) == {("i0.png", 3, 3, "soil")}


def test_an_edited_dataset_file_decides_on_classes(hand: Hand, data: Path) -> None:
    hand.add("point-01", label="berry")
    hand.session.files.flush()
    (data / "dataset.yaml").write_text("classes: [stone, {name: soil, color: '#112233'}, leaf]\nbackground: border\n")
    hand.session.files.flush()
    project = hand.session.project()
    # berry has a point, so it stays, at the end.
    assert [c["name"] for c in project["classes"]] == ["stone", "soil", "leaf", "berry"]
    assert project["classes"][1]["color"] == "#112233"
    assert (project["policy"], project["classes"][0]["background"]) == ("border", True)
    assert load_dataset(data).classes.names == ("stone", "soil", "leaf", "berry")


def test_other_settings_of_a_dataset_file_stay(tmp_path: Path, opened: Open) -> None:
    data = tmp_path / "field"
    write_images(data / "photos")
    (data / "dataset.yaml").write_text("classes: [soil, berry]\nignore_index: 99\npaths: {images: photos}\n")
    hand = Hand(opened(data))
    hand.do("class-add", class_="class-leaf", name="leaf")
    hand.session.close()
    content = yaml.safe_load((data / "dataset.yaml").read_text())
    assert (content["ignore_index"], content["paths"]) == (99, {"images": "photos"})
    assert load_dataset(data).classes.names == ("soil", "berry", "leaf")


def test_masks_keep_their_meaning_through_a_merge(tmp_path: Path, opened: Open) -> None:
    data = write_tiny(tmp_path / "tiny")
    before = load_dataset(data)
    hand = Hand(opened(data))
    ids = {row.name: row.id for row in hand.session.store.reading().classes()}
    assert hand.do("class-remove", class_=ids["disc"]).status == "rejected"
    assert hand.do("class-merge", class_=ids["square"], into=ids["disc"]).status == "done"
    hand.do("class-add", class_="class-new", name="new")
    hand.session.close()
    after = load_dataset(data)
    assert after.classes.names == ("ground", "disc", "new")
    item = before.items[0]
    assert item.mask is not None
    old = before.masks.read(item.mask, (48, 64))
    new = after.masks.read(item.mask, (48, 64))
    assert ((new == 1) == ((old == 1) | (old == 2))).all()
    assert ((new == 0) == (old == 0)).all()


@pytest.mark.parametrize(
    ("masks", "allowed"),
    [("color", {"class-rename"}), ("coco", {"class-color"}), ("index", {"class-rename", "class-color"})],
)
def test_masks_told_by_colours_or_names_forbid_what_they_could_not_follow(
    tmp_path: Path, opened: Open, masks: str, allowed: set[str]
) -> None:
    data = write_tiny(tmp_path / "tiny")
    text = (data / "dataset.yaml").read_text()
    (data / "dataset.yaml").write_text(text.replace("masks: index", f"masks: {masks}"))
    hand = Hand(opened(data))
    square, disc = (
        next(row.id for row in hand.session.store.reading().classes() if row.name == name)
        for name in ("square", "disc")
    )
    done = {
        "class-color": hand.do("class-color", class_=square, color="#010203").status,
        "class-rename": hand.do("class-rename", class_=square, name="box").status,
        "class-remove": hand.do("class-remove", class_=square).status,
    }
    assert {kind for kind, status in done.items() if status == "done"} == allowed
    merged = hand.do("class-merge", class_=square, into=disc).status
    assert merged == ("done" if masks == "index" else "rejected")


# Folders that are not opened


@pytest.mark.usefixtures("hand")
def test_a_folder_is_opened_once(data: Path) -> None:
    found = rf"is in use: process {os.getpid()} on \S+ is annotating here since 20"
    for marker in (None, *(data / ".pointillist").glob(".in-use*")):
        if marker is not None:
            marker.unlink()
        with pytest.raises(RunError, match=found if marker is None else "is in use"):
            Session(open_folder(data))


@pytest.mark.parametrize(
    ("described", "found"),
    [
        ("classes: [a, b]\npaths: {images: ..}\n", "outside the folder"),
        ("classes: [a, b]\npaths: {images: images, points: ../points.csv}\n", "outside the folder"),
        ("classes: [a, b]\npaths: {images: 'images {}'}\n", "several folders"),
        ("classes: [a, b]\npaths: {images: nowhere}\n", "no such folder"),
        ("classes: [a, b]\nklasses: [a, b]\n", "no such setting"),
    ],
)
def test_dataset_files_that_are_refused(data: Path, described: str, found: str) -> None:
    (data / "dataset.yaml").write_text(described)
    with pytest.raises(DatasetError, match=found):
        open_folder(data)


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes exist on Linux")
def test_names_that_are_no_text_are_left_out_and_counted(data: Path, opened: Open) -> None:
    content = (data / "images" / "i0.png").read_bytes()
    Path(os.fsdecode(os.fsencode(data / "images") + b"/\xff\xfe.png")).write_bytes(content)
    assert opened(data).project()["images"] == {
        "total": 3,
        "labelled": 0,
        "points": 0,
        "left_out": "1 name that is no text left out",
    }


def test_no_image_no_annotator(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no images"):
        open_folder(tmp_path)


def test_a_damaged_file_is_named_and_left_alone(data: Path) -> None:
    (data / "points.csv").write_text("i0.png;1;1;berry\n")
    with pytest.raises(PointillistError, match=r"points\.csv"):
        Session(open_folder(data))
    assert (data / "points.csv").read_text() == "i0.png;1;1;berry\n"
    # The folder is free again.
    (data / "points.csv").unlink()
    Session(open_folder(data)).close()
