"""What is written is read again: the limits of reading hold for writing, and refuse before anything is replaced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pointillist.classes import ClassSet
from pointillist.errors import ConfigError, DatasetError, PointsError
from pointillist.points.formats import ReadContext, get_format
from pointillist.points.table import Point, PointTable
from pointillist.yamltext import MAX_VALUES, parse_yaml, render_yaml

ABOUT = ReadContext({0: "leaf", 1: "soil"}, lambda _: (40, 40))


def table(count: int, label: str = "leaf", image: str = "a.png") -> PointTable:
    return PointTable([Point(image, x + 0.5, 1.5, label, {"note": "n"}) for x in range(count)], ["note"])


@pytest.mark.parametrize(
    ("limit", "kind", "most", "said"),
    [
        ("writable.MAX_POINTS", "csv", 6, "holds at most 6"),
        ("files.MAX_ROWS", "csv", 8, "more than 8 rows"),
        ("files.MAX_CELLS", "csv", 40, "40 values are read"),
        ("jsontext.MAX_VALUES", "coco", 100, "more than 100 values"),
        ("jsontext.MAX_VALUES", "via", 50, "more than 50 values"),
    ],
)
def test_a_file_that_would_be_refused_replaces_none(
    limit: str, kind: str, most: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, file = get_format(kind), tmp_path / f"points{get_format(kind).suffixes[0]}"
    one.write(table(20), tmp_path / f"many{file.suffix}", ABOUT)
    monkeypatch.setattr(f"pointillist.points.formats.{limit}", most)
    one.write(table(3), file, ABOUT)
    kept = file.read_bytes()
    assert len(one.read(file, ABOUT)) == 3
    refused: list[Callable[[], object]] = [
        lambda: one.write(table(20), file, ABOUT),
        lambda: one.read(tmp_path / f"many{file.suffix}", ABOUT),
    ]
    for action in refused:
        with pytest.raises(PointsError, match=said):
            action()
    assert file.read_bytes() == kept


def test_bytes_are_counted_as_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointillist.points.formats.files.write_label_text.__kwdefaults__", {"max_bytes": 60})
    file = tmp_path / "points.csv"
    get_format("csv").write(table(2, "ä"), file)
    with pytest.raises(PointsError, match="MiB; at most"):
        get_format("csv").write(table(4, "ä"), file)
    assert len(get_format("csv").read(file)) == 2


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("a" * 101, "has 101 characters"),
        ("le\u202eaf", "cannot be seen"),
        ("le\x7faf", "cannot be seen"),
        ("le\u2028af", "cannot be seen"),
        ("\u200d", "cannot be seen"),
        (" leaf", "begins or ends with a blank"),
    ],
)
def test_no_door_takes_a_name_that_another_refuses(label: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    file.write_text(f"image,x,y,class\na.png,1.0,1.0,{label}\n".replace(", ", ","), encoding="utf-8")
    if label.strip() == label:
        with pytest.raises(PointsError, match=said):
            get_format("csv").read(file)
    for kind in ("csv", "coco", "cvat"):
        with pytest.raises(PointsError, match=said):
            get_format(kind).write(table(1, label), tmp_path / "new", ABOUT)
    with pytest.raises(DatasetError, match=said):
        ClassSet.create(["soil", label])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("label", ["می\u200cخواهم", "क्\u200dष", "smørbrød", "水 田", "a" * 100])
def test_names_of_all_scripts_go_through_every_door(label: str, tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    get_format("csv").write(table(1, label), file)
    assert [point.label for point in get_format("csv").read(file)] == [label]
    assert label in ClassSet.create(["soil", label])


@pytest.mark.parametrize("image", ["a\\b.png", " a.png", "a.png ", "a\tb.png"])
def test_an_image_that_would_be_read_under_another_name_is_refused(image: str, tmp_path: Path) -> None:
    with pytest.raises(PointsError, match=r"(in|of) its name"):
        get_format("csv").write(table(1, image=image), tmp_path / "points.csv")
    assert not (tmp_path / "points.csv").exists()


def test_yaml_that_is_written_can_be_read() -> None:
    most = {"names": [f"n{number}" for number in range(MAX_VALUES - 3)]}
    assert parse_yaml(render_yaml(most, ConfigError), ConfigError) == most
    for large in ({"names": ["a"] * MAX_VALUES}, {"names": ["a" * 2**20]}):
        with pytest.raises(ConfigError, match="more than"):
            render_yaml(large, ConfigError)
