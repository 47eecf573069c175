from __future__ import annotations

import errno
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointillist import archives
from pointillist.archives import extract
from pointillist.errors import DatasetError, SaveError

CONTENT = {"a.txt": b"one", "deep/er/b.txt": b"two" * 1000, "empty.txt": b""}
KINDS = ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"]


def pack(path: Path, content: dict[str, bytes] = CONTENT) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                archive.writestr(name, data)
    else:
        mode = {".tar": "w", ".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}[path.suffix]
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            for name, data in content.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path


def unpacked(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(archive: Path, message: str, limit: int = 10**6) -> None:
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(DatasetError, match=message) as caught:
        extract(archive, archive.parent / "out", max_bytes=limit)
    assert caught.value.where == str(archive)
    assert sorted(archive.parent.rglob("*")) == before  # nothing is left, inside or outside


@pytest.mark.parametrize("kind", KINDS)
def test_archives_unpack_whole(tmp_path: Path, kind: str) -> None:
    seen: list[str] = []
    extract(pack(tmp_path / f"a.{kind}"), tmp_path / "out", max_bytes=10**6, on_file=seen.append)
    assert unpacked(tmp_path / "out") == CONTENT
    assert sorted(seen) == sorted(CONTENT)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{kind}", "out"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:\\evil", "C:evil", "//server/evil", ".."]
)
def test_names_that_lead_out_are_refused(tmp_path: Path, kind: str, name: str) -> None:
    refused(pack(tmp_path / f"a.{kind}", {"good.txt": b"x", name: b"evil"}), "leads out of its folder")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_tar_files_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("thing")
        info.type, info.linkname = kind, "/etc"
        archive.addfile(info)
    refused(tmp_path / "a.tar", "a link or a device")


def test_links_in_zip_files_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("thing")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc")
    refused(tmp_path / "a.zip", "a link or a device")


@pytest.mark.parametrize("kind", KINDS)
def test_bombs_do_not_burst(tmp_path: Path, kind: str) -> None:
    refused(
        pack(tmp_path / f"a.{kind}", {"a": b"\0" * 3_000_000, "b": b"\0" * 3_000_000}), "unpacks to more", 4_000_000
    )


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILES", 3)
    refused(pack(tmp_path / "a.zip", {str(index): b"" for index in range(4)}), "more than 3 files")


def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("a"))
    refused(tmp_path / "a.tar", "holds 'a' twice")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04", b"\x1f\x8b\x08\x00"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", "no archive that can be unpacked")


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_archives_leave_nothing(tmp_path: Path, kind: str) -> None:
    path = pack(tmp_path / f"a.{kind}", {"a": bytes(range(256)) * 200, "b": bytes(range(256)) * 200})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, "no archive that can be unpacked")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_archives_give_their_content_or_a_typed_error(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path = pack(folder / f"a.{kind}")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        extract(path, folder / "out", max_bytes=10**6)
    except DatasetError:
        assert [entry.name for entry in folder.iterdir()] == [path.name]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "a.zip")
    real = Path.open

    def opening(self: Path, mode: str = "r", *args: object, **options: object) -> object:
        if mode == "xb" and self.name == "b.txt":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, mode, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", opening)
    with pytest.raises(SaveError, match="No space left"):
        extract(path, tmp_path / "out", max_bytes=10**6)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(SaveError, match="is there already"):
        extract(pack(tmp_path / "a.zip"), tmp_path / "out", max_bytes=10**6)
