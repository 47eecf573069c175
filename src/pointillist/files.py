"""Reading and writing files so that no failure leaves half of one behind."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import stat
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from pointillist.errors import PointillistError, PointillistWarning, SaveError
from pointillist.renaming import exchange, put
from pointillist.yamltext import MAX_BYTES, parse_yaml


@contextmanager
def replacing(path: Path, *, keep: bool = False) -> Iterator[Path]:
    """Give the path of a file to write; when the block ends well, it takes the place of `path`.

    It has the same name, in a temporary folder beside `path`. What a library leaves there beside it (journals) is
    deleted with the folder. The new content is flushed to the disk before it is renamed, and the folder after that, so
    that after any failure either the old file or the new one stands there, whole.

    Args:
        path: The file.
        keep: Other programs write it as well: what one of them has put there during the block is kept beside it, with
            a warning. On Linux nothing is missed, elsewhere an instant is.

    Raises:
        SaveError: The folder is missing or read-only, the disk is full.
    """
    before = _state(path)
    with saving(path), _beside(path) as folder:
        temporary = folder / path.name
        yield temporary
        with temporary.open("r+b") as stream:
            os.fsync(stream.fileno())
        if keep and path.exists():
            old = temporary if exchange(temporary, path) else path
            if _state(old) != before:
                _keep(old, path)
            if old is path:
                put(temporary, path)
        else:
            put(temporary, path)
        flush_folder(path.parent)


@contextmanager
def folder_for_now(above: Path, prefix: str) -> Iterator[Path]:
    """Give a new private folder that is removed after the block, as far as that can be done.

    `tempfile.TemporaryDirectory` calls itself without end where nothing may be removed any more.
    """
    folder = Path(mkdtemp("", prefix, above))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _beside(path: Path) -> AbstractContextManager[Path]:
    return folder_for_now(path.parent, f".{path.name[:80]}.")


def left_by_writing(path: Path, entry: Path) -> bool:
    """Whether an entry of the same folder is what a process that was stopped while it wrote `path` has left."""
    return entry.name.startswith(f".{path.name[:80]}.") and entry.is_dir()


def _state(path: Path) -> tuple[int, int, int] | None:
    """What tells one file, or one state of it, from another."""
    with suppress(OSError):
        found = path.lstat()
        return found.st_ino, found.st_size, found.st_mtime_ns
    return None


def _keep(old: Path, path: Path) -> None:
    """Keep what another program wrote where we were about to write."""
    names = (path.with_name(f"{path.stem}.{number}.kept{path.suffix}") for number in itertools.count(1))
    for name in names:
        with suppress(FileExistsError), name.open("xb") as stream:
            stream.write(old.read_bytes())
            stream.flush()
            os.fsync(stream.fileno())
            text = (
                f"{path} was changed by another program while it was written; what that wrote is kept as {name.name}."
            )
            warnings.warn(text, PointillistWarning, stacklevel=5)
            return


NO_SUCH_FLUSH = frozenset({errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS})
"""What file systems say that cannot flush a folder; PostgreSQL goes on after these, too."""


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on the disk; Windows does that by itself.

    Raises:
        OSError: The disk failed.
    """
    if sys.platform == "win32":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that may be written to, but not read
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_SUCH_FLUSH:
            raise
    finally:
        os.close(handle)


def _flush_all(folder: Path) -> None:
    """Have all that is in a folder on the disk, files and names."""
    for entry in folder.iterdir():
        if entry.is_symlink():
            continue
        if entry.is_dir():
            _flush_all(entry)
        else:
            with entry.open("r+b") as stream:
                os.fsync(stream.fileno())
    flush_folder(folder)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`, renamed to `path` when the block ends well; else nothing of it is left.

    Raises:
        SaveError: It cannot be written, or `path` is there and not empty.
    """
    make_folder(path.parent)
    hint = "Check that the folder above may be written to and has space left; nothing half written is left."
    with saving(path, hint), _beside(path) as temporary:
        content = temporary / "content"  # the one around it is private; this one is as readable as any other
        content.mkdir()
        yield content
        _flush_all(content)
        if path.exists():
            path.rmdir()  # renaming onto an empty folder works on POSIX only
        content.rename(path)
        flush_folder(path.parent)


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder; when the block ends well, it takes the place of the folder `path` and of all in it.

    Whoever opens `path` meanwhile finds the old folder or the new one, whole; where the system cannot exchange folders,
    for an instant none.

    Raises:
        SaveError: It cannot be written.
    """
    make_folder(path.parent)
    with saving(path), _beside(path) as temporary:
        content = temporary / "content"
        content.mkdir()
        yield content
        _flush_all(content)
        if not exchange(content, path):
            before = temporary / "before"
            if path.exists():
                path.rename(before)
            try:
                content.rename(path)
            except BaseException:
                if before.exists():
                    before.rename(path)
                raise
        flush_folder(path.parent)


@contextmanager
def saving(
    path: Path, hint: str = "Check that the folder exists, may be written to and has space left."
) -> Iterator[None]:
    """What the operating system refuses inside the block is a `SaveError` of `path`."""
    try:
        yield
    except OSError as error:
        raise SaveError(f"could not be written ({error.strerror or error}).", where=path, hint=hint) from error


def write_text(path: Path, text: str, *, keep: bool = False) -> None:
    """Write UTF-8 text with `\\n` line ends, whole or not at all; `keep` as in `replacing`."""
    with replacing(path, keep=keep) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def make_folder(path: Path) -> Path:
    """Make a folder and its parents, names on the disk; an existing one is fine.

    Raises:
        SaveError: It cannot be made.
    """
    try:
        new = list(itertools.takewhile(lambda folder: not folder.exists(), (path, *path.parents)))
        path.mkdir(parents=True, exist_ok=True)
        for folder in new:
            flush_folder(folder.parent)
    except OSError as error:
        raise SaveError(
            f"this folder could not be made ({error.strerror or error}).",
            where=path,
            hint="Choose another place, or free this one.",
        ) from error
    return path


def regular(path: Path, kind: type[PointillistError], *, max_bytes: int | None = None) -> Path:
    """The path of a file that may be opened: every reader of a stranger's files asks here first.

    A pipe would be waited for without end, a device read without end.

    Raises:
        kind: There is none, it is a folder, pipe or device, or has more than `max_bytes`.
    """
    try:
        state = path.stat()
    except FileNotFoundError as error:
        raise kind("there is no such file.", where=path, hint="Check the path.") from error
    except (OSError, ValueError) as error:
        found = f"could not be read ({getattr(error, 'strerror', None) or error})."
        raise kind(found, where=path, hint="Check the path and its permissions.") from error
    if not stat.S_ISREG(state.st_mode):
        what = "a folder" if stat.S_ISDIR(state.st_mode) else "a pipe or a device"
        raise kind(f"is {what}, and no file.", where=path, hint="Name a file.")
    if max_bytes is not None and state.st_size > max_bytes:
        found = f"has {state.st_size:,} bytes; at most {max_bytes:,} are read."
        raise kind(found, where=path, hint="Is this the right file?")
    return path


def refuse_links(folder: Path, kind: type[PointillistError]) -> None:
    """Refuse a folder of our own files in which there is a link: what is written there would come to lie elsewhere.

    Raises:
        kind: There is one, at any depth.
    """
    for home, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(home, name)
            if path.is_symlink():
                raise kind("is a link.", where=path, hint="Remove it, or put what it leads to in its place.")


def read_text(path: Path, kind: type[PointillistError], *, max_bytes: int = 2**28) -> str:
    """Read UTF-8 text (with or without a byte-order mark).

    Raises:
        kind: The file is missing, unreadable, larger than `max_bytes`, or not UTF-8.
    """
    try:
        return regular(path, kind, max_bytes=max_bytes).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise kind(
            f"byte {error.start} is not UTF-8 text.", where=path, hint="Save the file with UTF-8 encoding."
        ) from error
    except OSError as error:
        raise kind(
            f"could not be read ({error.strerror or error}).", where=path, hint="Check the path and its permissions."
        ) from error


def read_yaml(path: Path, kind: type[PointillistError]) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        kind: The file cannot be read, is not YAML, or is no mapping.
    """
    content = parse_yaml(read_text(path, kind, max_bytes=MAX_BYTES), kind, where=path)
    if not isinstance(content, dict):
        raise kind("holds no 'key: value' lines.", where=path, hint="See the README for an example.")
    return content


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Protect what is there; an empty folder is nothing.

    Raises:
        SaveError: There is something, and the user did not say that it may be replaced.
    """
    there = any(path.iterdir()) if path.is_dir() else path.exists()
    if there and not overwrite:
        raise SaveError("is there already.", where=path, hint="Choose another place, or replace it with --overwrite.")
