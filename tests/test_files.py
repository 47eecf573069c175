from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from pointillist.errors import DatasetError, SaveError
from pointillist.files import make_folder, read_text, read_yaml, replacing, write_text


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("half")
        1 / 0  # noqa: B018
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_a_save_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SaveError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(SaveError) as caught:
        write_text(tmp_path / "nowhere" / "a.txt", "x")
    assert "nowhere" in str(caught.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError, match="could not be made"):
        make_folder(tmp_path / "file" / "below")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_written_files_are_as_readable_as_others(tmp_path: Path) -> None:
    write_text(tmp_path / "ours", "x")
    (tmp_path / "theirs").write_text("x")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "theirs")}
    assert len(modes) == 1


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"\xff\xfe", "not UTF-8"), (b"a: [1", "not valid YAML"), (b"- 1\n", "no 'key: value'"), (b"", "no 'key: value'")],
)
def test_bad_yaml(content: bytes, found: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=found):
        read_yaml(path, DatasetError)


def test_bom_is_no_content_and_size_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(path, DatasetError) == "abc"
    with pytest.raises(DatasetError, match="has 6 bytes"):
        read_text(path, DatasetError, max_bytes=5)
    with pytest.raises(DatasetError, match="could not be read"):
        read_text(tmp_path / "missing", DatasetError)
