from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from pointillist.errors import DatasetError, PointillistWarning, SaveError
from pointillist.files import make_folder, read_text, read_yaml, replaced_folder, replacing, write_text


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


def test_a_folder_in_which_nothing_may_be_changed_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither renamed nor cleaned up: one error all the same."""
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("replace", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, refuse)
    with pytest.raises(SaveError, match="Permission denied"):
        write_text(path, "new")
    assert path.read_text() == "old"


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(SaveError) as caught:
        write_text(tmp_path / "nowhere" / "a.txt", "x")
    assert "nowhere" in str(caught.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError, match="could not be made"):
        make_folder(tmp_path / "file" / "below")


@pytest.mark.parametrize("how", ["rename", "in place", "new"])
@pytest.mark.parametrize("exchange", [True, False])
def test_what_another_program_wrote_meanwhile_is_kept(
    how: str, exchange: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchange:  # as on other systems
        monkeypatch.setattr("pointillist.files.exchange", lambda *_: False)
    path = tmp_path / "points.csv"
    if how != "new":
        write_text(path, "old")

    def write() -> None:
        with replacing(path, keep=True) as temporary:
            temporary.write_text("ours")
            if how == "rename":
                (tmp_path / "b").write_text("theirs")
                (tmp_path / "b").replace(path)
            else:
                path.write_text("theirs")

    with pytest.warns(PointillistWarning, match=r"kept as points\.1\.kept\.csv"):
        write()
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "points.csv": "ours",
        "points.1.kept.csv": "theirs",
    }


@pytest.mark.filterwarnings("error")
def test_nothing_is_kept_of_what_was_to_be_replaced(tmp_path: Path) -> None:
    for text in ("one", "two", "three"):
        write_text(tmp_path / "a.txt", text, keep=True)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.txt", "three")]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows flushes folders by itself")
def test_the_name_is_on_the_disk_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace

    def sync(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        real_sync(handle)

    def replace(path: Path, target: Path) -> Path:
        done.append("rename")
        return real_replace(path, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    write_text(tmp_path / "a.txt", "x")
    assert done == ["file", "rename", "folder"]


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
    with pytest.raises(DatasetError, match="no such file"):
        read_text(tmp_path / "missing", DatasetError)


@pytest.mark.parametrize("exchanging", [True, False])
def test_a_folder_is_replaced_whole(exchanging: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not exchanging:
        monkeypatch.setattr("pointillist.files.exchange", lambda *_: False)
    path = tmp_path / "model"
    for number in ("one", "two"):
        with replaced_folder(path) as folder:
            (folder / number).write_text(number)
            assert [file.name for file in path.glob("*")] == ([] if number == "one" else ["one"])
        assert [(file.name, file.read_text()) for file in path.iterdir()] == [(number, number)]
    with pytest.raises(ValueError, match="on purpose"), replaced_folder(path):
        raise ValueError("on purpose")
    assert [file.name for file in path.iterdir()] == ["two"]
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
