"""A folder in use: one program at a time, held by a lock of the system, which lets go however the program ends."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pointillist.errors import RunError
from pointillist.files import make_folder, saving

MARKER = ".in-use"
"""How the name of the file begins that says who uses a folder; what a killed program leaves of it holds nothing."""

_held: set[int] = set()


def _let_go() -> None:
    """A forked loader process may outlive a killed training, and must not hold what that held."""
    for handle in _held:
        with suppress(OSError):
            os.close(handle)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


@contextmanager
def in_use(
    folder: Path,
    doing: str,
    *,
    share: str = "",
    where: Path | None = None,
    hint: str = "Wait until that one is done, or end it, or choose another folder.",
) -> Iterator[None]:
    """Hold a folder for the block; it is made when missing, and goes again if nothing came into it.

    On POSIX the folder itself is locked, so that removing the marker lets nobody in.

    Args:
        folder: Which.
        doing: What is done in it, for the message to others.
        share: What one of several programs does in it that go along with each other, such as `3-of-16`.
        where: What the message names; the folder when not given.
        hint: What it advises.

    Raises:
        RunError: Another program holds it, here or (with file systems that share locks) on another machine.
        SaveError: The folder cannot be made or written to.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    make_folder(folder)
    marker = folder / (MARKER + (f"-{share}" if share else ""))
    handles: list[int] = []
    try:
        with saving(marker, "Check that the folder may be written to and has space left."):
            # What a link leads to is not ours to empty.
            handles.append(os.open(marker, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644))
            if sys.platform != "win32":
                handles.append(os.open(folder, os.O_RDONLY))
        _held.update(handles)
        if not all(_lock(handle, shared=bool(share) and handle != handles[0]) for handle in handles):
            raise RunError(f"is in use: {_holder(folder)}.", where=where or folder, hint=hint)
        about = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "doing": doing,
        }
        with saving(marker):
            os.ftruncate(handles[0], 0)
            os.write(handles[0], json.dumps(about).encode())
        try:
            yield
        finally:
            # While it is held: nobody else's is removed.
            with suppress(OSError):
                marker.unlink()
    finally:
        for handle in handles:
            os.close(handle)
        _held.difference_update(handles)
        with suppress(OSError):
            for path in made:
                path.rmdir()


def _lock(handle: int, *, shared: bool) -> bool:
    """Lock an open file or folder, or say that another has it locked."""
    if sys.platform == "win32":
        import msvcrt

        try:
            os.lseek(handle, 2**30, os.SEEK_SET)  # beyond what others read
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Some network file systems lock files alone, or nothing.
        return True
    return True


def _holder(folder: Path) -> str:
    """Who holds a folder, in words."""
    for marker in sorted(folder.glob(f"{MARKER}*")):
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            with marker.open("rb") as stream:
                about = json.loads(stream.read(2000))
            pid, host, since, doing = (about[key] for key in ("pid", "host", "since", "doing"))
            return f"process {int(pid)} on {host!s:.100} is {doing!s:.100} here since {since!s:.40}"
    return "by another program"
