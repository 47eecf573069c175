"""Unpacking archives from strangers: nothing leaves the folder, nothing bursts, and it is all there or not at all."""

from __future__ import annotations

import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar

from pointillist.errors import DatasetError, SaveError
from pointillist.files import new_folder

MAX_FILES = 2_000_000
"""More files than any data set of single images has."""

_CHUNK = 2**20

_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    RuntimeError,  # what zipfile raises for an encrypted file
    *(OSError, ValueError, IndexError, KeyError, OverflowError, struct.error),
)
"""What zipfile and tarfile let through when an archive is damaged; the last row was found by fuzzing."""

T = TypeVar("T")


def extract(
    archive: Path,
    folder: Path,
    *,
    max_bytes: int,
    on_file: Callable[[str], None] | None = None,
    wanted: Callable[[str], bool] | None = None,
) -> None:
    """Unpack a zip or tar file (plain, gzip, bzip2, xz) so that its content becomes `folder`.

    It is unpacked beside `folder` and renamed at the end; after a failure, nothing of it is left.

    Args:
        archive: The file.
        folder: Must not exist yet.
        max_bytes: More than this is a bomb.
        on_file: Called with the name of each file.
        wanted: Whether a file of this name is unpacked; all when not given.

    Raises:
        DatasetError: It is no such archive or damaged; has an entry that leads out of the folder, a link or a device;
            the same name twice; or unpacks to more than `max_bytes`.
        SaveError: `folder` exists, or the disk is full.
    """
    if folder.exists():
        raise SaveError("is there already.", where=folder, hint="Choose another --out, or remove it.")
    left = max_bytes
    with new_folder(folder) as inside, closing(_reading(_entries(archive), archive)) as entries:
        for count, (name, opening) in enumerate(entries):
            if count >= MAX_FILES:
                raise _bomb(archive, f"more than {MAX_FILES:,} files")
            target = inside / _safe(name, archive)
            if opening is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            if wanted is not None and not wanted(name):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                output = target.open("xb")
            except FileExistsError as error:
                raise DatasetError(
                    f"holds '{name}' twice.", where=archive, hint="Fetch the archive again from its source."
                ) from error
            with output:
                # The sizes an archive claims may be false, so what really comes out is counted.
                for block in _reading(_blocks(opening), archive):
                    left -= len(block)
                    if left < 0:
                        raise _bomb(archive, f"more than {max_bytes:,} bytes")
                    output.write(block)
            if on_file is not None:
                on_file(name)


def _entries(archive: Path) -> Iterator[tuple[str, Callable[[], IO[bytes] | None] | None]]:
    """Name of each entry, and what opens it; None for a folder."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _special(archive, info.filename)
                yield info.filename, None if info.is_dir() else partial(zipped.open, info)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if not (member.isreg() or member.isdir()):
                raise _special(archive, member.name)
            yield member.name, None if member.isdir() else partial(tar.extractfile, member)


def _blocks(opening: Callable[[], IO[bytes] | None]) -> Iterator[bytes]:
    source = opening()
    if source is None:
        raise tarfile.ReadError("an entry cannot be read")
    with source:
        while block := source.read(_CHUNK):
            yield block


def _reading(source: Iterator[T], archive: Path) -> Generator[T, None, None]:
    """What goes wrong with reading is the archive's fault, whatever the library or the operating system calls it."""
    try:
        yield from source
    except _DAMAGE as error:
        raise DatasetError(
            f"is no archive that can be unpacked ({str(error).partition(chr(10))[0].rstrip(':')}).",
            where=archive,
            hint="Remove it and fetch it again.",
        ) from error


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


def _special(archive: Path, name: str) -> DatasetError:
    return DatasetError(
        f"holds '{name}', which is a link or a device, not a file.",
        where=archive,
        hint="Do not use this archive; a data set has files only.",
    )


def _bomb(archive: Path, what: str) -> DatasetError:
    return DatasetError(f"unpacks to {what}.", where=archive, hint="Do not use this archive; it may be a bomb.")
