from __future__ import annotations

import pickle

import pytest

from pointillist.points.table import Point, PointTable

A, B, C = Point("a.png", 1.5, 2.5, "soil"), Point("b.png", 0.0, 0.0, "berry"), Point("a.png", 3.0, 1.0, "berry")


def test_order_is_kept_and_images_come_by_first_appearance() -> None:
    table = PointTable([B, A, C])
    assert list(table) == [B, A, C]
    assert table.images == ("b.png", "a.png")
    assert table.of("a.png") == (A, C)
    assert table.of("nowhere.png") == ()
    assert table.counts() == {"berry": 2, "soil": 1}
    assert len(table) == 3
    assert repr(table) == "PointTable(3 points in 2 images)"


def test_listed_are_all_images_the_file_names() -> None:
    table = PointTable([A], listed=["empty.png", "a.png"])
    assert table.listed == ("empty.png", "a.png")
    assert table.images == ("a.png",)
    assert PointTable([A]).listed == ("a.png",)


def test_equality_is_about_the_points() -> None:
    same = Point("a.png", 1.5, 2.5, "soil", {"annotator": "x"}, line=7, place="a.json, shapes[0]")
    assert same == A  # where a point was read, and what else stood there, does not make it another
    assert PointTable([same], ["annotator"]) == PointTable([A])
    assert hash(PointTable([same])) == hash(PointTable([A]))
    assert PointTable([A, B]) != PointTable([B, A])
    assert PointTable([A]) != [A]


def test_nobody_changes_a_table_from_outside() -> None:
    points, skipped = [A], {"polygon": 2}
    table = PointTable(points, skipped=skipped)
    points.append(B)
    skipped["polygon"] = 9
    assert len(table) == 1
    assert table.skipped == {"polygon": 2}
    with pytest.raises(AttributeError):
        A.x = 3.0  # type: ignore[misc]


def test_tables_travel_to_other_processes() -> None:
    table = PointTable([A, B], ["annotator"], listed=["empty.png"], skipped={"polygon": 2})
    back = pickle.loads(pickle.dumps(table))
    assert back == table
    assert (back.columns, back.listed, back.skipped) == (table.columns, table.listed, table.skipped)
