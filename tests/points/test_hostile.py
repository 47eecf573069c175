"""Files that are damaged or meant ill: a PointsError with file and place, soon, and without filling the memory."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pointillist.errors import PointsError
from pointillist.points.formats import ReadContext, formats, get_format, recognise_format
from pointillist.points.formats.writable import MAX_POINTS
from pointillist.points.questions import COLUMNS
from pointillist.points.table import Point, PointTable
from tests.points.format_contract import labels, made, read_or_typed_error, write_valid

ABOUT = ReadContext({0: "background", 1: "cat", 2: "dog"}, lambda _: (64, 64))
SUFFIXES = {name: kind.suffixes[0] for name, kind in formats().items()}
JSON_FORMATS = [name for name, suffix in SUFFIXES.items() if suffix in (".json", ".geojson")]


def read(name: str, path: Path) -> PointTable | None:
    return read_or_typed_error(formats()[name], path)


def valid(name: str, folder: Path) -> Path:
    """A small file of the format: a click and, where it can hold that, the answer to a question."""
    kind = formats()[name]
    first, second, _ = labels(kind, ("cat", "dog", "dog"))
    extra = {"source": "question", "inclusion": "0.5"} if kind.keeps in ("all", COLUMNS) else {}
    return write_valid(kind, folder, [Point("a.png", 10.5, 20.5, first), Point("a.png", 30.5, 40.5, second, extra)])


@pytest.mark.parametrize("name", sorted(formats()))
@given(content=st.binary(max_size=300))
@settings(max_examples=40, deadline=None)
def test_random_bytes(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a{SUFFIXES[name]}")
        path.write_bytes(content)
        read(name, path)
        with contextlib.suppress(PointsError):
            recognise_format(path)


@pytest.mark.parametrize("name", sorted(formats()))
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_valid_file_with_some_bytes_changed_or_cut(name: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = valid(name, Path(folder))
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(0, 3))):
            position = data.draw(st.integers(0, len(content) - 1))
            content[position] = data.draw(st.sampled_from(b'0-9"{}[]<>,;:.eN \n\x00\xff') | st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        read(name, path)


KEYS = (
    *("shapes", "label", "points", "shape_type", "imagePath", "images", "id", "file_name", "categories", "name"),
    *("annotations", "image_id", "category_id", "keypoints", "type", "features", "geometry", "coordinates", "x", "y"),
    *("properties", "classification", "filename", "regions", "shape_attributes", "region_attributes", "cx", "cy"),
    *("cls", "rank", "data", "image", "result", "value", "keypointlabels", "original_width", "original_height"),
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats()
    | st.sampled_from(
        [10**400, "point", "Point", "MultiPoint", "FeatureCollection", "keypointlabels", "a.png", "\ud800", ""]
    )
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)


@pytest.mark.parametrize("name", JSON_FORMATS)
@given(content=TREES)
@settings(max_examples=80, deadline=None)
def test_json_of_another_shape(name: str, content: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a{SUFFIXES[name]}")
        path.write_text(json.dumps(content))
        read(name, path)


def replaced(content: Any, keys: list[Any], value: Any) -> Any:
    """The content with one value somewhere replaced."""
    if not keys:
        return value
    copy = dict(content) if isinstance(content, dict) else list(content)
    copy[keys[0]] = replaced(content[keys[0]], keys[1:], value)
    return copy


def places(content: Any) -> list[list[Any]]:
    """Key paths of all values."""
    found: list[list[Any]] = [[]]
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        found += [[key, *rest] for rest in places(value)]
    return found


@pytest.mark.parametrize("name", JSON_FORMATS)
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_a_valid_json_file_with_one_value_replaced(name: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = valid(name, Path(folder))
        content = json.loads(path.read_text())
        keys = data.draw(st.sampled_from(places(content)))
        path.write_text(json.dumps(replaced(content, keys, data.draw(TREES))))
        read(name, path)


@pytest.mark.parametrize("name", JSON_FORMATS)
def test_numbers_as_text_are_named_by_their_key_path(name: str, tmp_path: Path) -> None:
    path = valid(name, tmp_path)
    content = json.loads(path.read_text())
    numbers = [keys for keys in places(content) if _at(content, keys) in (10.5, 10, 10.0, 10.5 * 100 / 90)]
    assert numbers
    path.write_text(json.dumps(replaced(content, numbers[0], "10")))
    with pytest.raises(PointsError, match="'10', which is no number") as caught:
        get_format(name).read(path, ABOUT)
    assert caught.value.where == str(path)
    assert str(numbers[0][-1]) in str(caught.value.field)


def _at(content: Any, keys: list[Any]) -> Any:
    for key in keys:
        content = content[key]
    return None if isinstance(content, bool | list | dict | str) else content


@pytest.mark.parametrize("name", JSON_FORMATS)
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_not_finite_is_an_error_or_counted(name: str, number: str, tmp_path: Path) -> None:
    path = valid(name, tmp_path)
    content = json.loads(path.read_text())
    keys = next(keys for keys in places(content) if _at(content, keys) in (10.5, 10.0, 10.5 * 100 / 90))
    path.write_text(json.dumps(replaced(content, keys, "HERE")).replace('"HERE"', number))
    with pytest.raises(PointsError, match="no position") as caught:
        get_format(name).read(path, ABOUT)
    assert caught.value.where == str(path)
    assert caught.value.field
    assert len(get_format(name).read(path, ABOUT, allow_non_finite=True)) == 2


@pytest.mark.parametrize("name", JSON_FORMATS)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": [1, 2', "not valid JSON"),
        (b"", "not valid JSON"),
        (b'{"a": 1}\n{"a": 2}', "not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" + b"9" * 5000 + b"]", "cannot be used"),
        (b'{"a": 1, "a": 2}', "the key 'a' is there twice"),
        ('{"ä": 1}'.encode("latin-1"), "not UTF-8"),
        ('{"a": 1}'.encode("utf-16")[:-1], "not UTF-16"),
    ],
    ids=["cut", "empty", "two", "deep lists", "deep objects", "long number", "twice", "latin-1", "utf-16"],
)
def test_malformed_json(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{SUFFIXES[name]}"
    path.write_bytes(content)
    with pytest.raises(PointsError, match=words) as caught:
        get_format(name).read(path)
    assert caught.value.where == str(path)
    if words == "not valid JSON":
        assert caught.value.line is not None


@pytest.mark.parametrize("label", ["\ud800", "a\nb", "\x00", " ", ""])
def test_names_that_no_file_can_hold(label: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    content = {"shapes": [{"label": label, "points": [[1, 1]], "shape_type": "point"}], "imagePath": "a.png"}
    path.write_text(json.dumps(content))
    with pytest.raises(PointsError, match="no usable name") as caught:
        get_format("labelme").read(path)
    assert caught.value.field == "shapes[0].label"
    path.write_text(json.dumps({"shapes": [], "imagePath": f"a{label}b" if label.strip() else label}))
    with pytest.raises(PointsError, match="no usable name"):
        get_format("labelme").read(path)


XML = """<?xml version="1.0"?>
<!DOCTYPE annotations [
 <!ENTITY a "aaaaaaaaaa">
 <!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
 <!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
]>
<annotations><image name="&c;"/></annotations>
"""
EXTERNAL = (
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotations><image name="a">&x;</image></annotations>'
)


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (XML, 2, "document type"),
        (EXTERNAL, 1, "document type"),
        ("<annotations>\n<image", 2, "not valid XML"),
        ("", 1, "not valid XML"),
        ("<annotations>" + "<a>" * 1000, 1, "nested too deeply"),
        ("<html/>", 1, "begins with <html>"),
        ("<annotations>\n<track/></annotations>", 2, "tracks of a video"),
        ('<annotations>\n<image name="a">\n<points label="b" points="1,2;3"/></image></annotations>', 3, "'3'"),
        ("<annotations><image/></annotations>", 1, "'name'"),
        ('<?xml version="1.0" encoding="no-such"?><annotations/>', None, "encoding"),
        ('<?xml version="1.0" encoding="utf-7"?><annotations/>', None, "encoding"),
        (b"<annotations>\xff</annotations>", 1, "not valid XML"),
    ],
)
def test_malformed_xml(content: str | bytes, line: int | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(PointsError, match=words) as caught:
        get_format("cvat").read(path)
    assert caught.value.where == str(path)
    assert line is None or caught.value.line == line


def test_not_finite_in_xml_and_text(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(
        '<annotations><image name="a">\n<points label="b" points="nan,2"/></image></annotations>'
    )
    (tmp_path / "a.txt").write_text("a 0,nan,2\n")
    (tmp_path / "a.csv").write_text("index,axis-0,axis-1,class\n0,inf,1,cat\n")
    for name, suffix, line in (("cvat", "xml", 2), ("id-text", "txt", 1), ("napari", "csv", 2)):
        kind = made(formats()[name])
        with pytest.raises(PointsError, match="no position") as caught:
            kind.read(tmp_path / f"a.{suffix}", ABOUT)
        assert caught.value.line == line
        assert len(kind.read(tmp_path / f"a.{suffix}", ABOUT, allow_non_finite=True)) == 1


@pytest.mark.parametrize("name", sorted(formats()))
def test_a_gigabyte_of_nonsense_is_not_even_opened(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{SUFFIXES[name]}"
    with path.open("wb") as stream:
        stream.truncate(2**30)  # no blocks on disk, but a gigabyte to whoever reads it
    tracemalloc.start()
    start = time.monotonic()
    try:
        with pytest.raises(PointsError) as caught:
            made(formats()[name]).read(path, ABOUT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.where == str(path)
    assert peak < 2**24
    assert time.monotonic() - start < 5


def test_a_list_of_empty_lists_is_counted_before_it_is_built(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"[" + b"[]," * 11_000_000 + b"[]]")
    with pytest.raises(PointsError, match="more than 20,000,000 values"):
        get_format("labelme").read(path)


def test_many_equal_keys_are_found_in_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{" + ",".join(f'"{i}":1' for i in range(200_000)) + ',"0":1}')
    start = time.monotonic()
    with pytest.raises(PointsError, match="twice"):
        get_format("whats-the-point").read(path)
    assert time.monotonic() - start < 10


def test_a_png_that_claims_to_be_huge(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("1", (20_000, 20_000)).save(path, compress_level=9)
    with pytest.raises(PointsError, match=r"20000×20000|too large"):
        get_format("point-png", {"unlabelled": 0}).read(path)


def test_a_png_full_of_points_is_a_mask(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 9, (2000, 2000), np.uint8)).save(path)
    with pytest.raises(PointsError, match="pixels are labelled"):
        get_format("point-png", {"unlabelled": 0}).read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", sorted(formats()))
def test_a_pipe_does_not_hang(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{SUFFIXES[name]}"
    os.mkfifo(path)
    with pytest.raises(PointsError):
        made(formats()[name]).read(path, ABOUT)
    with pytest.raises(PointsError):
        recognise_format(path)


@pytest.mark.parametrize("name", sorted(formats()))
def test_missing_files_and_empty_folders(name: str, tmp_path: Path) -> None:
    kind = made(formats()[name])
    for path in (tmp_path / f"nothing{SUFFIXES[name]}", tmp_path):
        with pytest.raises(PointsError) as caught:
            kind.read(path, ABOUT)
        assert caught.value.where == str(path)


def test_more_points_than_anybody_clicks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_POINTS >= 1_000_000
    monkeypatch.setattr("pointillist.points.formats.writable.MAX_POINTS", 3)
    path = tmp_path / "a.csv"
    path.write_text("image,x,y,class\n" + "a.png,1,2,cat\n" * 4)
    with pytest.raises(PointsError, match="at most 3"):
        get_format("csv").read(path)


@pytest.mark.parametrize("name", ["csv", "via-csv", "napari", "makesense"])
def test_a_csv_file_of_more_columns_or_rows_than_anybody_needs(name: str, tmp_path: Path) -> None:
    """60,000 columns took 24 s; six million rows were all read before they were too many."""
    path = valid(name, tmp_path)
    first, *rows = path.read_text().splitlines()
    wide = [",".join([line, *("x" for _ in range(60_000))]) for line in (first, *rows)]
    wide[0] = ",".join([first, *(f"c{number}" for number in range(60_000))])
    for content, found in (("\n".join(wide), "columns"), (f"{first}\n" + "x\n" * 5_000_001, "rows")):
        path.write_text(content)
        began = time.process_time()
        with pytest.raises(PointsError, match=found):
            made(formats()[name]).read(path, ABOUT)
        assert time.process_time() - began < 5


def test_a_csv_file_of_too_many_values(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("image,x,y,class," + ",".join(f"c{i}" for i in range(996)) + "\n" * 30_000)
    with pytest.raises(PointsError, match="25,000,000 values"):
        get_format("csv").read(path)


def test_a_long_line_of_points_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a" + " 0,1,2" * 120_000 + "\n")
    assert len(get_format("id-text", {"order": "yx"}).read(path, ABOUT)) == 120_000


def test_an_element_with_more_points_than_anybody_clicks(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    points = "1,2;" * (MAX_POINTS + 1) + "1,2"
    path.write_text(f'<annotations><image name="a"><points label="b" points="{points}"/></image></annotations>')
    with pytest.raises(PointsError, match="more than 5,000,000 points"):
        get_format("cvat").read(path)
