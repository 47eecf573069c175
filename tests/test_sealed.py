"""Files that are read again: a bit that has changed is seen before anything is used."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointillist.errors import RunError
from pointillist.sealed import read_sealed, read_sealed_rows, sealed, sealed_rows, write_sealed

HINT = "Write it again."
CONTENT = {"names": ["ä.png", "b.png"], "score": 0.1, "nothing": None, "by number": {10: 1, 9: 2}}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_sealed(tmp_path / "a.json", CONTENT)
    assert read_sealed(tmp_path / "a.json", RunError, HINT) == json.loads(json.dumps(CONTENT))


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_flipped_bit_goes_unseen(place: int, bit: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("sealed") / "a.json"
    whole = sealed(CONTENT).encode()
    changed = bytearray(whole)
    changed[place % len(whole)] ^= 1 << bit
    file.write_bytes(changed)
    try:
        found = read_sealed(file, RunError, HINT)
    except RunError as error:
        assert error.hint
        assert error.where == str(file)
    else:
        # Only between the values, or the name of the checksum or the format itself: the values are those written.
        assert {name: found[name] for name in CONTENT} == json.loads(json.dumps(CONTENT))


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"a": 1, "checksum": "0"}', "[" * 100_000])
def test_damage_is_one_clear_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RunError) as caught:
        read_sealed(tmp_path / "a.json", RunError, HINT)
    assert caught.value.hint == HINT


def test_files_of_earlier_and_of_later_versions(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('["a.png"]')
    assert read_sealed(file, RunError, HINT, bare="images") == {"images": ["a.png"]}
    file.write_text('{"score": 1}')
    assert read_sealed(file, RunError, HINT) == {"score": 1}
    file.write_text('{"format": 2, "score": 1}')
    with pytest.raises(RunError, match="has format 2; this version reads 1"):
        read_sealed(file, RunError, HINT)


def test_a_table_tells_which_row_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    assert read_sealed_rows(file, RunError) == []
    rows = [{"epoch": "1", "loss": "0.5"}, {"epoch": "2"}, {"epoch": "3", "loss": 'a "b", c'}]
    file.write_text(sealed_rows(("epoch", "loss"), rows))
    assert read_sealed_rows(file, RunError) == [{"loss": "", **row} for row in rows]
    whole = file.read_text()
    for old, new in (("0.5", "0.6"), ("2,", "4,"), ("\n2", "\n2,"), (whole[-5:], "")):
        file.write_text(whole.replace(old, new, 1))
        with pytest.raises(RunError, match="something in it has changed") as caught:
            read_sealed_rows(file, RunError)
        assert caught.value.line in (2, 3, 4)
    file.write_text("epoch,loss\n1,0.5\n")  # an earlier version
    assert read_sealed_rows(file, RunError) == [{"epoch": "1", "loss": "0.5"}]
    file.write_text(whole)
    with file.open(newline="") as stream:  # other programs see one column more
        assert [row["loss"] for row in csv.DictReader(stream)] == ["0.5", "", 'a "b", c']
