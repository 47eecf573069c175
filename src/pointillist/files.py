"""Reading and writing files so that no failure leaves half of one behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from pointillist.errors import PointillistError, SaveError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a file to write; when the block ends well, it takes the place of `path`.

    It has the same name, in a temporary folder beside `path`. What a library leaves there beside it (journals) is
    deleted with the folder. The new content is flushed to the disk before it is renamed, so that after any failure
    either the old file or the new one stands there, whole.

    Raises:
        SaveError: The folder is missing or read-only, the disk is full.
    """
    prefix = f".{path.name[:80]}."
    with saving(path), TemporaryDirectory("", prefix, path.parent, ignore_cleanup_errors=True) as folder:
        temporary = Path(folder, path.name)
        yield temporary
        with temporary.open("r+b") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`, renamed to `path` when the block ends well; else nothing of it is left.

    Raises:
        SaveError: It cannot be written, or `path` is there and not empty.
    """
    make_folder(path.parent)
    hint = "Check that the folder above may be written to and has space left; nothing half written is left."
    prefix = f".{path.name[:80]}."
    with saving(path, hint), TemporaryDirectory("", prefix, path.parent, ignore_cleanup_errors=True) as temporary:
        content = Path(temporary, "content")  # the one around it is private; this one is as readable as any other
        content.mkdir()
        yield content
        if path.exists():
            path.rmdir()  # renaming onto an empty folder works on POSIX only
        content.rename(path)


@contextmanager
def saving(
    path: Path, hint: str = "Check that the folder exists, may be written to and has space left."
) -> Iterator[None]:
    """What the operating system refuses inside the block is a `SaveError` of `path`."""
    try:
        yield
    except OSError as error:
        raise SaveError(f"could not be written ({error.strerror or error}).", where=path, hint=hint) from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with `\\n` line ends, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def make_folder(path: Path) -> Path:
    """Make a folder and its parents; an existing one is fine.

    Raises:
        SaveError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(
            f"this folder could not be made ({error.strerror or error}).",
            where=path,
            hint="Choose another place, or free this one.",
        ) from error
    return path


def read_text(path: Path, kind: type[PointillistError], *, max_bytes: int = 2**30) -> str:
    """Read UTF-8 text (with or without a byte-order mark).

    Raises:
        kind: The file is missing, unreadable, larger than `max_bytes`, or not UTF-8.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise kind(
                f"has {size:,} bytes; at most {max_bytes:,} are read.", where=path, hint="Is this the right file?"
            )
        return path.read_text(encoding="utf-8-sig")
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
    text = read_text(path, kind, max_bytes=2**22)
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise kind(
            f"is not valid YAML: {getattr(error, 'problem', None) or error}.",
            where=path,
            line=None if mark is None else mark.line + 1,
            hint="Mend that line; indentation and colons matter.",
        ) from error
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
