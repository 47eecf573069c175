"""The real command as a process of its own, to be killed, filled up and measured."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx


class Annotator:
    """`pointillist annotate` in a process.

    Args:
        data: The folder.
        file_bytes: Size that no file of the process may exceed: a disk that is full there.
    """

    def __init__(self, data: Path, *, file_bytes: int | None = None) -> None:
        limit = (
            "" if file_bytes is None else f"resource.setrlimit(resource.RLIMIT_FSIZE, ({file_bytes}, {file_bytes}));"
        )
        program = f"import resource, sys; {limit} from pointillist.cli import main; main()"
        arguments = ["annotate", str(data), "--no-browser", "--port", "0"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            found = re.search(r"(http://127\.0\.0\.1:\d+)/\?token=(\S+)", line)
            if found:
                self.url, self.token = found[1], found[2]
                return
        raise AssertionError(f"it ended: {said}")

    def client(self) -> httpx.Client:
        """A tab."""
        headers = {"x-pointillist": "1", "authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def kill(self) -> None:
        """End it as a lost power supply would, but for the disk's own memory."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> str:
        """End it as Ctrl-C does; gives what it said last."""
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=60)
        return said

    def memory(self, kind: str = "VmHWM") -> int:
        """Bytes of memory: the most so far (`VmHWM`), or now (`VmRSS`)."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{kind}:\s+(\d+) kB", text)[1]) * 1024  # type: ignore[index]


@contextmanager
def annotator(data: Path, *, file_bytes: int | None = None) -> Iterator[Annotator]:
    """A process that is gone after the block, however that ends."""
    running = Annotator(data, file_bytes=file_bytes)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.kill()


def children(pid: int) -> list[tuple[int, str]]:
    """Processes that a process started, with their command lines."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                line = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            if parent == pid:
                found.append((int(entry.name), line))
    return found
