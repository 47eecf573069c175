"""The recorder of what a program does to its files, from Python; see `recorder.c`."""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("recorder.c")
HEAD = struct.Struct("<cQQQQ")

OPEN, WRITE, SYNC, RENAME, UNLINK, MKDIR, LINK, READ = (2**bit for bit in range(8))
"""Kinds of calls that can be let fail; OPEN is opening for writing, READ opening for reading, also of folders."""

KINDS = ("open", "write", "flush", "rename", "unlink", "mkdir", "link", "read")


def why_not() -> str:
    """Why nothing can be recorded here; empty where it can."""
    if not sys.platform.startswith("linux"):
        return "the recorder stands between a program and the C library of Linux"
    return "" if shutil.which("cc") else "the recorder needs a C compiler, cc"


def build(folder: Path) -> Path:
    """Compile the library."""
    library = folder / "recorder.so"
    if not library.exists():
        made = folder / f"recorder-{os.getpid()}.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", made, SOURCE, "-ldl", "-lpthread"], check=True)
        made.replace(library)
    return library


def environment(library: Path) -> dict[str, str]:
    """The environment of a program that is watched."""
    return os.environ | {"LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}


class Recorder:
    """Speaks with the recorder inside this process, which was started with it."""

    def __init__(self, folder: Path) -> None:
        self._library = ctypes.CDLL(None)
        self._library.recorder_calls.restype = self._library.recorder_hits.restype = ctypes.c_long
        self._library.recorder_failed.restype = ctypes.c_char_p
        self._library.recorder_watch(os.fsencode(os.path.realpath(folder)))

    def start(self, record: Path) -> None:
        """Write down from now on, into a file elsewhere."""
        assert self._library.recorder_start(os.fsencode(record))

    def note(self, text: str) -> None:
        """Put a remark between the calls."""
        self._library.recorder_note(text.encode())

    def fail(self, at: int, times: int, error: int, kinds: int) -> None:
        """Let calls fail from the `at`-th on, counted from 1 and from now; 0 lets none fail."""
        self._library.recorder_fail(ctypes.c_long(at), ctypes.c_long(times), error, kinds)

    @property
    def calls(self) -> int:
        """Calls of the chosen kinds so far."""
        return int(self._library.recorder_calls())

    @property
    def hits(self) -> int:
        """Calls that were let fail."""
        return int(self._library.recorder_hits())

    @property
    def failed(self) -> str:
        """What was let fail first: kind and path."""
        kind, _, path = self._library.recorder_failed().decode().partition(" ")
        return f"{KINDS[int(kind).bit_length() - 1]} {path}"


@dataclass(frozen=True)
class Call:
    """One thing that was done: C create, O open, W write, T truncate, S flush a file, D flush a folder, R rename,
    X exchange, U unlink, M and K make and remove a folder, N a note."""

    kind: str
    inode: int
    number: int
    first: bytes
    second: bytes


def read_record(path: Path) -> Iterator[Call]:
    """What was written down."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        kind, inode, number, one, two = HEAD.unpack_from(data, at)
        at += HEAD.size
        yield Call(kind.decode(), inode, number, data[at : at + one], data[at + one : at + one + two])
        at += one + two
