"""Unpacking archives from strangers: nothing leaves the folder, nothing bursts, and it is all there or not at all."""

from __future__ import annotations

import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar

from pointillist.errors import DatasetError, SaveError
from pointillist.files import new_folder

MAX_FILES = 2_000_000
"""More files than any data set of single images has."""

_CHUNK = 2**20

_DAMAGE = (OSError, ValueError, IndexError, KeyError, OverflowError, struct.error)
"""What zipfile and tarfile let through besides their own errors when an archive is damaged; found by fuzzing."""

T = TypeVar("T")


@dataclass(frozen=True)
class _Member:
    """One entry of an archive: its name, and how to read it (None for a folder)."""

    name: str
    open: Callable[[], IO[bytes]] | None


def extract(archive: Path, folder: Path, *, max_bytes: int, on_file: Callable[[str], None] | None = None) -> None:
    """Unpack a zip or tar file (plain, gzip, bzip2, xz) so that its content becomes `folder`.

    It is unpacked beside `folder` and renamed at the end; after a failure, nothing of it is left.

    Args:
        archive: The file.
        folder: Must not exist yet.
        max_bytes: More than this is a bomb.
        on_file: Called with the name of each file.

    Raises:
        DatasetError: It is no such archive or damaged; has an entry that leads out of the folder, a link or a device;
            the same name twice; or unpacks to more than `max_bytes`.
        SaveError: `folder` exists, or the disk is full.
    """
    if folder.exists():
        raise SaveError("is there already.", where=folder, hint="Choose another --out, or remove it.")
    try:
        with new_folder(folder) as inside, _members(archive) as members:
            _unpack(members, inside, archive, max_bytes, on_file)
    # RuntimeError is what zipfile raises for an encrypted file.
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
        raise DatasetError(
            f"is no archive that can be unpacked ({error}).", where=archive, hint="Remove it and fetch it again."
        ) from error


def _unpack(
    members: Iterator[_Member], folder: Path, archive: Path, max_bytes: int, on_file: Callable[[str], None] | None
) -> None:
    left = max_bytes
    for count, member in enumerate(members):
        if count >= MAX_FILES:
            raise _bomb(archive, f"more than {MAX_FILES:,} files")
        target = folder / _safe(member.name, archive)
        if member.open is None:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            output = target.open("xb")
        except FileExistsError as error:
            raise DatasetError(
                f"holds '{member.name}' twice.", where=archive, hint="Fetch the archive again from its source."
            ) from error
        with output:
            # The sizes an archive claims may be false, so what really comes out is counted.
            for block in _reading(_blocks(member.open)):
                left -= len(block)
                if left < 0:
                    raise _bomb(archive, f"more than {max_bytes:,} bytes")
                output.write(block)
        if on_file is not None:
            on_file(member.name)


def _blocks(opening: Callable[[], IO[bytes]]) -> Iterator[bytes]:
    with opening() as source:
        while block := source.read(_CHUNK):
            yield block


def _reading(source: Iterator[T]) -> Iterator[T]:
    """What goes wrong with reading is the archive's fault, whatever the library or the operating system calls it."""
    try:
        yield from source
    except _DAMAGE as error:
        raise tarfile.ReadError(str(error)) from error


def _safe(name: str, archive: Path) -> PurePosixPath:
    """The name as a path below the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    # A colon is a drive or a second stream of a file on Windows.
    if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name or not name.strip("/."):
        if name in (".", "./"):
            return PurePosixPath(".")
        raise DatasetError(
            f"holds '{name}', which leads out of its folder.",
            where=archive,
            hint="Do not use this archive; fetch it again from its source.",
        )
    return path


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    try:
        opened = zipfile.ZipFile(archive) if zipfile.is_zipfile(archive) else tarfile.open(archive)  # noqa: SIM115
    except _DAMAGE as error:
        raise tarfile.ReadError(str(error)) from error
    with opened:
        if isinstance(opened, zipfile.ZipFile):
            yield _reading(_from_zip(opened, info, archive) for info in opened.infolist())
        else:
            yield _reading(_from_tar(opened, info, archive) for info in opened)


def _from_zip(zipped: zipfile.ZipFile, info: zipfile.ZipInfo, archive: Path) -> _Member:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _special(archive, info.filename)
    return _Member(info.filename, None if info.is_dir() else lambda: zipped.open(info))


def _from_tar(tar: tarfile.TarFile, info: tarfile.TarInfo, archive: Path) -> _Member:
    if not (info.isreg() or info.isdir()):
        raise _special(archive, info.name)

    def read() -> IO[bytes]:
        content = tar.extractfile(info)
        if content is None:
            raise tarfile.ReadError(f"'{info.name}' cannot be read")
        return content

    return _Member(info.name, None if info.isdir() else read)


def _special(archive: Path, name: str) -> DatasetError:
    return DatasetError(
        f"holds '{name}', which is a link or a device, not a file.",
        where=archive,
        hint="Do not use this archive; a data set has files only.",
    )


def _bomb(archive: Path, what: str) -> DatasetError:
    return DatasetError(f"unpacks to {what}.", where=archive, hint="Do not use this archive; it may be a bomb.")
