from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointillist.errors import PointsError, PointsWarning
from pointillist.points.formats.native import NativeCsv, write_csv
from pointillist.points.table import Point, PointTable

HEADER = "image,x,y,class\n"


def read(folder: Path, content: str | bytes) -> PointTable:
    path = folder / "points.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return NativeCsv().read(path)


def test_known_values(tmp_path: Path) -> None:
    table = read(tmp_path, HEADER + "a.png,1.5,2,soil\nsub/b.png,0,1e1,dark berry\n")
    assert list(table) == [Point("a.png", 1.5, 2.0, "soil"), Point("sub/b.png", 0.0, 10.0, "dark berry")]
    assert [point.line for point in table] == [2, 3]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbfimage,x,y,class\na.png,1,2,soil\n", ("a.png", 1.0, 2.0, "soil")),
        (b"image,x,y,class\r\na.png,1,2,soil\r\n", ("a.png", 1.0, 2.0, "soil")),
        (b"image,x,y,class\n\n  \na.png,1,2,soil", ("a.png", 1.0, 2.0, "soil")),
        (b"class,y,x,image\nsoil,2,1,a.png\n", ("a.png", 1.0, 2.0, "soil")),
        (b" image , x ,y,class\n a.png , 1 , 2 , soil \n", ("a.png", 1.0, 2.0, "soil")),
        (b'image,x,y,class\n"a, b.png",1,2,"so""il"\n', ("a, b.png", 1.0, 2.0, 'so"il')),
        (b"image,x,y,class\nsub\\a.png,1,2,soil\n", ("sub/a.png", 1.0, 2.0, "soil")),
        (b"image,x,y,class\na.png,-1,2,soil\n", ("a.png", -1.0, 2.0, "soil")),
        ("image,x,y,class\nä.png,1,2,Hügel\n".encode(), ("ä.png", 1.0, 2.0, "Hügel")),
    ],
    ids=["BOM", "CRLF", "blank lines", "column order", "blanks", "quotes", "backslash", "negative", "umlaut"],
)
def test_variants_that_are_read(tmp_path: Path, content: bytes, expected: tuple[str, float, float, str]) -> None:
    (point,) = read(tmp_path, content)
    assert (point.image, point.x, point.y, point.label) == expected


@pytest.mark.parametrize(
    ("content", "line", "field", "words"),
    [
        ("", None, None, "empty"),
        ("\n \n", None, None, "empty"),
        ("a.png,1,2,soil\n", 1, None, "no header line"),
        ("image,x,class\na.png,1,soil\n", 1, None, "'y' is missing"),
        ("Image,X,Y,Class\n", 1, None, "'image' is missing; there are 'Image', 'X', 'Y' and 1 more"),
        ("image;x;y\n", 1, None, "'image' is missing"),
        ("image;x;y;class\na.png;1,5;2.5;soil\n", 2, "y", "the numbers above have ','"),
        ("image;x;y;class\na.png;1.234,5;2;soil\n", 2, "x", "no number"),
        ("image;x;y;class\na.png;1,5;2,5;soil;dark\n", 2, None, "5 values for 4 columns"),
        ("image,x,y,class,x\n", 1, None, "'x' appears twice"),
        (HEADER + "a.png,1,2\n", 2, None, "3 values for 4 columns"),
        (HEADER + "a.png,1,2,soil,more\n", 2, None, "5 values for 4 columns"),
        (HEADER + "a.png,nan,2,soil\n", 2, "x", "'nan'"),
        (HEADER + "a.png,1,inf,soil\n", 2, "y", "'inf'"),
        (HEADER + "a.png,1,1e999,soil\n", 2, "y", "'1e999'"),
        (HEADER + "a.png,one,2,soil\n", 2, "x", "'one'"),
        (HEADER + 'a.png,"1,5",2,soil\n', 2, "x", "'1,5'"),
        (HEADER + "a.png,1,,soil\n", 2, "y", "''"),
        (HEADER + "a.png,1,2,soil\n,1,2,soil\n", 3, "image", "empty"),
        (HEADER + "a.png,1,2, \n", 2, "class", "empty"),
        (HEADER + 'a.png,1,2,"soil\n', 2, None, "not readable as CSV"),
        (HEADER + 'a.png,1,2,"so"il\n', 2, None, "not readable as CSV"),
        (HEADER + f"{'a' * 200_000}.png,1,2,soil\n", 2, None, "field limit"),
    ],
)
def test_bad_input_names_line_and_column(
    tmp_path: Path, content: str, line: int | None, field: str | None, words: str
) -> None:
    with pytest.raises(PointsError) as caught:
        read(tmp_path, content)
    assert words in caught.value.found
    assert (caught.value.line, caught.value.field) == (line, field)
    assert caught.value.where == str(tmp_path / "points.csv")
    assert caught.value.hint


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["image;x;y;class", "a, ä.png;10,5;12;soil"], "semicolons and its numbers as having decimal commas"),
        (["image;x;y;class", "a, ä.png;10.5;12;soil"], "semicolons."),
        (["image\tx\ty\tclass", "a, ä.png\t10,5\t12,0\tsoil"], "tabs and its numbers"),
    ],
)
def test_what_excel_writes_is_read_with_a_note(
    tmp_path: Path, rows: list[str], said: str, end: str, encoding: str
) -> None:
    with pytest.warns(PointsWarning, match=said):
        (point,) = read(tmp_path, end.join([*rows, ""]).encode(encoding))
    assert (point.image, point.x, point.y, point.label) == ("a, ä.png", 10.5, 12.0, "soil")


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match="UTF-8"):
        read(tmp_path, (HEADER + "ä.png,1,2,soil\n").encode("latin-1"))
    with pytest.raises(PointsError, match="UTF-16"):
        read(tmp_path, HEADER.encode("utf-16")[:-1])


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PointsError, match="no such file"):
        NativeCsv().read(tmp_path / "nothing.csv")


def test_further_columns_survive_a_rewrite(tmp_path: Path) -> None:
    content = 'image,x,y,class,annotator,note\na.png,1.5,2.5,soil,Ada,"wet, dark"\nb.png,3.5,4.5,berry,,\n'
    table = read(tmp_path, content)
    assert table.columns == ("annotator", "note")
    write_csv(table, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == content


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1).map(str.strip).filter(bool)


@given(
    st.lists(
        st.builds(
            Point,
            NAMES.map(lambda name: name.replace("\\", "/")),
            st.floats(allow_nan=False, allow_infinity=False),
            st.floats(allow_nan=False, allow_infinity=False),
            NAMES,
        ),
        max_size=8,
    )
)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_to_the_last_bit(points: list[Point]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "points.csv")
        write_csv(PointTable(points), path)
        assert list(NativeCsv().read(path)) == points


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    write_csv(PointTable([Point("a.png", 1, 1, "soil")]), tmp_path / "points.csv")
    before = (tmp_path / "points.csv").read_bytes()
    with pytest.raises(PointsError, match="no position"):
        write_csv(PointTable([Point("a.png", float("nan"), 1, "soil")]), tmp_path / "points.csv")
    assert (tmp_path / "points.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["points.csv"]
