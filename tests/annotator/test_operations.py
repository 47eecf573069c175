"""Operations: each applied once, in any order of arrival, and no point lost in a conflict."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from pointillist.annotator.labels import cost
from pointillist.annotator.labels.applying import Applier
from pointillist.annotator.labels.operations import OperationBatch
from pointillist.annotator.labels.tables import Tables
from pointillist.annotator.session import Session
from tests.annotator.conftest import HEIGHT, WIDTH, Hand


def points(session: Session, image: str = "i0.png") -> dict[str, tuple[float, float, str]]:
    return {row.id: (row.x, row.y, row.label) for row in session.store.reading().points_of(image)}


def test_a_click_is_a_point(hand: Hand) -> None:
    done = hand.add("point-01", 3.25, 4.5, "berry")
    assert (done.status, done.seq) == ("done", 3)
    assert points(hand.session) == {"point-01": (3.25, 4.5, "class-berry")}


def test_a_replay_changes_nothing(hand: Hand) -> None:
    click = hand.op("add", point="point-01", image=hand.image(), x=1, y=1, class_="class-soil")
    move = hand.op("move", point="point-01", x=2, y=2)
    hand.send(click, move)
    later = hand.do("move", point="point-01", x=3, y=3)
    again = hand.send(click, move)
    assert [done.status for done in again] == ["repeated", "repeated"]
    assert points(hand.session) == {"point-01": (3, 3, "class-soil")}
    assert hand.session.store.reading().seq() == later.seq


def test_the_same_point_under_another_operation_is_no_second_point(hand: Hand) -> None:
    hand.add("point-01", 1, 1)
    assert hand.add("point-01", 9, 9).status == "repeated"
    assert points(hand.session) == {"point-01": (1, 1, "class-soil")}


def test_delete_and_restore(hand: Hand) -> None:
    hand.add("point-01", 5, 6, "berry")
    assert hand.do("delete", point="point-01").status == "done"
    assert points(hand.session) == {}
    assert hand.do("restore", point="point-01").status == "done"
    assert points(hand.session) == {"point-01": (5, 6, "class-berry")}


def test_an_unseen_change_of_another_keeps_the_point(hand: Hand) -> None:
    other = Hand(hand.session, "tab-two-0")
    seen = hand.add("point-01").seq
    other.do("move", point="point-01", x=7, y=8, base=seen)
    kept = hand.do("delete", point="point-01", base=seen)
    assert kept.status == "kept"
    assert kept.point is not None
    assert (kept.point.x, kept.point.y, kept.point.deleted) == (7, 8, False)
    assert points(hand.session) == {"point-01": (7, 8, "class-soil")}
    # Having seen it, the same hand may delete it.
    assert hand.do("delete", point="point-01", base=kept.point.version).status == "done"
    assert points(hand.session) == {}


def test_own_changes_do_not_stand_in_the_way_of_a_delete(hand: Hand) -> None:
    seen = hand.add("point-01").seq
    hand.do("move", point="point-01", x=7, y=8, base=seen)
    assert hand.do("delete", point="point-01", base=seen).status == "done"


def test_a_change_revives_what_another_deleted_unseen(hand: Hand) -> None:
    other = Hand(hand.session, "tab-two-0")
    seen = hand.add("point-01").seq
    other.do("delete", point="point-01", base=seen)
    assert hand.do("relabel", point="point-01", class_="class-berry", base=seen).status == "done"
    assert points(hand.session) == {"point-01": (1.5, 2.5, "class-berry")}


@pytest.mark.parametrize(("x", "y"), [(-0.01, 1), (WIDTH, 1), (1, HEIGHT), (1, -5), (1e300, 1)])
def test_outside_is_rejected_and_the_rest_of_the_batch_stays(hand: Hand, x: float, y: float) -> None:
    good = {"image": hand.image(), "class_": "class-soil"}
    outcome = hand.send(
        hand.op("add", point="point-01", x=x, y=y, **good), hand.op("add", point="point-02", x=1, y=1, **good)
    )
    assert [done.status for done in outcome] == ["rejected", "done"]
    assert outcome[0].error is not None
    assert f"{WIDTH} wide and {HEIGHT} high" in outcome[0].error.found
    assert set(points(hand.session)) == {"point-02"}


def test_the_last_pixel_is_inside(hand: Hand) -> None:
    assert hand.add("point-01", WIDTH - 0.001, HEIGHT - 0.001).status == "done"


@pytest.mark.parametrize("kind", ["move", "delete", "restore", "relabel"])
def test_unknown_points_are_rejected(hand: Hand, kind: str) -> None:
    more = {"move": {"x": 1, "y": 1}, "relabel": {"class_": "class-soil"}}.get(kind, {})
    assert hand.do(kind, point="point-99", **more).status == "rejected"


def test_unknown_class_and_image_are_rejected(hand: Hand) -> None:
    assert hand.add("point-01", label="nothing").status == "rejected"
    lost = hand.do("add", point="point-01", image="0" * 24, x=1, y=1, class_="class-soil")
    assert lost.status == "rejected"
    assert points(hand.session) == {}


@pytest.mark.parametrize(
    "broken",
    [
        {"kind": "add", "point": "p", "image": "0" * 24, "x": 1, "y": 1, "class": "class-soil"},
        {"kind": "add", "point": "point-01", "image": "../../etc", "x": 1, "y": 1, "class": "class-soil"},
        {"kind": "add", "point": "point-01", "image": "0" * 24, "x": float("nan"), "y": 1, "class": "class-soil"},
        {"kind": "add", "point": "point-01", "image": "0" * 24, "x": 1, "y": float("inf"), "class": "class-soil"},
        {"kind": "add", "point": "point-01", "image": "0" * 24, "x": 1, "y": 1},
        {"kind": "drop table", "point": "point-01"},
        {"kind": "delete", "point": "point-01", "more": 1},
        {"kind": "class-add", "class": "class-x0", "name": "x" * 101},
        {"kind": "class-add", "class": "class-x0", "name": "x", "color": "red"},
    ],
)
def test_malformed_operations_are_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OperationBatch.model_validate({"client": "tab-one-0", "ops": [{"id": "operation-1", **broken}]})


# Classes


def names(session: Session) -> list[str]:
    return [row.name for row in session.store.reading().classes()]


def test_classes_get_colours_of_their_own(hand: Hand) -> None:
    hand.classes("leaf", "stone")
    rows = hand.session.store.reading().classes()
    assert [row.name for row in rows] == ["soil", "berry", "leaf", "stone"]
    assert len({row.color for row in rows}) == 4


def test_a_colour_that_was_taken_meanwhile_gives_way(hand: Hand) -> None:
    for name in ("leaf", "stone"):
        hand.do("class-add", class_=f"class-{name}", name=name, color="#F0E442")
    colors = {row.name: row.color for row in hand.session.store.reading().classes()}
    assert colors["leaf"] == "#f0e442"
    assert len(set(colors.values())) == 4


@pytest.mark.parametrize("name", [" berry", "berry ", "a\nb", "\u202eevil", "\x00"])
def test_unusable_class_names_are_rejected(hand: Hand, name: str) -> None:
    assert hand.do("class-add", class_="class-new", name=name).status == "rejected"
    assert hand.do("class-rename", class_="class-soil", name=name).status == "rejected"
    assert names(hand.session) == ["soil", "berry"]


def test_rename_to_a_taken_name_is_rejected(hand: Hand) -> None:
    assert hand.do("class-rename", class_="class-soil", name="berry").status == "rejected"
    assert hand.do("class-rename", class_="class-soil", name="earth").status == "done"
    assert names(hand.session) == ["earth", "berry"]


def test_two_people_adding_a_class_add_one(hand: Hand) -> None:
    other = Hand(hand.session, "tab-two-0")
    hand.do("class-add", class_="class-here", name="leaf")
    other.do("class-add", class_="class-there", name="leaf")
    assert names(hand.session) == ["soil", "berry", "leaf"]
    other.add("point-01", label="there")
    assert points(hand.session)["point-01"][2] == "class-here"


def test_merge_takes_points_along_also_those_that_come_later(hand: Hand) -> None:
    hand.add("point-01", label="berry")
    hand.add("point-02", 5, 5, "soil")
    hand.add("point-03", 6, 6, "berry")
    hand.do("delete", point="point-03")
    assert hand.do("class-merge", class_="class-berry", into="class-soil").status == "done"
    assert names(hand.session) == ["soil"]
    # A page that has not heard of it still clicks berries.
    assert hand.add("point-04", 8, 8, "berry").status == "done"
    hand.do("restore", point="point-03")
    assert {label for _, _, label in points(hand.session).values()} == {"class-soil"}
    assert len(points(hand.session)) == 4


def test_a_merge_brings_back_a_class_that_somebody_removed(hand: Hand) -> None:
    hand.classes("leaf")
    hand.add("point-01", label="berry")
    assert hand.do("class-remove", class_="class-leaf").status == "done"
    assert hand.do("class-merge", class_="class-berry", into="class-leaf").status == "done"
    tables = hand.session.store.reading()
    assert {row.id for row in tables.classes()} == {"class-soil", "class-leaf"}
    assert [label for *_, label, _ in tables.all_points()] == ["class-leaf"]
    hand.session.files.flush()


def test_a_point_comes_back_in_the_class_that_has_the_name_by_now(hand: Hand) -> None:
    """One person adds a class, clicks and undoes both; another adds the class; the first one redoes both."""
    car = {"class_": "class-car", "name": "car", "background": False}
    hand.do("class-add", **car)
    hand.add("point-01", label="car")
    hand.do("delete", point="point-01")
    hand.do("class-remove", class_="class-car")
    hand.do("class-add", class_="class-car-2", name="car", background=False)
    hand.do("class-add", **car)
    assert hand.do("restore", point="point-01").status == "done"
    assert [label for *_, label, _ in hand.session.store.reading().all_points()] == ["class-car-2"]
    hand.session.files.flush()


def test_connections_of_threads_that_ended_are_closed(hand: Hand) -> None:
    store = hand.session.store
    for _ in range(5):
        reader = threading.Thread(target=store.reading)
        reader.start()
        reader.join()
    assert sum(not thread.is_alive() for thread, _ in store._readers) <= 1


def test_the_background_moves_with_a_merge(hand: Hand) -> None:
    hand.do("class-merge", class_="class-soil", into="class-berry")
    assert hand.session.project()["classes"][0]["background"] is True


def test_only_classes_without_points_are_removed(hand: Hand) -> None:
    hand.add("point-01", label="berry")
    assert hand.do("class-remove", class_="class-berry").status == "rejected"
    hand.do("delete", point="point-01")
    assert hand.do("class-remove", class_="class-berry").status == "done"
    assert names(hand.session) == ["soil"]
    # The undo of the deletion brings the class back: the point is not lost.
    hand.do("restore", point="point-01")
    assert names(hand.session) == ["soil", "berry"]
    assert points(hand.session)["point-01"][2] == "class-berry"


def test_a_removed_class_comes_back_as_the_one_that_has_its_name_now(hand: Hand) -> None:
    hand.add("point-01", label="berry")
    hand.do("delete", point="point-01")
    hand.do("class-remove", class_="class-berry")
    hand.do("class-add", class_="class-second", name="berry")
    hand.do("restore", point="point-01")
    assert names(hand.session) == ["soil", "berry"]
    assert points(hand.session)["point-01"][2] == "class-second"


def test_background_and_policy(hand: Hand) -> None:
    hand.do("background", class_="class-berry", policy="border")
    project = hand.session.project()
    assert project["policy"] == "border"
    assert [c["background"] for c in project["classes"]] == [False, True]
    hand.do("background", class_=None)
    project = hand.session.project()
    assert (project["policy"], [c["background"] for c in project["classes"]]) == ("none", [False, False])


# Restarts, costs, changes


def test_everything_is_there_after_a_restart(data: Path, opened: Callable[[Path], Session]) -> None:
    first = opened(data)
    hand = Hand(first)
    hand.classes("soil", "berry")
    hand.add("point-01", 1.1, 2.2, "berry")

    def known(session: Session) -> tuple[object, ...]:
        project = {key: value for key, value in session.project().items() if key != "csv"}
        return points(session), project, session.changes(0, 100), session.catalogue.id("i0.png")

    before = known(first)
    first.close()
    second = opened(data)
    assert known(second) == before
    # An operation that was applied before the end is known after it.
    replay = OperationBatch.model_validate(
        {"client": "tab-one-0", "ops": [{"id": "tab-one-0-op-1", "kind": "class-remove", "class": "class-soil"}]}
    )
    assert second.submit(replay).result()[1][0].status == "repeated"


def test_costs_count_clicks_and_the_time_between_them(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(cost, "time", lambda: now[0])
    hand.add("point-01", 1, 1)
    now[0] += 6
    hand.add("point-02", 2, 2)
    now[0] += 6
    hand.do("delete", point="point-01")
    now[0] += 3600  # lunch
    hand.add("point-03", 3, 3)
    answers = {"answers": 0, "seconds_per_answer": None}
    assert hand.session.cost() == {"clicks": 2, "minutes": 0.2, "seconds_per_click": 6.0, **answers}


def test_changes_tell_what_happened_in_order(hand: Hand) -> None:
    hand.add("point-01", label="berry")
    hand.do("move", point="point-01", x=4, y=4)
    told = hand.session.changes(2, 1)
    assert [(c["seq"], c["op"]["kind"], c["op"]["image"]) for c in told["changes"]] == [(3, "add", hand.image())]
    assert told["more"]
    rest = hand.session.changes(3, 100)
    assert [c["op"]["kind"] for c in rest["changes"]] == ["move"]
    assert rest["changes"][0]["point"] | {"version": 0} == {
        "id": "point-01",
        "image": hand.image(),
        "x": 4,
        "y": 4,
        "class": "class-berry",
        "version": 0,
        "deleted": False,
        "question": None,
    }
    assert not rest["more"]


def test_no_operation_on_classes_leaves_points_without_one(hand: Hand) -> None:
    """The id of one class under the name of another hid the first, and the folder could not be opened again."""
    hand.do("class-add", class_="class-leaf", name="leaf")
    for number, label in enumerate(("soil", "berry", "leaf")):
        hand.add(f"point-0{number}", number, label=label)
    assert hand.do("class-add", class_="class-berry", name="soil").status == "rejected"
    assert hand.do("class-merge", class_="class-leaf", into="class-berry").status == "done"
    # Its id means another class by now.
    assert hand.do("class-add", class_="class-leaf", name="soil").status == "rejected"
    assert hand.do("class-add", class_="class-leaf", name="new").status == "rejected"
    assert [row.name for row in hand.session.store.reading().classes()] == ["soil", "berry"]
    assert not hand.session.store.reading().strays()


def test_an_operation_that_would_leave_points_without_a_class_does_nothing(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand.add("point-01", label="berry")

    def careless(_self: Applier, tables: Tables, _operation: object) -> None:
        tables.change_class("class-berry", removed=True)

    monkeypatch.setattr(Applier, "_remove", careless)
    assert hand.do("class-remove", class_="class-berry").status == "rejected"
    assert [row.name for row in hand.session.store.reading().classes()] == ["soil", "berry"]
